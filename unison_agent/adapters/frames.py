"""Media brought to a granted size and number of frames; it knows no tasks and no pipeline."""

from collections.abc import Sequence

import PIL.Image

from unison_agent.adapters.seams import share_of
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
    """Return one mask a frame, mode L: 255 changes, 0 stays, gray does so in part; an image serves all frames.

    Raises:
        RequestError: It is black all over, so there would be nothing to change.
    """
    match medium:
        case Image():
            drawn = [share_of(medium.rgb(_BLACK), size)] * num_frames
        case Video():
            frames = spread(medium.sample(num_frames), num_frames)
            drawn = [share_of(frame, size) for frame in frames]
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


def _resized(frame: PIL.Image.Image, size: Size) -> PIL.Image.Image:
    return frame if frame.size == size else frame.resize(size, PIL.Image.Resampling.LANCZOS)
