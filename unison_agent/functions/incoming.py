"""Turns what a call names as media into media; it trusts nobody's words and does not know what they are for.

What another model writes is a handle, a data URI, an address or a path; the last two are refused unless the
policy allows them. What a program passes may also be bytes, a picture, an array or a tensor.
"""

import base64
import binascii
import os
import re
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import unquote_to_bytes

import numpy as np
import PIL.Image

from unison_agent.artifacts import ArtifactStore, names_artifact
from unison_agent.errors import (
    MediaError,
    MediaLimitError,
    ToolCallError,
    UnsupportedMediaError,
)
from unison_agent.functions.arguments import shown
from unison_agent.functions.closed import JsonSchema
from unison_agent.functions.fetching import HttpsFetcher
from unison_agent.media import Image, MediaSet, MediaSource, Medium, Video, open_medium
from unison_agent.media.media_set import open_blob
from unison_agent.media.sources import Blob, Limits

if TYPE_CHECKING:
    import torch

_ATTACHED = re.compile(r"(image|video)_[1-9][0-9]*")
_ADDRESS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):")  # two letters at least: C: is a drive
_DATA = re.compile(r"data:[^,;]*((?:;[^,;]*)*),", re.IGNORECASE)
_MIB = 1024 * 1024
# Without following a link that took the file's place, and without waiting for the writer of a pipe.
_READING = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_LIMITS = Limits(max_bytes=20 * _MIB)


class Fetcher(Protocol):
    """Fetches the bytes of an address."""

    def __call__(self, url: str, max_bytes: int) -> bytes:
        """Return the bytes, at most `max_bytes`."""
        ...


@dataclass(frozen=True, slots=True)
class MediaPolicy:
    """Which media another model may name.

    Attributes:
        allow_urls: Whether https addresses are fetched.
        roots: Folders below which files are opened; none by default.
        limits: What one medium may cost; for a data URI and an address before anything is decoded.
        fetch: Fetches addresses; it must keep them from reaching into a private network.
    """

    allow_urls: bool = False
    roots: Sequence[str | Path] = ()
    limits: Limits = _LIMITS
    fetch: Fetcher = field(default_factory=HttpsFetcher)


NOTHING_FROM_OUTSIDE = MediaPolicy()


class Incoming:
    """The media of one call, each opened once.

    Args:
        artifacts: Where handles are looked up.
        attached: What the program passed beside the call, under image_1, video_1 ...
        policy: What else may be named.
        owner: The session that calls.
    """

    def __init__(
        self,
        artifacts: ArtifactStore,
        attached: MediaSet,
        policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
        owner: str | None = None,
    ) -> None:
        self._artifacts = artifacts
        self.attached = attached
        self._policy = policy
        self._owner = owner
        self._named: dict[str, Medium] = {}
        self._media: list[Medium] = []
        self._handles: list[str] = []

    def take(self, at: str, value: object, schema: JsonSchema) -> str:
        """Open a medium and return the handle under which `media_set` holds it.

        Args:
            at: The argument's name, for messages.
            value: What stands there.
            schema: With ``x-media``, the kind that is wanted.

        Raises:
            ToolCallError: It is no handle that there is, or of the wrong kind.
            MediaError: It cannot be used; `field` says where it stands.
        """
        try:
            medium = self._opened(value)
        except ToolCallError as error:
            error.field = at
            raise
        except MediaError as error:
            error.field = at
            raise
        wanted = str(schema["x-media"])
        if wanted not in ("any", medium.kind):
            got = f"{_name(value)}, which is {_A[medium.kind]}"
            msg = f"{at} is {got}; expected {_A[wanted]}."
            raise ToolCallError(msg, field=at, got=got, allowed=_A[wanted])
        for handle, one in zip(self._handles, self._media, strict=True):
            if one is medium:
                return handle
        count = sum(one.kind == medium.kind for one in self._media)
        self._media.append(medium)
        self._handles.append(f"{medium.kind}_{count + 1}")
        return self._handles[-1]

    def media_set(self) -> MediaSet:
        """Return what was taken, under the handles that `take` gave."""
        return MediaSet.of(self._media)

    def _opened(self, value: object) -> Medium:
        limits = self._policy.limits
        match value:
            case str():
                if value not in self._named:
                    self._named[value] = self._open_named(value.strip())
                return self._named[value]
            case Image() | Video():
                return value
            case bytes() | PIL.Image.Image() | np.ndarray():
                return open_medium(cast("MediaSource", value), limits=limits)
            case Path():
                return open_blob(self._read_file(str(value)), limits=limits)
            case _ if _is_tensor(value):
                return Image.from_array(_pixels(cast("torch.Tensor", value)), limits=limits)
            case _:
                msg = f"{shown(value)} is no medium."
                allowed = "a handle, or a picture, bytes, an array or a tensor"
                raise ToolCallError(msg, got=shown(value), allowed=allowed)

    def _open_named(self, name: str) -> Medium:
        limits = self._policy.limits
        if name in self.attached:
            return self.attached.medium(name)
        if names_artifact(name):
            return self._artifacts.open(name, owner=self._owner).medium
        if name[:5].lower() == "data:":
            return open_blob(Blob("data URI", read_data_uri(name, limits)), limits=limits)
        if scheme := _ADDRESS.match(name):
            data = self._fetch(name, scheme.group(1).lower())
            return open_blob(Blob("fetched file", data), limits=limits)
        if self._policy.roots and not _ATTACHED.fullmatch(name):
            return open_blob(self._read_file(name), limits=limits)
        known = [*self.attached.handles, *self._artifacts.handles(self._owner)]
        near = tuple(get_close_matches(name, known, n=3, cutoff=0.5))
        there = ", ".join(self.attached.handles) or "none"
        msg = f"{shown(name)} is no handle; attached: {there}."
        hint = "Use the handle of an earlier result. Files are opened only where the program allows it."
        raise ToolCallError(msg, got=shown(name), allowed="a handle", nearest=near, hint=hint)

    def _fetch(self, url: str, scheme: str) -> bytes:
        if scheme != "https":
            msg = f"Addresses of the sort {scheme}: are not opened."
            raise UnsupportedMediaError(msg, hint="Use a handle, a data URI or an https address.")
        if not self._policy.allow_urls:
            msg = "Addresses are not fetched here."
            hint = "Pass a handle, or let the program allow it: MediaPolicy(allow_urls=True)."
            raise UnsupportedMediaError(msg, hint=hint)
        return self._policy.fetch(url, self._policy.limits.max_bytes)

    def _read_file(self, name: str) -> Blob:
        """Read a file below the allowed folders; links are followed first, and what is checked is read."""
        path = Path(name)
        try:
            found = path.resolve(strict=True)
            roots = [Path(root).resolve() for root in self._policy.roots]
            if not any(found.is_relative_to(root) for root in roots):
                raise _outside(name, self._policy)
            file = os.open(found, _READING)
            with os.fdopen(file, "rb") as stream:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise UnsupportedMediaError(f"{shown(name)} is not a regular file.")
                data = stream.read(self._policy.limits.max_bytes + 1)
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: links in a circle
            if isinstance(error, MediaError):
                raise
            # Whether a file outside is there is not told.
            raise _outside(name, self._policy) from error
        _check_size(len(data), self._policy.limits, path.name)
        return Blob(path.name, data)


_A = {"image": "an image", "video": "a video"}


def read_data_uri(uri: str, limits: Limits) -> bytes:
    """Return the bytes of a data URI; its size is checked before it is decoded.

    Raises:
        MediaLimitError: It holds more than `limits` allow.
        UnsupportedMediaError: It is empty, or no data URI.
    """
    head = _DATA.match(uri, 0, 512)
    if head is None:
        msg = f"{shown(uri[:40])} is no data URI."
        raise UnsupportedMediaError(msg, hint="Write data:image/png;base64,...")
    packed = ";base64" in head.group(1).lower()
    size = len(uri) - head.end()
    _check_size(size * 3 // 4 - 2 if packed else size // 3, limits, "The data URI")
    body = uri[head.end() :]
    try:
        data = base64.b64decode(body, validate=True) if packed else unquote_to_bytes(body)
    except (binascii.Error, ValueError) as error:
        msg = f"The data URI is damaged: {error}."
        raise UnsupportedMediaError(
            msg, hint="Its base64 must be whole, without spaces."
        ) from error
    _check_size(len(data), limits, "The data URI")
    if not data:
        raise UnsupportedMediaError("The data URI is empty.")
    return data


def _check_size(size: int, limits: Limits, name: str) -> None:
    if size > limits.max_bytes:
        most = limits.max_bytes / _MIB
        msg = f"{name} holds more than {most:.3g} MiB, which is the limit."
        raise MediaLimitError(msg, hint="Pass a smaller file, or raise MediaPolicy.limits.")


def _outside(name: str, policy: MediaPolicy) -> UnsupportedMediaError:
    if not policy.roots:
        msg = f"{shown(name)} is a path; files are not opened here."
        return UnsupportedMediaError(
            msg, hint="The program can allow folders: MediaPolicy(roots=)."
        )
    msg = f"{shown(name)} is no file in the folders that are allowed."
    return UnsupportedMediaError(msg, hint="Use a handle, or a file in one of these folders.")


def _name(value: object) -> str:
    text = value if isinstance(value, str) else f"a {type(value).__name__}"
    return text if len(text) <= 40 else f"{text[:37]}..."


def _is_tensor(value: object) -> bool:
    torch = sys.modules.get("torch")  # who passes a tensor has it loaded
    return torch is not None and isinstance(value, torch.Tensor)


def _pixels(tensor: "torch.Tensor") -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Return a tensor as an array.

    Args:
        tensor: ``[C, H, W]`` or ``[1, C, H, W]`` with 1, 3 or 4 channels, or ``[H, W]``; uint8, or floats
            in 0..1.

    Raises:
        UnsupportedMediaError: Of another shape, or with values outside.
    """
    array = tensor.detach().cpu().float().numpy()
    whole = not tensor.is_floating_point()
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[0] in (1, 3, 4))
    highest = 255 if whole else 1
    inside = fits and array.size > 0 and bool(((array >= 0) & (array <= highest)).all())
    if not inside:
        dtype = str(tensor.dtype).removeprefix("torch.")
        msg = f"Got a tensor of {dtype} with shape {tuple(tensor.shape)}"
        if fits and array.size > 0:
            msg += f" and values from {array.min():g} to {array.max():g}"
        hint = "Expected [C, H, W] with 1, 3 or 4 channels: uint8, or floats in 0..1."
        raise UnsupportedMediaError(f"{msg}.", hint=hint)
    pixels = (array if whole else array * 255).round().astype(np.uint8)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
