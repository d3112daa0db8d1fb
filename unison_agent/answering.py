"""Words after a conversation: written greedily, or scored where they are given; it knows no LoRAs and no templates."""

from collections.abc import Sequence
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


def write_answer(
    model: "Qwen2_5_VLForConditionalGeneration",
    inputs: Inputs,
    *,
    ends: Sequence[int],
    max_new_tokens: int,
    progress: Progress,
) -> list[int]:
    """Return the likeliest tokens after one conversation, greedily, without those that end it.

    What a checkpoint says of sampling and of penalties is not used.

    Args:
        model: In evaluation mode.
        inputs: One row.
        ends: Tokens that end an answer.
        max_new_tokens: The most tokens.
        progress: Told of every token.

    Raises:
        RequestError: The conversation and its answer are longer than the model reads.
        RunCancelledError: Raised by `progress`.
    """
    import torch
    from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

    start = inputs.ids.shape[1]
    _check_length(model, start, max_new_tokens)

    class Report(StoppingCriteria):
        def __call__(
            self, input_ids: "LongTensor", scores: "tuple[Tensor] | None", **_: object
        ) -> "BoolTensor":
            del scores
            progress(ProgressEvent("answer", input_ids.shape[1] - start, max_new_tokens))
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
    return [int(one) for one in output[0, start:]]


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
