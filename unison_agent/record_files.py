"""The record in PNG, WebP, MP4 and GIF files, written and read back; it does not know what a record says."""

import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import PIL.Image

from unison_agent.errors import MediaError, OutputError
from unison_agent.media import DEFAULT_LIMITS
from unison_agent.media.codec import read_tags
from unison_agent.media.containers import Container, check_whole, identify
from unison_agent.media.image import DECODE_ERRORS, parse_image
from unison_agent.media.sources import Blob, read_source
from unison_agent.replay import Record, as_text, damaged, parse

_KEYWORD = b"unison"  # of the PNG text chunk
_MARK = "unison-agent record "  # tells our comments from other people's
_EXIF_DESCRIPTION = 0x010E
_PNG_START = b"\x89PNG\r\n\x1a\n"


def embed_png(png: bytes, record: Record) -> bytes:
    """Put the record into a PNG as an iTXt chunk "unison", replacing one that is there.

    Raises:
        OutputError: The bytes are no whole PNG.
    """
    text = as_text(record).encode()
    body = _KEYWORD + b"\x00" * 5 + text  # not compressed, no language, no translated keyword
    out = bytearray(_PNG_START)
    for kind, data in _png_chunks(png):
        if kind == b"iTXt" and data.startswith(_KEYWORD + b"\x00"):
            continue
        if kind == b"IEND":
            out += _png_chunk(b"iTXt", body) + _png_chunk(b"IEND", b"")
            return bytes(out)
        out += _png_chunk(kind, data)
    raise OutputError("The record could not be written: the PNG has no end.")


def mp4_metadata(record: Record) -> Mapping[str, str]:
    """The record as tags for `Video.mp4_bytes`."""
    return {"comment": comment(record)}


def webp_exif(record: Record) -> bytes:
    """The record as an EXIF block for `Image.webp_bytes`."""
    exif = PIL.Image.Exif()
    exif[_EXIF_DESCRIPTION] = comment(record)
    return exif.tobytes()


def comment(record: Record) -> str:
    """The record as one line of ASCII, for `Video.gif_bytes` and other comment fields."""
    return _MARK + as_text(record)


def read(source: str | Path | bytes) -> Record | None:
    """Read the record out of a file; None when it holds none.

    Raises:
        OutputError: There is a record, but it is damaged or of a newer version.
        MediaError: The file is not of an allowed kind or could not be read.
    """
    return read_blob(read_source(source, DEFAULT_LIMITS))


def read_blob(blob: Blob) -> Record | None:
    """As `read`, from bytes that were read already."""
    container = identify(blob.name, blob.data)
    check_whole(blob.name, container, blob.data)
    text = _png_text(blob) if container in ("png", "apng") else _marked_text(blob, container)
    return None if text is None else parse(blob.name, text)


def _png_text(blob: Blob) -> str | None:
    for kind, body in _png_chunks(blob.data, blob.name):
        if kind == b"iTXt" and body.startswith(_KEYWORD + b"\x00"):
            # After the keyword's NUL: compression flag and method, language, translated keyword.
            at = len(_KEYWORD) + 1
            text = body[at + 2 :].split(b"\x00", 2)[-1]
            if body[at : at + 1] != b"\x00":
                raise damaged(blob.name, "another program has compressed it")
            return text.decode("utf-8", errors="replace")
    return None


def _marked_text(blob: Blob, container: Container) -> str | None:
    try:
        text = _comment_of(blob, container)
    except DECODE_ERRORS as error:
        if isinstance(error, MediaError):
            raise
        raise MediaError(f"{blob.name}: damaged or cut short ({error}).") from error
    return text.removeprefix(_MARK) if text.startswith(_MARK) else None


def _comment_of(blob: Blob, container: Container) -> str:
    match container:
        case "mp4" | "mov":
            return read_tags(blob, container).get("comment", "")
        case "webp":
            exif = parse_image(blob, container, DEFAULT_LIMITS).getexif()
            return str(exif.get(_EXIF_DESCRIPTION, ""))
        case "gif":
            raw = cast("object", parse_image(blob, container, DEFAULT_LIMITS).info.get("comment"))
            return raw.decode("utf-8", errors="replace") if isinstance(raw, bytes) else ""
        case _:
            return ""


def _png_chunks(png: bytes, name: str = "PNG") -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG_START)
    while at + 12 <= len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        body = png[at + 8 : at + 8 + length]
        ours = kind == b"iTXt" and body.startswith(_KEYWORD + b"\x00")
        if ours and _png_chunk(kind, body) != png[at : at + 12 + length]:
            raise damaged(name, "its checksum is wrong or its end is missing")
        yield kind, body
        at += 12 + length


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
