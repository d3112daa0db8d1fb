"""Where an edit changes something: the mask that is attached, or the one found by words; it runs no pipeline."""

from collections.abc import Sequence
from typing import Protocol

import PIL.Image

from unison_agent.adapters import frames
from unison_agent.errors import MissingInputError
from unison_agent.media import MediaSet
from unison_agent.preprocess.target import ClipMasks
from unison_agent.tasks import ImageEditing, VideoEditing


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
) -> tuple[tuple[PIL.Image.Image, ...], tuple[str, ...]]:
    """Return one mask a frame of `source`, L, 0 or 255, and what the user should know of them.

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
        return frames.masks(given, len(source), source[0].size), ()
    if call.target is None or find_mask is None:
        raise MissingInputError(
            f"{call.task} has no mask, and the request does not name what to change.",
            slot="mask",
            question="What should change? Name it, or attach a mask that is white there.",
        )
    found = find_mask(source, call.target)
    return found.masks, _missed(call.target, found, len(source))


def _missed(target: str, found: ClipMasks, num_frames: int) -> tuple[str, ...]:
    if not found.missed:
        return ()
    count = len(found.missed)
    return (
        f"{target!r} was not seen on {count} of {num_frames} frames; the nearest mask was used there.",
    )
