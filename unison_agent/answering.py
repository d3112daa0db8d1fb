"""Words after a conversation: written greedily, or scored where they are given; no LoRAs or templates are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from unison_agent.errors import RequestError
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.reading import Inputs, multimodal

if TYPE_CHECKING:
    from typing import Protocol

    from torch import BoolTensor, LongTensor, Tensor
    from transformers import Qwen2_5_VLForConditionalGeneration

    class _Generating(Protocol):
        def generate(self, **settings: object) -> Tensor: ...

    class _Texts(Protocol):
        max_position_embeddings: int

    class _Config(Protocol):
        text_config: _Texts


Decode = Callable[[Sequence[int]], str]
"""Turns tokens into text, without those that are control tokens."""

_UNFINISHED = "\ufffd"  # stands for a letter of which some bytes are still to come


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered.

    Attributes:
        text: In words, without blanks around them.
        complete: False where it stopped at the most tokens.
    """

    text: str
    complete: bool = True


class Pieces:
    """A text as it grows, token by token; joined, the pieces are the text without blanks around it.

    Only the last tokens are turned into text again: where a token stands decides how it is written, but not
    beyond its neighbours.

    Args:
        decode: Turns tokens into text.
    """

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._tokens: list[int] = []
        self._told = 0  # tokens whose text was taken
        self._context = 0  # where the tokens begin that were taken last
        self._blank = ""  # may stand between words, or be the end
        self._begun = False

    def take(self, token: int) -> str:
        """Add a token and return what can be read by now, often nothing."""
        self._tokens.append(token)
        before = self._decode(self._tokens[self._context : self._told])
        text = self._decode(self._tokens[self._context :])
        return "" if text.endswith(_UNFINISHED) else self._taken(text[len(before) :])

    def rest(self) -> str:
        """Return what was held back, once there are no more tokens."""
        before = self._decode(self._tokens[self._context : self._told])
        return self._taken(self._decode(self._tokens[self._context :])[len(before) :])

    def _taken(self, new: str) -> str:
        self._context, self._told = self._told, len(self._tokens)
        whole = self._blank + new if self._begun else new.lstrip()
        piece = whole.rstrip()
        self._begun = self._begun or bool(piece)
        self._blank = whole[len(piece) :] if self._begun else ""
        return piece


def write_answer(
    model: "Qwen2_5_VLForConditionalGeneration",
    inputs: Inputs,
    *,
    ends: Sequence[int],
    max_new_tokens: int,
    decode: Decode,
    progress: Progress,
) -> Reply:
    """Return the likeliest answer to one conversation, token after token.

    What a checkpoint says of sampling and of penalties is not used.

    Args:
        model: In evaluation mode.
        inputs: One row.
        ends: Tokens that end an answer.
        max_new_tokens: The most tokens.
        decode: Turns tokens into text.
        progress: Told of every token, and what can be read by then.

    Raises:
        RequestError: The conversation and its answer are longer than the model reads.
        RunCancelledError: Raised by `progress`.
    """
    import torch
    from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

    start = inputs.ids.shape[1]
    _check_length(model, start, max_new_tokens)
    pieces = Pieces(decode)
    told: list[str] = []

    def tell(done: int, piece: str) -> None:
        told.append(piece)
        progress(ProgressEvent("answer", done, max_new_tokens, text=piece))

    class Report(StoppingCriteria):
        def __call__(
            self, input_ids: "LongTensor", scores: "tuple[Tensor] | None", **_: object
        ) -> "BoolTensor":
            del scores
            tell(input_ids.shape[1] - start, pieces.take(int(input_ids[0, -1])))
            return cast(
                "BoolTensor", torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
            )

    settings = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=list(ends),
        pad_token_id=ends[0],
    )
    with torch.inference_mode():
        output = cast("_Generating", model).generate(
            input_ids=inputs.ids,
            attention_mask=inputs.mask.long(),
            generation_config=settings,
            stopping_criteria=StoppingCriteriaList([Report()]),
            **multimodal(inputs),
        )
    written = output.shape[1] - start
    if rest := pieces.rest():
        tell(written, rest)
    return Reply("".join(told), complete=int(output[0, -1]) in ends)


def log_likelihoods(
    model: "Qwen2_5_VLForConditionalGeneration",
    inputs: Inputs,
    start: int,
    tails: Sequence[Sequence[int]],
) -> list[float]:
    """Return how likely each row's tail is after its first `start` tokens, as a logarithm."""
    import torch

    with torch.inference_mode():
        logits = model(
            input_ids=inputs.ids,
            attention_mask=inputs.mask.long(),
            use_cache=False,
            **multimodal(inputs),
        ).logits
    log_probabilities = logits.float().log_softmax(-1)
    return [
        float(sum(log_probabilities[row, start - 1 + at, token] for at, token in enumerate(tail)))
        for row, tail in enumerate(tails)
    ]


def _check_length(
    model: "Qwen2_5_VLForConditionalGeneration", read: int, max_new_tokens: int
) -> None:
    most = cast("_Config", model.config).text_config.max_position_embeddings
    if read + max_new_tokens > most:
        msg = (
            f"The question and its media take {read} tokens; the model reads {most}, "
            f"{max_new_tokens} of them its answer."
        )
        raise RequestError(msg, hint="Attach fewer or smaller pictures, or shorter clips.")
