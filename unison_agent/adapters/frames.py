"""Media brought to a granted size and number of frames; it knows no tasks and no pipeline."""

from collections.abc import Sequence
from math import log10

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from unison_agent.errors import RequestError
from unison_agent.media import Image, Medium, Video

Size = tuple[int, int]
"""width, height in pixels."""
Pictures = Sequence[PIL.Image.Image]
_WHITE = (255, 255, 255)
_BLACK = (0, 0, 0)


def picture(image: Image, size: Size) -> PIL.Image.Image:
    """Return `image` at exactly `size`, RGB, over white where it is transparent."""
    return _resized(image.rgb(_WHITE), size)


def clip(video: Video, num_frames: int, size: Size) -> tuple[PIL.Image.Image, ...]:
    """Return `num_frames` frames at exactly `size`, evenly spread over all of `video`."""
    return tuple(_resized(frame, size) for frame in spread(video.sample(num_frames), num_frames))


def letterboxed(image: Image, size: Size) -> PIL.Image.Image:
    """Return `image` as large as fits into `size`, in the middle of a white canvas."""
    canvas = PIL.Image.new("RGB", size, _WHITE)
    scale = min(size[0] / image.width, size[1] / image.height)
    fitted = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    corner = ((size[0] - fitted[0]) // 2, (size[1] - fitted[1]) // 2)
    canvas.paste(picture(image, fitted), corner)
    return canvas


def masks(medium: Medium, num_frames: int, size: Size) -> tuple[PIL.Image.Image, ...]:
    """Return one mask a frame, mode L, only 0 and 255; an image serves all frames.

    Raises:
        RequestError: It is black all over, so there would be nothing to change.
    """
    match medium:
        case Image():
            drawn = [_binary(medium.rgb(_BLACK), size)] * num_frames
        case Video():
            frames = spread(medium.sample(num_frames), num_frames)
            drawn = [_binary(frame, size) for frame in frames]
    if not any(mask.getbbox() for mask in drawn):
        msg = f"The mask {medium.name} is black all over at {size[0]}x{size[1]}."
        raise RequestError(msg, hint="Paint white what should change, and black what should stay.")
    return tuple(drawn)


def spread(frames: Sequence[PIL.Image.Image], num_frames: int) -> list[PIL.Image.Image]:
    """Return `num_frames` of `frames`, evenly; a shorter clip has its frames repeated."""
    last = len(frames) - 1
    if num_frames == 1:
        return [frames[0]]
    return [frames[round(i * last / (num_frames - 1))] for i in range(num_frames)]


_MIDDLE_GRAY = 128  # of Wan VACE
_GRAY_FRAME = 8  # has the middle gray on every ramp


def blank_levels(num_frames: int, ramp: float) -> tuple[int, ...]:
    """Return the gray of each frame that is still to be made.

    Args:
        num_frames: Frames of the clip.
        ramp: Gray levels a frame. 0 is Wan VACE's middle gray throughout; a small model that cannot tell where
            in time a frame is reads it from the gray, which is that of the ninth frame there.
    """
    levels = (_MIDDLE_GRAY + ramp * (frame - _GRAY_FRAME) for frame in range(num_frames))
    return tuple(round(min(255, max(0, level))) for level in levels)


def composited(
    made: NDArray[np.uint8], kept: Sequence[PIL.Image.Image], mask: Sequence[PIL.Image.Image]
) -> NDArray[np.uint8]:
    """Return `made` with the pixels of `kept` wherever `mask` is black.

    Args:
        made: Shape [num_frames, height, width, 3].
        kept: One RGB frame for each of `made`.
        mask: One L frame for each of `made`; white is what was to change.
    """
    change, source = _stacked(kept, mask)
    return np.where(change[..., None], made, source)


def kept_db(
    made: NDArray[np.uint8], kept: Sequence[PIL.Image.Image], mask: Sequence[PIL.Image.Image]
) -> float | None:
    """Return the PSNR of `made` against `kept` where the mask is black, in dB; None where it is nowhere black.

    Arguments are those of `composited`; equal pixels count as 100 dB.
    """
    change, source = _stacked(kept, mask)
    if change.all():
        return None
    error = float(np.mean((made[~change].astype(np.float64) - source[~change]) ** 2))
    return 100.0 if error == 0 else min(100.0, 10 * log10(255**2 / error))


def _stacked(
    kept: Sequence[PIL.Image.Image], mask: Sequence[PIL.Image.Image]
) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    change = np.stack([np.asarray(frame) for frame in mask]) > 127
    return change, np.stack([np.asarray(frame) for frame in kept])


def _resized(frame: PIL.Image.Image, size: Size) -> PIL.Image.Image:
    return frame if frame.size == size else frame.resize(size, PIL.Image.Resampling.LANCZOS)


def _binary(frame: PIL.Image.Image, size: Size) -> PIL.Image.Image:
    gray = frame.convert("L").resize(size, PIL.Image.Resampling.NEAREST)
    return PIL.Image.fromarray(np.where(np.asarray(gray) > 127, 255, 0).astype(np.uint8))
