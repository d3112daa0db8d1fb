"""Reads the bytes of an attachment within limits; it does not know what they mean."""

import hashlib
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from unison_agent.errors import MediaError, MediaLimitError, UnsupportedMediaError

FileSource = str | Path | bytes | BinaryIO
_LONGEST_SHOWN = 80
_ADDRESS = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+:(//|[^\\/]*\|)")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an attachment may cost; checked from headers, before pixels are decoded.

    Attributes:
        max_bytes: Size of the file.
        max_pixels: Width times height of an image or of one frame.
        max_frames: Frames of a video or of an animated image.
        max_duration_seconds: Length of a video.
    """

    max_bytes: int = 256 * 1024 * 1024
    max_pixels: int = 64_000_000
    max_frames: int = 4096
    max_duration_seconds: float = 600.0


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of one attachment, read once, so that what is hashed is what is decoded."""

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Hex digest of the bytes."""
        return hashlib.sha256(self.data).hexdigest()


def read_source(source: FileSource, limits: Limits) -> Blob:
    """Read a whole attachment into memory.

    Args:
        source: A path, the bytes themselves, or a file object opened for binary reading.
        limits: At most ``max_bytes`` are read.

    Raises:
        MediaLimitError: It is larger than ``max_bytes``.
        UnsupportedMediaError: It is empty, an address, not a regular file, text, or none of these sources.
        MediaError: It could not be read.
    """
    match source:
        case bytes():
            blob = Blob("attached bytes", source)
        case str() | Path():
            blob = _read_path(source, limits)
        case _:
            blob = _read_stream(source, limits)
    if not blob.data:
        msg = f"{blob.name}: the file is empty (0 bytes)."
        raise UnsupportedMediaError(msg, hint="Attach the file again from where it came.")
    if len(blob.data) > limits.max_bytes:
        _too_large(blob.name, limits)
    return blob


def check_pixels(name: str, width: int, height: int, limits: Limits) -> None:
    """Refuse sizes that would exhaust memory.

    Raises:
        MediaLimitError: ``width * height`` is above ``limits.max_pixels``.
        MediaError: A side is zero.
    """
    if width < 1 or height < 1:
        msg = f"{name}: states a size of {width}x{height} pixels."
        raise MediaError(msg, hint="Both sides must be at least 1 pixel; the file is damaged.")
    if width * height > limits.max_pixels:
        msg = (
            f"{name}: {width}x{height} is {width * height / 1e6:.0f} million pixels; "
            f"at most {limits.max_pixels / 1e6:.0f} million are opened."
        )
        raise MediaLimitError(msg, hint="Attach a smaller copy.")


def check_length(name: str, num_frames: int, duration_seconds: float, limits: Limits) -> None:
    """Refuse clips that are too long.

    Raises:
        MediaLimitError: There are too many frames or seconds.
    """
    if num_frames > limits.max_frames:
        msg = f"{name}: {num_frames} frames; at most {limits.max_frames} are opened."
        raise MediaLimitError(msg, hint="Cut the part that matters and attach that.")
    if duration_seconds > limits.max_duration_seconds:
        msg = (
            f"{name}: {duration_seconds:.0f} seconds long; at most "
            f"{limits.max_duration_seconds:.0f} are opened."
        )
        raise MediaLimitError(msg, hint="Cut the part that matters and attach that.")


def _read_path(source: str | Path, limits: Limits) -> Blob:
    if isinstance(source, str) and _ADDRESS.match(source):
        msg = f"{_shown(source)} is an address; only local files are opened."
        raise UnsupportedMediaError(msg, hint="Download it and attach the file.")
    if isinstance(source, str) and source[:5].lower() == "data:":
        msg = f"{_shown(source)} is a data URI; paths, bytes and open files are opened."
        raise UnsupportedMediaError(msg, hint="Pass its bytes; `Unison.call` takes data URIs.")
    path = Path(source)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UnsupportedMediaError(f"{source} is a folder.", hint="Attach one file.")
        if not stat.S_ISREG(mode):  # before it is opened: opening a pipe waits for a writer
            raise UnsupportedMediaError(f"{source} is not a regular file.", hint="Attach a file.")
        with path.open("rb") as file:
            return Blob(path.name, file.read(limits.max_bytes + 1))
    except MediaError:
        raise
    except FileNotFoundError as error:
        msg = f"No such file: {_shown(source)}."
        raise MediaError(
            msg, hint="Check the path; it is taken from the current folder."
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        why = getattr(error, "strerror", None) or error  # the whole says the path once more
        raise MediaError(f"{_shown(source)} could not be read: {why}.") from error


def _shown(source: str | Path) -> str:
    """Return a path as an error may quote it."""
    said = repr(str(source))
    return said if len(said) <= _LONGEST_SHOWN else f"{said[:_LONGEST_SHOWN]}..."


def _read_stream(source: BinaryIO, limits: Limits) -> Blob:
    if not callable(getattr(source, "read", None)):  # users are untyped
        msg = f"Got {type(source).__name__}; expected a path, bytes or an open file."
        hint = "Pixels in memory go into Image.from_pil, Image.from_array or Video.from_frames."
        raise UnsupportedMediaError(msg, hint=hint)
    named: object = getattr(source, "name", None)
    name = Path(named).name if isinstance(named, str) else "attached stream"
    try:
        data = cast("object", source.read(limits.max_bytes + 1))
    except (OSError, ValueError) as error:  # ValueError: closed, or text that does not decode
        raise MediaError(f"{name} could not be read: {error}.") from error
    if not isinstance(data, bytes):  # the annotation cannot keep text files out
        msg = f"{name}: reading gave {type(data).__name__}, expected bytes."
        raise UnsupportedMediaError(msg, hint='Open the file in binary mode: open(path, "rb").')
    return Blob(name, data)


def _too_large(name: str, limits: Limits) -> None:
    msg = f"{name}: larger than {limits.max_bytes / 2**20:.0f} MiB, which is the limit."
    raise MediaLimitError(msg, hint="Attach a smaller file.")
