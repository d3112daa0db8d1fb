"""The understanding model: write plans, read hidden states, answer; it knows no pipelines.

One Qwen2_5_VL, nano's or a published one, with two LoRAs that are off unless wanted: `planner` for `write`,
`answers` for `answer` about media. Hidden states for a connector of ours are always those of the untouched
base, so retraining either LoRA changes no picture.
"""

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, cast

from unison_agent import answering, compose, conversation, lora
from unison_agent.conversation import NANO_HEADS, Heads, Tokens
from unison_agent.errors import WeightsError
from unison_agent.media import Medium
from unison_agent.peft_lora import PeftLora
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.reading import Inputs, Patches, Sight, inputs_of, multimodal, nano_sight, seen

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

    from unison_agent.decoding import ConstrainedDecoder, Turn, Written


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
        sight: How it sees media.
        heads: What stands before what users say.
        source: ``owner/name@commit`` of a model of the hub.

    Raises:
        WeightsError: The model has no such layer.
    """

    def __init__(
        self,
        model: "Qwen2_5_VLForConditionalGeneration",
        tokenizer: "PreTrainedTokenizerFast",
        *,
        layer: int,
        fingerprint: str,
        sight: Sight = nano_sight,
        heads: Heads = NANO_HEADS,
        source: str | None = None,
    ) -> None:
        layers = len(model.model.language_model.layers)
        if layer > layers:
            msg = f"The understanding model has {layers} layers; layer {layer} was to be read."
            raise WeightsError(msg, hint="Correct layer in the tool pack.")
        self.model = model
        self.tokenizer = tokenizer
        self.layer = layer
        self.fingerprint = fingerprint
        self.source = source
        self.loras = lora.FoldedLoras(model.model.language_model)
        self._sight = sight
        self._heads = heads
        self._ends = _end_tokens(model, tokenizer)
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
            MissingDependencyError: torch, transformers or accelerate is not installed.
        """
        nano = compose.load_nano(folder, dtype=dtype, progress=progress)
        self = cls(nano.model, nano.tokenizer, layer=layer, fingerprint=nano.fingerprint)
        progress(ProgressEvent("load", 1, 2, "adapters"))
        self.loras.pack(nano.model.lm_head)
        for name in lora.ADAPTERS:
            if (folder / name).is_dir():
                self.loras.add(folder / name, name)
        progress(ProgressEvent("load", 2, 2))
        return self

    @property
    def lora_hashes(self) -> Mapping[str, str]:
        """SHA-256 of each LoRA's file, by its name."""
        return self.loras.hashes

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
            self._heads = replace(self._heads, plan=conversation.CHAT_HEAD)

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
            from unison_agent.decoding import ConstrainedDecoder
            from unison_agent.decoding.familiar import FAMILIAR_PLANS

            self._decoder = ConstrainedDecoder(
                self.model,
                self.tokenizer,
                familiar=FAMILIAR_PLANS,
                weights=lambda: "planner" in self.loras.names,
                head=self._heads.plan,
            )
        return self._decoder

    def read(self, prompt: str, media: Sequence[Medium] = ()) -> HiddenStates:
        """Return the states of one prompt and its media, (1, L, hidden), no LoRA on."""
        return self.read_batch([prompt], [[self._sight(m) for m in media]])

    def read_chat(self, prompt: str, attachments: Sequence[tuple[str, str]] = ()) -> HiddenStates:
        """Return the states the paper's projector reads: chat template, placeholders, the planning LoRA on.

        Args:
            prompt: What a user says.
            attachments: ``(handle, kind)`` of what it is about, in order; no pixels are read.

        Returns:
            States (1, L, hidden).
        """
        row = conversation.chatting(self.tokenizer, prompt, attachments)
        return self._states(self._inputs([row], []), "planner")

    def read_batch(
        self, prompts: Sequence[str], media: Sequence[Sequence[Patches]]
    ) -> HiddenStates:
        """Return the states of several prompts, each with its own media."""
        rows = [
            conversation.reading(self.tokenizer, prompt, [seen(one) for one in those])
            for prompt, those in zip(prompts, media, strict=True)
        ]
        return self._states(self._inputs(rows, [one for those in media for one in those]), None)

    def _inputs(self, rows: Sequence[Tokens], media: Sequence[Patches]) -> Inputs:
        return inputs_of(rows, media, self.model, self._ends[0])

    def _states(self, inputs: Inputs, name: lora.AdapterName | None) -> HiddenStates:
        import torch

        with self._using(name), torch.inference_mode():
            output = self.model.model(
                input_ids=inputs.ids,
                attention_mask=inputs.mask.long(),
                output_hidden_states=True,
                use_cache=False,
                **multimodal(inputs),
            )
            states = output.hidden_states[self.layer].float() * inputs.mask[..., None]
        return HiddenStates(states.cpu().clone(), inputs.mask.cpu())

    def answer(
        self,
        question: str,
        media: Sequence[Medium] = (),
        *,
        max_new_tokens: int = 256,
        progress: Progress = silent,
    ) -> str:
        """Answer in words; see `reply`, which says whether the answer is whole."""
        reply = self.reply(question, media, max_new_tokens=max_new_tokens, progress=progress)
        return reply.text

    def reply(
        self,
        question: str,
        media: Sequence[Medium] = (),
        *,
        max_new_tokens: int = 256,
        progress: Progress = silent,
    ) -> answering.Reply:
        """Answer in words, greedily; the base model's own voice for text, the answers LoRA for media.

        Args:
            question: What is asked.
            media: What it is about.
            max_new_tokens: Where an answer is cut that has not ended.
            progress: Told of every token, with the words as they come; raise RunCancelledError in it to stop.

        Raises:
            RequestError: The question and its media are more than the model reads.
            MediaError: One of the media cannot be looked at.
            RunCancelledError: Raised by `progress`.
        """
        looked = [self._sight(one) for one in media]
        row = conversation.asking(
            self.tokenizer, question, [seen(one) for one in looked], self._heads
        )
        with self._using("answers" if media else None):
            return answering.write_answer(
                self.model,
                self._inputs([row], looked),
                ends=self._ends,
                max_new_tokens=max_new_tokens,
                decode=self._words,
                progress=progress,
            )

    def _words(self, tokens: Sequence[int]) -> str:
        text = self.tokenizer.decode(  # pyright: ignore[reportUnknownMemberType]
            list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return cast("str", text)

    def score(self, medium: Medium, question: str, options: Sequence[str]) -> list[float]:
        """Return the log-likelihood of each option as the answer to a question about a medium."""
        looked = self._sight(medium)
        row = conversation.asking(self.tokenizer, question, [seen(looked)], self._heads)
        tails = [
            (*conversation.user_ids(self.tokenizer, option), self._ends[0]) for option in options
        ]
        rows = [Tokens(row.ids + t, row.types + (0,) * len(t)) for t in tails]
        inputs = self._inputs(rows, [looked] * len(rows))
        with self._using("answers"):
            return answering.log_likelihoods(self.model, inputs, len(row.ids), tails)

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


def _end_tokens(
    model: "Qwen2_5_VLForConditionalGeneration", tokenizer: "PreTrainedTokenizerFast"
) -> tuple[int, ...]:
    """Return what ends an answer: first the end of a turn, then what else the checkpoint names."""
    named = cast("int | list[int] | None", getattr(model.generation_config, "eos_token_id", None))
    others = [named] if isinstance(named, int) else named or []
    return tuple(dict.fromkeys([cast("int", tokenizer.eos_token_id), *others]))
