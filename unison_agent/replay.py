"""The record in every file: how it was made, so that it can be made again.

It does not run anything; it writes the record into PNG, WebP, MP4 and GIF, and reads it back.
"""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal, Self, cast

import PIL.Image
from pydantic import AwareDatetime, Field, JsonValue, ValidationError, model_validator

from unison_agent.errors import MediaError, OutputError
from unison_agent.media import DEFAULT_LIMITS, MediaSet
from unison_agent.media.codec import read_tags
from unison_agent.media.containers import Container, check_whole, identify
from unison_agent.media.image import DECODE_ERRORS, parse_image
from unison_agent.media.sources import Blob, read_source
from unison_agent.tasks import Granted, GrantedAnswer, MediaKind, Plan, Wire, wordless_plan

SCHEMA_VERSION = 1
_KEYWORD = b"unison"  # of the PNG text chunk
_MARK = "unison-agent record "  # tells our comments from other people's
_MOST_CHARACTERS = 2**20  # requests have 8,192; what is longer was not written by this library
_EXIF_DESCRIPTION = 0x010E
_PNG_START = b"\x89PNG\r\n\x1a\n"
# What changes pixels.
_PACKAGES = ("av", "diffusers", "numpy", "pillow", "torch", "transformers")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class WeightHash(Wire):
    """One file of weights that took part."""

    name: str
    sha256: Sha256
    source: str | None = Field(
        default=None, description="owner/name@commit on the hub, where it came from there."
    )


class MediaHash(Wire):
    """One attachment that took part; of its content no more than this is kept."""

    handle: str
    kind: MediaKind
    sha256: Sha256


class Version(Wire):
    """One installed package."""

    name: str
    version: str


class Record(Wire):
    """How one output was made: enough to make it again on a machine with the same weights."""

    schema_version: Literal[1]
    unison_version: str
    plan: Plan
    granted: tuple[Granted, ...] = Field(description="Of the plan's steps, in order.")
    profile: str
    also: tuple[str, ...] = Field(default=(), description="Other packs whose tools took part.")
    weights: tuple[WeightHash, ...] = ()
    media: tuple[MediaHash, ...] = ()
    step: int = Field(ge=1, description="Which step of the plan made this output, from 1.")
    index: int = Field(ge=1, description="Which of the step's outputs this is, from 1.")
    created: AwareDatetime = Field(description="UTC.")
    versions: tuple[Version, ...] = ()
    without_connector: bool = Field(
        default=False, description="The connector was switched off for the run."
    )
    wordless: bool = Field(default=False, description="The request's words were left out.")

    @model_validator(mode="after")
    def _step_exists(self) -> Self:
        if self.step > min(len(self.plan.steps), len(self.granted)):
            msg = (
                f"step {self.step} is not among the {len(self.plan.steps)} steps of the plan "
                f"and {len(self.granted)} granted"
            )
            raise ValueError(msg)
        return self

    @classmethod
    def of(
        cls,
        *,
        plan: Plan,
        granted: tuple[Granted, ...],
        profile: str,
        weights: tuple[WeightHash, ...],
        media: MediaSet,
        step: int,
        index: int = 1,
        also: tuple[str, ...] = (),
        without_connector: bool = False,
    ) -> Self:
        """A record made now, with this machine's versions.

        Args:
            plan: The whole plan.
            granted: What was granted to each step, at least up to this one.
            profile: Name of the tool pack.
            weights: Hashes of what was loaded.
            media: The attachments; their hashes are taken, not their pixels.
            step: Which step made the output, from 1.
            index: Which of the step's outputs it is, from 1.
            also: The other packs whose tools took part.
            without_connector: Whether the connector was switched off.
        """
        hashes = tuple(
            MediaHash(handle=handle, kind=kind, sha256=media.medium(handle).sha256)
            for handle, kind in media.attachments
        )
        return cls(
            schema_version=SCHEMA_VERSION,
            unison_version=version("unison-agent"),
            plan=plan,
            granted=granted,
            profile=profile,
            also=also,
            weights=weights,
            media=hashes,
            step=step,
            index=index,
            without_connector=without_connector,
            created=datetime.now(UTC).replace(microsecond=0),
            versions=installed_versions(),
        )

    @property
    def handle(self) -> str:
        """The output's handle: ``step_1``, or ``step_1_2`` when the step made several."""
        granted = self.granted[self.step - 1]
        if isinstance(granted, GrantedAnswer) or granted.num_outputs < 2:
            return f"step_{self.step}"
        return f"step_{self.step}_{self.index}"

    def without_words(self) -> Self:
        """The record without the request's words; what was made cannot be made again from it."""
        return self.model_copy(update={"plan": wordless_plan(self.plan), "wordless": True})


@cache
def installed_versions() -> tuple[Version, ...]:
    """The packages on which pixels depend, as far as they are installed."""
    found: list[Version] = []
    for name in _PACKAGES:
        try:
            found.append(Version(name=name, version=version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def embed_png(png: bytes, record: Record) -> bytes:
    """Put the record into a PNG as an iTXt chunk "unison", replacing one that is there.

    Raises:
        OutputError: The bytes are no whole PNG.
    """
    text = _json(record).encode()
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
    return _MARK + _json(record)


def digest(record: Record) -> str:
    """The SHA-256 of the record as a file holds it, in hexadecimal digits."""
    return sha256(_json(record).encode()).hexdigest()


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


def as_json(record: Record) -> dict[str, JsonValue]:
    """The record as values of JSON, without what is unstated."""
    return record.model_dump(mode="json", exclude_defaults=True)


def _json(record: Record) -> str:
    return json.dumps(as_json(record), separators=(",", ":"))


def parse(name: str, text: str) -> Record:
    """Read a record that stands alone; `name` is the file's, for messages.

    Raises:
        OutputError: It is damaged, too long, or of a newer version.
    """
    if len(text) > _MOST_CHARACTERS:
        raise _damaged(name, f"it has {len(text):,} characters, at most {_MOST_CHARACTERS:,}")
    try:
        fields = cast("object", json.loads(text))
        newest = cast("dict[str, object]", fields) if isinstance(fields, dict) else {}
        stated = newest.get("schema_version")
        if isinstance(stated, int) and stated > SCHEMA_VERSION:
            msg = f"{name}: its record has version {stated}; this one reads up to {SCHEMA_VERSION}."
            raise OutputError(msg, hint="Upgrade unison-agent.")
        return Record.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "record"
        raise _damaged(name, f"{where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:  # also numbers and nesting beyond all measure
        raise _damaged(name, str(error)) from error


def _damaged(name: str, reason: str) -> OutputError:
    return OutputError(
        f"{name}: its record is damaged ({reason}).",
        hint="The picture itself may still be opened with Image.open or Video.open.",
    )


def _png_text(blob: Blob) -> str | None:
    for kind, body in _png_chunks(blob.data, blob.name):
        if kind == b"iTXt" and body.startswith(_KEYWORD + b"\x00"):
            # After the keyword's NUL: compression flag and method, language, translated keyword.
            at = len(_KEYWORD) + 1
            text = body[at + 2 :].split(b"\x00", 2)[-1]
            if body[at : at + 1] != b"\x00":
                raise _damaged(blob.name, "another program has compressed it")
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
            raise _damaged(name, "its checksum is wrong or its end is missing")
        yield kind, body
        at += 12 + length


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
