"""Reads an encoded output back and compares it with what was granted; it writes nothing.

What a tool made was compared with the grant when it was made. Here it is the file that is looked at, as another
program would see it: an encoder may lose frames, time or the picture without an error.
"""

from collections.abc import Iterable

import numpy as np
import PIL.Image

from unison_agent.errors import MediaError
from unison_agent.media import Image, Medium, Video
from unison_agent.media.media_set import open_blob
from unison_agent.media.sources import Blob
from unison_agent.tasks import Granted, GrantedImage, GrantedVideo

_LOSSLESS = (".png", ".webp")


def fault_of(data: bytes, medium: Medium, granted: Granted | None, suffix: str) -> str | None:
    """Return what is wrong with a file, in a few words; None where it holds what was granted.

    Args:
        data: The file.
        medium: What was encoded.
        granted: Size, frames and speed; of a tool of the user's own, and for None, those of `medium` count.
        suffix: Of the file, lower case. MP4 may be a pixel larger where a side is odd, GIF merges equal frames.
    """
    try:
        read = open_blob(Blob(f"the {suffix[1:].upper()}", data))
        return _size_fault(read, medium, granted) or _content_fault(read, medium, granted, suffix)
    except MediaError as error:
        return f"it cannot be read back: {error.message}"


def _size_fault(read: Medium, medium: Medium, granted: Granted | None) -> str | None:
    wanted: Medium | GrantedImage | GrantedVideo = medium
    if isinstance(granted, GrantedImage | GrantedVideo):
        wanted = granted
    exact, even = (wanted.width, wanted.height), (_even(wanted.width), _even(wanted.height))
    if (read.width, read.height) in (exact, even):
        return None
    return f"it is {read.width}x{read.height}, not {exact[0]}x{exact[1]}"


def _content_fault(
    read: Medium, medium: Medium, granted: Granted | None, suffix: str
) -> str | None:
    if isinstance(medium, Image):
        if not isinstance(read, Image):
            return "it is no picture"
        if suffix in _LOSSLESS and not np.array_equal(
            np.asarray(read.rgb()), np.asarray(medium.rgb())
        ):
            return "its pixels are others than those that were made"
        return None
    if isinstance(read, Video):
        fault = _time_fault(read, medium, granted, suffix)
        if fault is not None:
            return fault
        shown: Iterable[PIL.Image.Image] = read.frames()
    elif suffix == ".gif":  # all frames are equal
        shown = (read.rgb(),)
    else:
        return "it is no clip"
    if _blank(shown) and not _blank(medium.frames()):
        return "it shows nothing but one colour"
    return None


def _time_fault(read: Video, medium: Video, granted: Granted | None, suffix: str) -> str | None:
    wanted = granted if isinstance(granted, GrantedVideo) else medium
    count, seconds = wanted.num_frames, wanted.num_frames / wanted.fps
    if read.num_frames != count and (suffix != ".gif" or read.num_frames > count):
        return f"it has {read.num_frames} frames, not {count}"
    if abs(read.duration_seconds - seconds) > max(0.02, 0.5 / wanted.fps):
        return f"it lasts {read.duration_seconds:.3g} s, not {seconds:.3g} s"
    return None


def _blank(frames: Iterable[PIL.Image.Image]) -> bool:
    """Return whether all frames are of one and the same colour; the first that is not is the last looked at."""
    color = None
    for frame in frames:
        pixels = np.asarray(frame)
        color = pixels[0, 0] if color is None else color
        if (pixels != color).any():
            return False
    return True


def _even(side: int) -> int:
    return side + side % 2
