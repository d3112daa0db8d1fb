"""What a file is, from its bytes; it decodes nothing and never looks at a file's name.

The headers are walked here, not by a decoder, so that sizes, frame counts and missing ends are
known before any decoder allocates memory.
"""

import struct
from dataclasses import dataclass
from typing import Literal

from unison_agent.errors import MediaError, UnsupportedMediaError

Container = Literal["png", "apng", "jpeg", "webp", "gif", "mp4", "mov", "webm"]
ALLOWED = "PNG, JPEG, WebP, GIF, MP4, WebM and MOV"

_STILL_BRANDS = {b"avif": "an AVIF image", b"avis": "an AVIF image"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"hevc", b"hevx", b"mif1", b"msf1"), "a HEIC image"
)
_KNOWN_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"OggS", "an Ogg file"),
    (b"FLV\x01", "a Flash video"),
    (b"ID3", "an MP3 sound"),
    (b"fLaC", "a FLAC sound"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\x30\x26\xb2\x75", "a Windows Media file"),
    (b"\x00\x00\x01\xba", "an MPEG program stream"),
    (b"\x47\x40", "an MPEG transport stream"),
)
_TEXT_MARKS: tuple[tuple[str, str], ...] = (
    ("#extm3u", "an HLS playlist"),
    ("ffconcat", "a concat playlist"),
    ("<mpd", "a DASH manifest"),
    ("[playlist]", "a playlist"),
    ("<svg", "an SVG drawing"),
    ("<!doctype html", "a web page"),
    ("<html", "a web page"),
    ("version https://git-lfs", "a Git LFS pointer, not the file itself"),
)
# FFmpeg also reads such a list of files when it has no header.
_CONCAT_LINE = "file "
# Of the VP8X chunk, which comes first in a file that moves or has alpha.
_WEBP_FLAGS, _WEBP_MOVES, _WEBP_ALPHA = 20, 0x02, 0x10


@dataclass(frozen=True, slots=True)
class WebpHeader:
    """Size in pixels and the time each frame is shown; one entry when it does not move."""

    width: int
    height: int
    frame_milliseconds: tuple[int, ...]


def identify(name: str, data: bytes) -> Container:
    """Say which allowed container the bytes are.

    Raises:
        UnsupportedMediaError: They are none of them; the message says what they look like.
    """
    found = _sniff(data)
    if found is not None:
        return found
    msg = f"{name}: {describe(data)}; allowed are {ALLOWED}."
    raise UnsupportedMediaError(msg, hint="Convert it, or attach another file.")


def describe(data: bytes) -> str:
    """Say in a few words what bytes look like that are not allowed."""
    if data[4:8] == b"ftyp" and data[8:12] in _STILL_BRANDS:
        return f"it looks like {_STILL_BRANDS[data[8:12]]}"
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "it looks like a Matroska file that is not WebM"
    if data[:4] == b"RIFF":
        riff = {b"AVI ": "an AVI video", b"WAVE": "a WAV sound"}.get(data[8:12], "a RIFF file")
        return f"it looks like {riff}"
    for start, words in _KNOWN_STARTS:
        if data.startswith(start):
            return f"it looks like {words}"
    return _describe_text(data)


def gif_size(data: bytes) -> tuple[int, int]:
    """Width and height of a GIF's canvas, in pixels; zeros when it ends before them."""
    return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")


def gif_frames(name: str, data: bytes) -> int:
    """Count the frames of a GIF by walking its blocks.

    Raises:
        MediaError: The file ends in the middle of a block, or a block is none of GIF's.
    """
    frames = 0
    try:
        at = 13 + _colour_table(data[10])
        while (block := data[at]) != 0x3B:
            if block == 0x2C:
                frames += 1
                at += 11 + _colour_table(data[at + 9])
            elif block == 0x21:
                at += 2
            else:
                raise MediaError(f"{name}: damaged GIF, unknown block at byte {at}.")
            while length := data[at]:
                at += 1 + length
            at += 1
    except IndexError as error:
        raise truncated(name) from error
    return frames


def seen_through(data: bytes) -> bytes:
    """Return a WebP file whose canvas is transparent where no frame is; Pillow shows it black unless told so.

    Frames without holes need no such mark of their own, whatever they leave free of the canvas.
    """
    moving = data[12:16] == b"VP8X" and len(data) > _WEBP_FLAGS and data[_WEBP_FLAGS] & _WEBP_MOVES
    if not moving:
        return data
    flags = bytes([data[_WEBP_FLAGS] | _WEBP_ALPHA])
    return data[:_WEBP_FLAGS] + flags + data[_WEBP_FLAGS + 1 :]


def webp_header(name: str, data: bytes) -> WebpHeader:
    """Read the size and the frame times of a WebP file from its chunks.

    Raises:
        MediaError: The file is cut short, or has no picture.
    """
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise truncated(name)
    width = height = 0
    milliseconds: list[int] = []
    at = 12
    while at + 8 <= end:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + min(length, 16)]
        match data[at : at + 4]:
            case b"VP8X" if len(body) >= 10:
                width, height = (1 + int.from_bytes(body[i : i + 3], "little") for i in (4, 7))
            case b"VP8 " if not width and len(body) >= 10:
                width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
            case b"VP8L" if not width and len(body) >= 5:
                bits = int.from_bytes(body[1:5], "little")
                width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
            case b"ANMF" if len(body) >= 15:
                milliseconds.append(int.from_bytes(body[12:15], "little"))
            case _:
                pass
        at += 8 + length + length % 2
    if not width:
        raise MediaError(f"{name}: damaged WebP, it has no picture.")
    return WebpHeader(width, height, tuple(milliseconds) or (0,))


def check_whole(name: str, container: Container, data: bytes) -> None:
    """Refuse MP4, MOV and WebM files that end before what their headers announce.

    Raises:
        MediaError: The end is missing.
    """
    match container:
        case "mp4" | "mov":
            whole = _boxes_fit(data)
        case "webm":
            whole = _segment_fits(data)
        case _:
            whole = True
    if not whole:
        raise truncated(name)


def truncated(name: str) -> MediaError:
    """The error for a file whose end is missing."""
    return MediaError(
        f"{name}: the file is cut short; its end is missing.",
        hint="Copy or download it again.",
    )


def _sniff(data: bytes) -> Container | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "apng" if _apng_frames(data) > 1 else "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "webm" if b"webm" in data[:64] else None
    match data[4:8]:
        case b"ftyp":
            if data[8:12] in _STILL_BRANDS:
                return None
            return "mov" if data[8:12] == b"qt  " else "mp4"
        case b"moov" | b"mdat" | b"wide" | b"free" | b"skip":  # QuickTime from before ftyp
            return "mov"
        case _:
            return None


def _apng_frames(data: bytes) -> int:
    at = data.find(b"acTL", 0, max(data.find(b"IDAT"), 0))
    return int.from_bytes(data[at + 4 : at + 8], "big") if at > 0 else 1


def _describe_text(data: bytes) -> str:
    head = data[:4096]
    text = head.decode("utf-8", errors="ignore").lstrip("\ufeff \t\r\n").lower()
    for mark, words in _TEXT_MARKS:
        if text.startswith(mark) or (
            mark.startswith("<") and text.startswith("<") and mark in text
        ):
            return f"it looks like {words}"
    if b"\x00" not in head and len(text) > 0.9 * len(head.strip()):
        if text.startswith(_CONCAT_LINE):
            return "it looks like a concat playlist"
        return "it is text" if not text.startswith("<") else "it looks like XML"
    return f"its content is of no known kind (it starts with {data[:8].hex(' ')})"


def _colour_table(packed: int) -> int:
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0


def _boxes_fit(data: bytes) -> bool:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 0:  # "to the end of the file"
            return True
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            return False
        at += size
    return at <= len(data)


def _segment_fits(data: bytes) -> bool:
    header_size, at = _vint(data, 4)
    at += header_size
    if data[at : at + 4] != b"\x18\x53\x80\x67":
        return False
    width = 9 - data[at + 4].bit_length() if at + 4 < len(data) else 9
    size, at = _vint(data, at + 4)
    return size == (1 << 7 * width) - 1 or at + size <= len(data)  # all ones: unknown, a live file


def _vint(data: bytes, at: int) -> tuple[int, int]:
    """Read one EBML size; returns it and the place after it."""
    width = 9 - data[at].bit_length() if at < len(data) else 9
    value = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    return value, at + width
