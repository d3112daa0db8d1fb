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

from unison_agent import compose, conversation, lora, weights
from unison_agent.conversation import Tokens
from unison_agent.errors import MissingDependencyError
from unison_agent.media import Medium
from unison_agent.peft_lora import PeftLora
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.reading import Frames, frames_of, inputs_of, multimodal, seen

if TYPE_CHECKING:
    from typing import Protocol

    from torch import BoolTensor, LongTensor, Tensor
    from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

    from unison_agent.decoding import ConstrainedDecoder, Turn, Written

    class _Generating(Protocol):
        def generate(self, **settings: object) -> Tensor: ...


_END_OF_TURN = 2
# What plans look like, for the decoder to guess from: a plan that does not only takes longer to write.
FAMILIAR_PLANS = (
    ',"prompt":"',
    '{"task":"text_to_image","width":64,"height":64,"prompt":"',
    '{"task":"text_to_video","duration_seconds":2,"fps":8,"prompt":"',
    '{"task":"image_to_video","first_frame":"image_1","last_frame":"image_2","prompt":"',
    '{"task":"image_editing","source":"image_1","mask":"image_2","target":"',
    '{"task":"video_editing","source":"video_1","target":"',
    '{"task":"image_controllable_generation","control":"image_1","control_type":"depth","prompt":"',
    '{"task":"video_controllable_generation","control":"video_1","control_type":"depth","prompt":"',
    '{"task":"image_reference_generation","references":["image_1"],"prompt":"',
    '{"task":"video_reference_generation","references":["image_1"],"prompt":"',
    '{"task":"text_understanding"}',
    '{"task":"image_understanding"}',
    '{"task":"video_understanding"}',
    '","then":{"task":"image_to_video","first_frame":"step_1","prompt":"',
)


@dataclass(frozen=True, slots=True)
class HiddenStates:
    """What the connector reads.

    Attributes:
        states: (B, L, hidden), float32, zero where padded.
        mask: (B, L) bool, True where there is a token.
    """

    states: "Tensor"
    mask: "Tensor"


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
        self.loras = lora.FoldedLoras(model.model.language_model)
        self._lock = threading.RLock()
        self._decoder: ConstrainedDecoder | None = None
        self._chat_head: str | None = None

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
                self.loras.add(folder / name, name)
        progress(ProgressEvent("load", 2, 2))
        return self

    def add_peft_planner(self, folder: Path) -> None:
        """Plan with a LoRA as peft saves it, e.g. the paper's; answers and pictures stay those of the base.

        Its tokenizer takes the place of the model's, and turns are written in Qwen's chat template.

        Raises:
            WeightsError: It is not whole, or was trained for another model.
        """
        loaded = PeftLora.load(folder)
        with self._lock:
            loaded.add_to(self.loras, self.model, self.tokenizer)
            self.tokenizer, self._decoder = loaded.tokenizer, None
            self._chat_head = conversation.CHAT_HEAD

    def write(
        self, prompt: str, grammar: str, *, copy_from: str = "", max_new_tokens: int = 256
    ) -> "Written":
        """Return the model's text under a grammar, greedily, with the planning LoRA on.

        Args:
            prompt: The content of the user's turn.
            grammar: Lark, as llguidance reads it.
            copy_from: Text whose words may be repeated, the request; only the speed depends on it.
            max_new_tokens: Most tokens to write.
        """
        with self._using("planner"):
            return self._decoding().write(
                prompt, grammar, copy_from=copy_from, max_new_tokens=max_new_tokens
            )

    def write_batch(self, turns: "Sequence[Turn]", *, max_new_tokens: int = 256) -> "list[Written]":
        """Return the model's texts for several turns, written together."""
        with self._using("planner"):
            return self._decoding().write_batch(turns, max_new_tokens=max_new_tokens)

    def _decoding(self) -> "ConstrainedDecoder":
        if self._decoder is None:
            from unison_agent.decoding import TURN_HEAD, ConstrainedDecoder

            self._decoder = ConstrainedDecoder(
                self.model,
                self.tokenizer,
                familiar=() if self._chat_head else FAMILIAR_PLANS,
                weights=lambda: "planner" in self.loras.names,
                head=self._chat_head or TURN_HEAD,
            )
        return self._decoder

    def read(self, prompt: str, media: Sequence[Medium] = ()) -> HiddenStates:
        """Return the states of one prompt and its media, (1, L, hidden), no LoRA on."""
        return self.read_batch([prompt], [[frames_of(m) for m in media]])

    def read_chat(self, prompt: str, attachments: Sequence[tuple[str, str]] = ()) -> HiddenStates:
        """Return the states the paper's projector reads: chat template, placeholders, the planning LoRA on.

        Args:
            prompt: What a user says.
            attachments: ``(handle, kind)`` of what it is about, in order; no pixels are read.

        Returns:
            States (1, L, hidden).
        """
        import torch

        row = conversation.chatting(self.tokenizer, prompt, attachments)
        inputs = inputs_of([row], [], self.model.dtype)
        with self._using("planner"), torch.inference_mode():
            output = self.model.model(
                input_ids=inputs.ids,
                attention_mask=inputs.mask.long(),
                output_hidden_states=True,
                use_cache=False,
                **multimodal(inputs),
            )
        return HiddenStates(output.hidden_states[self.layer].float().clone(), inputs.mask)

    def read_batch(self, prompts: Sequence[str], media: Sequence[Sequence[Frames]]) -> HiddenStates:
        """Return the states of several prompts, each with its own media."""
        import torch

        rows = [
            conversation.reading(self.tokenizer, prompt, [seen(f) for f in frames])
            for prompt, frames in zip(prompts, media, strict=True)
        ]
        inputs = inputs_of(rows, [f for frames in media for f in frames], self.model.dtype)
        with self._using(None), torch.inference_mode():
            output = self.model.model(
                input_ids=inputs.ids,
                attention_mask=inputs.mask.long(),
                output_hidden_states=True,
                use_cache=False,
                **multimodal(inputs),
            )
        states = output.hidden_states[self.layer].float() * inputs.mask[..., None]
        return HiddenStates(states.clone(), inputs.mask)

    def states_for_training(
        self, rows: Sequence[Tokens], media: Sequence[Frames]
    ) -> "tuple[Tensor, Tensor, Tensor]":
        """Return final hidden states with their graph (B, L, hidden), the ids and the mask (B, L)."""
        inputs = inputs_of(rows, media, self.model.dtype)
        output = self.model.model(
            input_ids=inputs.ids,
            attention_mask=inputs.mask.long(),
            use_cache=False,
            **multimodal(inputs),
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
        row = conversation.asking(self.tokenizer, question, [seen(f) for f in frames])
        inputs = inputs_of([row], frames, self.model.dtype)
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
                **multimodal(inputs),
            )
        text = self.tokenizer.decode(output[0, start:], skip_special_tokens=True)  # pyright: ignore[reportUnknownMemberType]
        return cast("str", text).strip()

    def score(self, medium: Medium, question: str, options: Sequence[str]) -> list[float]:
        """Return the log-likelihood of each option as the answer to a question about a medium."""
        import torch

        frames = frames_of(medium)
        row = conversation.asking(self.tokenizer, question, [seen(frames)])
        tails = [
            (*conversation.user_ids(self.tokenizer, option), _END_OF_TURN) for option in options
        ]
        rows = [Tokens(row.ids + t, row.types + (0,) * len(t)) for t in tails]
        inputs = inputs_of(rows, [frames] * len(rows), self.model.dtype)
        with self._using("answers"), torch.inference_mode():
            logits = self.model(
                input_ids=inputs.ids,
                attention_mask=inputs.mask.long(),
                use_cache=False,
                **multimodal(inputs),
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
            self.loras.activate(name)
            try:
                yield
            finally:
                self.loras.activate(None)
