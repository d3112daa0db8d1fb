"""The understanding model: write plans, read hidden states, answer; it knows no pipelines.

One Qwen2_5_VL with two LoRAs that are off unless wanted: `planner` for `write`, `answers` for `answer`
about media. Hidden states for the connector are always those of the untouched base, so retraining
either LoRA changes no picture.
"""

import hashlib
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, cast

from unison_agent import compose, conversation, lora, pixels, weights
from unison_agent.conversation import Seen, Tokens
from unison_agent.errors import MissingDependencyError
from unison_agent.media import Image, Medium, Video
from unison_agent.progress import Progress, ProgressEvent, silent

if TYPE_CHECKING:
    from typing import Protocol

    import numpy as np
    from numpy.typing import NDArray
    from torch import BoolTensor, LongTensor, Tensor
    from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

    from unison_agent.decoding import ConstrainedDecoder

    class _Generating(Protocol):
        def generate(self, **settings: object) -> Tensor: ...


VIDEO_FRAMES = 4  # of a clip, evenly spread; two pairs of 16 tokens each
_SECONDS_PER_PAIR = 1.0
_END_OF_TURN = 2


@dataclass(frozen=True, slots=True)
class HiddenStates:
    """What the connector reads.

    Attributes:
        states: (B, L, hidden), float32, zero where padded.
        mask: (B, L) bool, True where there is a token.
    """

    states: "Tensor"
    mask: "Tensor"


@dataclass(frozen=True, slots=True)
class _Inputs:
    """One batch for the model, padded on the right.

    Attributes:
        ids: (B, L).
        types: (B, L), 0 text, 1 image, 2 video.
        mask: (B, L) bool.
        images: (16 * number of images, 1536) or None; videos likewise.
    """

    ids: "Tensor"
    types: "Tensor"
    mask: "Tensor"
    images: "Tensor | None"
    image_grid: "Tensor | None"
    videos: "Tensor | None"
    video_grid: "Tensor | None"


Frames = tuple[Literal["image", "video"], "NDArray[np.uint8]"]
"""A medium as the tower sees it: its kind and (frames, 64, 64, 3) uint8."""


class UnderstandingModel:
    """Qwen2_5_VL with its tokenizer and LoRAs; safe to call from several threads.

    Args:
        model: In evaluation mode.
        tokenizer: With the vision tokens.
        layer: Index into hidden_states that `read` returns (0 is the embeddings).
        fingerprint: Names the weights `read` depends on.
    """

    def __init__(
        self,
        model: "Qwen2_5_VLForConditionalGeneration",
        tokenizer: "PreTrainedTokenizerFast",
        *,
        layer: int,
        fingerprint: str,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.layer = layer
        self.fingerprint = fingerprint
        self.adapters: set[lora.AdapterName] = set()
        self._lock = threading.RLock()
        self._decoder: ConstrainedDecoder | None = None

    @classmethod
    def load_nano(
        cls,
        folder: Path,
        *,
        layer: int,
        dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16",
        progress: Progress = silent,
    ) -> Self:
        """Load nano's model: base language model from the cache, the rest from `folder`.

        Args:
            folder: Holds vision.safetensors, planner/ and answers/, listed in SHA256SUMS.
            layer: Index into hidden_states that `read` returns.
            dtype: Of all weights.
            progress: Told of the download and of loading.

        Raises:
            WeightsError: A file is missing or damaged.
            MissingDependencyError: torch or transformers is not installed.
        """
        try:
            import torch
            from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
        except ImportError as error:
            raise MissingDependencyError(error.name or "torch", extra="models") from error
        hashes = weights.verify_folder(folder)
        base = compose.base_folder(progress)
        progress(ProgressEvent("load", 0, 2, "understanding model"))
        tokenizer = compose.load_tokenizer(base)
        vision = load_file(folder / "vision.safetensors")
        model = compose.build_model(base, tokenizer, vision, getattr(torch, dtype))
        marks = f"{weights.BASE.member_sha256}:{hashes['vision.safetensors']}"
        self = cls(
            model,
            tokenizer,
            layer=layer,
            fingerprint=hashlib.sha256(marks.encode()).hexdigest(),
        )
        progress(ProgressEvent("load", 1, 2, "adapters"))
        for name in lora.ADAPTERS:
            if (folder / name).is_dir():
                lora.attach(model.model.language_model, folder / name, name)
                self.adapters.add(name)
        progress(ProgressEvent("load", 2, 2))
        return self

    def write(self, prompt: str, grammar: str, *, max_new_tokens: int = 256) -> str:
        """Return the model's text under a grammar, greedily, with the planning LoRA on."""
        with self._using("planner"):
            if self._decoder is None:
                from unison_agent.decoding import ConstrainedDecoder

                self._decoder = ConstrainedDecoder(self.model, self.tokenizer)
            return self._decoder.write(prompt, grammar, max_new_tokens=max_new_tokens)

    def read(self, prompt: str, media: Sequence[Medium] = ()) -> HiddenStates:
        """Return the states of one prompt and its media, (1, L, hidden), no LoRA on."""
        return self.read_batch([prompt], [[frames_of(m) for m in media]])

    def read_batch(self, prompts: Sequence[str], media: Sequence[Sequence[Frames]]) -> HiddenStates:
        """Return the states of several prompts, each with its own media."""
        import torch

        rows = [
            conversation.reading(self.tokenizer, prompt, [_seen(f) for f in frames])
            for prompt, frames in zip(prompts, media, strict=True)
        ]
        inputs = self._inputs(rows, [f for frames in media for f in frames])
        with self._using(None), torch.inference_mode():
            output = self.model.model(
                input_ids=inputs.ids,
                attention_mask=inputs.mask.long(),
                output_hidden_states=True,
                use_cache=False,
                **_multimodal(inputs),
            )
        states = output.hidden_states[self.layer].float() * inputs.mask[..., None]
        return HiddenStates(states.clone(), inputs.mask)

    def states_for_training(
        self, rows: Sequence[Tokens], media: Sequence[Frames]
    ) -> "tuple[Tensor, Tensor, Tensor]":
        """Return final hidden states with their graph (B, L, hidden), the ids and the mask (B, L)."""
        inputs = self._inputs(rows, media)
        output = self.model.model(
            input_ids=inputs.ids,
            attention_mask=inputs.mask.long(),
            use_cache=False,
            **_multimodal(inputs),
        )
        return output.last_hidden_state, inputs.ids, inputs.mask

    def answer(
        self,
        question: str,
        media: Sequence[Medium] = (),
        *,
        max_new_tokens: int = 256,
        progress: Progress = silent,
    ) -> str:
        """Answer in words, greedily; the base model's own voice for text, the answers LoRA for media.

        Raises:
            RunCancelledError: Raised by `progress`.
        """
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList

        frames = [frames_of(m) for m in media]
        row = conversation.asking(self.tokenizer, question, [_seen(f) for f in frames])
        inputs = self._inputs([row], frames)
        start = inputs.ids.shape[1]

        class Report(StoppingCriteria):
            def __call__(
                self, input_ids: "LongTensor", scores: "tuple[Tensor] | None", **_: object
            ) -> "BoolTensor":
                del scores
                done = input_ids.shape[1] - start
                progress(ProgressEvent("answer", done, max_new_tokens))
                return cast("BoolTensor", torch.zeros(len(input_ids), dtype=torch.bool))

        with self._using("answers" if media else None), torch.inference_mode():
            output = cast("_Generating", self.model).generate(
                input_ids=inputs.ids,
                attention_mask=inputs.mask.long(),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                eos_token_id=_END_OF_TURN,
                pad_token_id=_END_OF_TURN,
                stopping_criteria=StoppingCriteriaList([Report()]),
                **_multimodal(inputs),
            )
        text = self.tokenizer.decode(output[0, start:], skip_special_tokens=True)  # pyright: ignore[reportUnknownMemberType]
        return cast("str", text).strip()

    def score(self, medium: Medium, question: str, options: Sequence[str]) -> list[float]:
        """Return the log-likelihood of each option as the answer to a question about a medium."""
        import torch

        frames = frames_of(medium)
        row = conversation.asking(self.tokenizer, question, [_seen(frames)])
        tails = [
            (*conversation.user_ids(self.tokenizer, option), _END_OF_TURN) for option in options
        ]
        rows = [Tokens(row.ids + t, row.types + (0,) * len(t)) for t in tails]
        inputs = self._inputs(rows, [frames] * len(rows))
        with self._using("answers"), torch.inference_mode():
            logits = self.model(
                input_ids=inputs.ids,
                attention_mask=inputs.mask.long(),
                use_cache=False,
                **_multimodal(inputs),
            ).logits
        log_probabilities = logits.float().log_softmax(-1)
        at = len(row.ids) - 1
        return [
            float(sum(log_probabilities[i, at + j, token] for j, token in enumerate(tail)))
            for i, tail in enumerate(tails)
        ]

    @contextmanager
    def _using(self, name: lora.AdapterName | None) -> Generator[None]:
        with self._lock:
            # The class keeps the position offset of the last pictures it saw and would add it to text.
            self.model.model.rope_deltas = None
            if self.adapters:
                active = name if name in self.adapters else None
                lora.activate(self.model.model.language_model, active)
            try:
                yield
            finally:
                if self.adapters:
                    lora.activate(self.model.model.language_model, None)

    def _inputs(self, rows: Sequence[Tokens], media: Sequence[Frames]) -> _Inputs:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        ids = [torch.tensor(row.ids) for row in rows]
        images = [pixels.patches(pixels.pairs(f)).flatten(0, 1) for k, f in media if k == "image"]
        clips = [pixels.patches(pixels.pairs(f)) for k, f in media if k == "video"]
        side = pixels.SIDE // pixels.PATCH
        dtype = self.model.dtype
        return _Inputs(
            ids=pad_sequence(ids, batch_first=True, padding_value=_END_OF_TURN),
            types=pad_sequence([torch.tensor(row.types) for row in rows], batch_first=True),
            mask=pad_sequence(
                [torch.ones_like(i, dtype=torch.bool) for i in ids], batch_first=True
            ),
            images=torch.cat(images).to(dtype) if images else None,
            image_grid=torch.tensor([[1, side, side]] * len(images)) if images else None,
            videos=torch.cat([c.flatten(0, 1) for c in clips]).to(dtype) if clips else None,
            video_grid=torch.tensor([[len(c), side, side] for c in clips]) if clips else None,
        )


def frames_of(medium: Medium) -> Frames:
    """Return the frames of a medium that the tower sees, 64x64 each."""
    import numpy as np
    from PIL import Image as PILImage

    match medium:
        case Image():
            kind, pictures = "image", [medium.rgb()]
        case Video():
            kind, pictures = "video", medium.sample(VIDEO_FRAMES)
    side = (pixels.SIDE, pixels.SIDE)
    resized = [
        p if p.size == side else p.resize(side, PILImage.Resampling.BICUBIC, reducing_gap=3.0)
        for p in pictures
    ]
    return kind, np.stack([np.asarray(p, dtype=np.uint8) for p in resized])


def _seen(frames: Frames) -> Seen:
    kind, values = frames
    return Seen(kind, -(-len(values) // 2) * pixels.TOKENS)


def _multimodal(inputs: _Inputs) -> dict[str, "Tensor"]:
    """Return the keyword arguments that only multimodal classes take."""
    import torch

    seconds = None
    if inputs.video_grid is not None:
        seconds = torch.full((len(inputs.video_grid),), _SECONDS_PER_PAIR)
    given: dict[str, Tensor | None] = {
        "mm_token_type_ids": inputs.types.int(),
        "pixel_values": inputs.images,
        "image_grid_thw": inputs.image_grid,
        "pixel_values_videos": inputs.videos,
        "video_grid_thw": inputs.video_grid,
        "second_per_grid_ts": seconds,
    }
    return {name: value for name, value in given.items() if value is not None}
