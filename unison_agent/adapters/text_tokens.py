"""A connector's tokens behind those of a pipeline's own text encoder, or in their place; it knows no tasks.

Each family of pipelines reads its prompt in a method of its own, inside of its run, and returns something else from
it. Only what that method returns is changed here, and only while one run lasts, so all else stays as diffusers
has it: pooled embeddings are always the text encoder's.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Literal, Protocol, cast

from unison_agent.errors import ConnectorMismatchError

if TYPE_CHECKING:
    from torch import Tensor

    from unison_agent.connector import Conditioning

TextFamily = Literal["SDXL", "FLUX", "Qwen-Image", "Qwen-Image-Edit", "LTX-Video"]


class _Reader(Protocol):
    """A pipeline that reads prompts."""

    encode_prompt: "Callable[..., tuple[Tensor | None, ...]]"


@contextmanager
def conditioned(
    pipe: object, family: TextFamily, conditioning: "Conditioning | None", name: str
) -> Generator[None]:
    """Let a pipeline read a connector's tokens within it; it reads its own text alone where there are none.

    The prompt's branch of guidance has them alone. Where both branches must be as long, zeros stand in the other:
    unseen where the family has a mask of its tokens, attended to in SDXL, which has none.

    Args:
        pipe: Its lock is held; whatever happens, it is as before afterwards.
        family: How it returns what it read.
        conditioning: The tokens, and whether they follow the text encoder's or replace them.
        name: What to call the pipeline in errors.

    Raises:
        ConnectorMismatchError: The tokens have another width than those of the text encoder.
    """
    if conditioning is None:
        yield
        return
    reader = cast("_Reader", pipe)
    own, times = reader.encode_prompt, count()

    def encode_prompt(*given: object, **named: object) -> "tuple[Tensor | None, ...]":
        return _joined(own(*given, **named), family, next(times), _Tokens(conditioning, name))

    reader.encode_prompt = encode_prompt
    try:
        yield
    finally:
        del reader.encode_prompt  # that of the class is found again


class _Tokens:
    """The tokens of one conditioning, laid to what was read."""

    def __init__(self, conditioning: "Conditioning", name: str) -> None:
        self._made = conditioning
        self._name = name
        self._replaces = conditioning.mode == "replace"

    def prompt(self, read: "Tensor") -> "Tensor":
        """Return what is read of the prompt."""
        return self._laid(read, self._made.prompt_embeds)

    def against(self, read: "Tensor") -> "Tensor":
        """Return what is read of what to keep away from, of the same length."""
        negative = self._made.negative_prompt_embeds if self._replaces else None
        if negative is None:
            negative = self._made.prompt_embeds.new_zeros(self._made.prompt_embeds.shape)
        return self._laid(read, negative)

    def seen(self, mask: "Tensor", tokens: "Tensor", *, extra: bool = True) -> "Tensor":
        """Return the mask of `tokens`; those of the connector are seen where `extra` says so."""
        before = mask[:, :0] if self._replaces else mask
        added = tokens.shape[1] - before.shape[1]
        return _cat(before, before.new_full((before.shape[0], added), int(extra)))

    @property
    def replaces(self) -> bool:
        """Whether the text encoder's are left out."""
        return self._replaces

    def _laid(self, read: "Tensor", tokens: "Tensor") -> "Tensor":
        width, expected = tokens.shape[-1], read.shape[-1]
        if width != expected:
            msg = f"The connector gives {width} channels; {self._name} reads {expected}."
            raise ConnectorMismatchError(msg, hint="Use the connector trained for it.")
        extra = tokens.to(read.device, read.dtype).expand(read.shape[0], -1, -1)
        return extra if self._replaces else _cat(read, extra)


def _joined(
    read: "tuple[Tensor | None, ...]", family: TextFamily, time: int, tokens: _Tokens
) -> "tuple[Tensor | None, ...]":
    """Return what a pipeline's method of reading returned, call `time` of a run from 0, with the tokens."""
    first, second, *others = read
    prompt = cast("Tensor", first)
    match family:
        case "SDXL":  # prompt, negative prompt or None, and both pooled
            against = None if second is None else tokens.against(second)
            return tokens.prompt(prompt), against, *others
        case "FLUX":  # prompt, pooled, places of the tokens, which are all zero
            made, places = tokens.prompt(prompt), cast("Tensor", others[0])
            return made, second, places.new_zeros(made.shape[1], places.shape[-1])
        case (
            "Qwen-Image" | "Qwen-Image-Edit"
        ):  # prompt and its mask, None where all is seen; then the negative's
            if time > 0 and not tokens.replaces:
                return read
            made = tokens.prompt(prompt) if time == 0 else tokens.against(prompt)
            return made, None if second is None else tokens.seen(second, made)
        case "LTX-Video":  # prompt, mask, negative prompt and its mask, or None and None
            made = tokens.prompt(prompt)
            mask = tokens.seen(cast("Tensor", second), made)
            negative, negative_mask = others
            if negative is None or negative_mask is None:
                return made, mask, negative, negative_mask
            against = tokens.against(negative)
            # Something must be seen, or attention has nothing to weigh.
            shown = tokens.seen(negative_mask, against, extra=tokens.replaces)
            return made, mask, against, shown


def _cat(one: "Tensor", other: "Tensor") -> "Tensor":
    import torch

    return torch.cat([one, other], dim=1)
