"""Where an edit changes something: the mask that is attached, or the one found by words; it runs no pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import PIL.Image

from unison_agent.adapters import frames
from unison_agent.errors import MissingInputError
from unison_agent.media import Image, MediaSet
from unison_agent.preprocess.polarity import looks_inverted, preview
from unison_agent.preprocess.target import ClipMasks
from unison_agent.result import Preview
from unison_agent.tasks import ImageEditing, VideoEditing

INVERTED = (
    "The mask looks inverted: it is white all around and black on what stands there, so that thing was kept and the "
    "rest was made anew. The previews show both ways; if the other one is meant, swap black and white in the mask."
)


@dataclass(frozen=True, slots=True)
class EditMasks:
    """Where an edit changes something.

    Attributes:
        masks: One a frame, L; white is what changes, gray what does so in part.
        notes: What the user should know, in sentences.
        previews: Small pictures that the notes speak of.
    """

    masks: tuple[PIL.Image.Image, ...]
    notes: tuple[str, ...] = ()
    previews: tuple[Preview, ...] = ()


class MaskFinder(Protocol):
    """Finds what the words of a call name."""

    def __call__(self, frames: Sequence[PIL.Image.Image], target: str, /) -> ClipMasks:
        """Return one mask a frame."""
        ...


def edit_masks(
    call: ImageEditing | VideoEditing,
    source: Sequence[PIL.Image.Image],
    media: MediaSet,
    find_mask: MaskFinder | None,
) -> EditMasks:
    """Return one mask a frame of `source`, and what the user should know of them.

    A mask that is attached is taken as it is; one that looks inverted gets a note, and pictures of both ways.

    Args:
        call: Attaches the mask, or names what is to change.
        source: RGB, of one size, at least one.
        media: Where the mask is found.
        find_mask: Finds the mask of a call that attaches none.

    Raises:
        MissingInputError: There is no mask, and none could be found.
        RequestError: The mask is of the wrong kind, or black all over.
    """
    if call.mask is not None:
        still = isinstance(call, ImageEditing)
        given = media.image(call.mask) if still else media.medium(call.mask)
        return _checked(frames.masks(given, len(source), source[0].size), source, call)
    if call.target is None or find_mask is None:
        raise MissingInputError(
            f"{call.task} has no mask, and the request does not name what to change.",
            slot="mask",
            question="What should change? Name it, or attach a mask that is white there.",
        )
    found = find_mask(source, call.target)
    return EditMasks(found.masks, _missed(call.target, found, len(source)))


def _checked(
    masks: tuple[PIL.Image.Image, ...],
    source: Sequence[PIL.Image.Image],
    call: ImageEditing | VideoEditing,
) -> EditMasks:
    words = f"{call.prompt} {call.target or ''}"
    middle = len(masks) // 2
    mask, frame = masks[middle], source[middle]
    if not looks_inverted(mask, frame, words):
        return EditMasks(masks)
    previews = tuple(
        Preview(name, Image.from_pil(preview(mask, frame, inverted=inverted)))
        for name, inverted in (("mask-as-given", False), ("mask-inverted", True))
    )
    return EditMasks(masks, (INVERTED,), previews)


def _missed(target: str, found: ClipMasks, num_frames: int) -> tuple[str, ...]:
    if not found.missed:
        return ()
    count = len(found.missed)
    return (
        f"{target!r} was not seen on {count} of {num_frames} frames; the nearest mask was used there.",
    )
