"""A prompt as WanVACEPipeline takes it: as words, or as tokens of a connector, alone or behind the words'.

It knows neither tasks nor media.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from unison_agent.errors import ConnectorMismatchError, MissingDependencyError, WeightsError
from unison_agent.tasks import Generation

if TYPE_CHECKING:
    import torch

    from unison_agent.connector import Conditioning
    from unison_agent.pipelines import LoadedPipeline

TEXT_TOKENS = 512  # of the pipeline's own text encoder, zeros included


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the pipeline is given of the words; either the texts or the embeddings are there.

    Attributes:
        text: The prompt.
        negative_text: What to keep away from.
        embeds: (1, tokens, text_dim).
        negative_embeds: Likewise.
    """

    text: str | None = None
    negative_text: str | None = None
    embeds: "torch.Tensor | None" = None
    negative_embeds: "torch.Tensor | None" = None


def prompt_of(
    call: Generation, conditioning: "Conditioning | None", pipeline: "LoadedPipeline"
) -> Prompt:
    """Return the prompt of a call; the pipeline's text encoder runs where tokens are appended to its own.

    Raises:
        ConnectorMismatchError: The conditioning has another width than the transformer reads.
        WeightsError: A text encoder is needed, and there is none.
        MissingDependencyError: The text encoder's words cannot be cleaned.
    """
    if conditioning is None:
        if not pipeline.has_text_encoder:
            msg = f"{pipeline.name} has no text encoder, and its tool has no connector."
            raise WeightsError(msg, hint="Name a connector in the tool pack.")
        _check_cleaning()
        return Prompt(text=call.prompt, negative_text=call.negative_prompt or "")
    width = conditioning.prompt_embeds.shape[-1]
    if width != pipeline.text_dim:
        msg = f"The connector gives {width} channels; {pipeline.name} reads {pipeline.text_dim}."
        raise ConnectorMismatchError(msg, hint="Use the connector trained for it.")
    place, length = pipeline.pipe.device, conditioning.max_sequence_length
    extra = conditioning.prompt_embeds.to(place)
    match conditioning.mode:
        case "replace":
            against = conditioning.negative_prompt_embeds
            against = extra.new_zeros(extra.shape) if against is None else against.to(place)
            length = length or 0
        case "append":
            read, against = _read(call, pipeline)
            extra = _behind(read, extra)
            length = length or TEXT_TOKENS
    return Prompt(embeds=_filled(extra, length), negative_embeds=_filled(against, length))


def _read(call: Generation, pipeline: "LoadedPipeline") -> "tuple[torch.Tensor, torch.Tensor]":
    """Return what the text encoder makes of the prompt and of what to keep away from."""
    import torch

    if not pipeline.has_text_encoder:
        msg = f"{pipeline.name} has no text encoder whose tokens the connector's could follow."
        raise WeightsError(msg, hint="Set mode = 'replace' in the tool pack's connector.")
    _check_cleaning()
    with torch.inference_mode():
        return pipeline.pipe.encode_prompt(
            prompt=call.prompt,
            negative_prompt=call.negative_prompt or "",
            do_classifier_free_guidance=True,
            max_sequence_length=TEXT_TOKENS,
        )


def _behind(read: "torch.Tensor", extra: "torch.Tensor") -> "torch.Tensor":
    """Return the tokens of a prompt, without the zeros behind them, followed by those of the connector."""
    import torch

    told = read[0].any(dim=-1).nonzero()
    length = int(told[-1]) + 1 if len(told) else 0
    return torch.cat([read[:, :length], extra.to(read.dtype)], dim=1)


def _filled(tokens: "torch.Tensor", length: int) -> "torch.Tensor":
    from torch.nn.functional import pad

    return pad(tokens, (0, 0, 0, max(0, length - tokens.shape[1])))


def _check_cleaning() -> None:
    if find_spec("ftfy") is None:
        raise MissingDependencyError("ftfy", extra="models")
