"""Media brought to a granted size and number of frames; it knows no tasks and no pipeline."""

from collections.abc import Sequence

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


def blank_levels(num_frames: int, ramp: float) -> tuple[int, ...]:
    """Return the gray of each frame that is still to be made.

    Args:
        num_frames: Frames of the clip.
        ramp: Gray levels a frame. 0 is the middle gray of Wan VACE; a small model that cannot tell where in
            time a frame is reads it from its distance to the middle gray.
    """
    middle = (num_frames - 1) / 2
    return tuple(round(min(255, max(0, 128 + ramp * (f - middle)))) for f in range(num_frames))


def composited(
    made: NDArray[np.uint8], kept: Sequence[PIL.Image.Image], mask: Sequence[PIL.Image.Image]
) -> NDArray[np.uint8]:
    """Return `made` with the pixels of `kept` wherever `mask` is black.

    Args:
        made: Shape [num_frames, height, width, 3].
        kept: One RGB frame for each of `made`.
        mask: One L frame for each of `made`; white is what was to change.
    """
    change = np.stack([np.asarray(frame) for frame in mask]) > 127
    source = np.stack([np.asarray(frame) for frame in kept])
    return np.where(change[..., None], made, source)


def _resized(frame: PIL.Image.Image, size: Size) -> PIL.Image.Image:
    return frame if frame.size == size else frame.resize(size, PIL.Image.Resampling.LANCZOS)


def _binary(frame: PIL.Image.Image, size: Size) -> PIL.Image.Image:
    gray = frame.convert("L").resize(size, PIL.Image.Resampling.NEAREST)
    return PIL.Image.fromarray(np.where(np.asarray(gray) > 127, 255, 0).astype(np.uint8))
