"""What is attached to a request, under handles; it does not know the request or the tasks."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self, cast, get_args

import numpy as np
import numpy.typing as npt
import PIL.Image

from unison_agent.errors import MissingInputError, RequestError
from unison_agent.media.containers import identify
from unison_agent.media.image import Image
from unison_agent.media.sources import DEFAULT_LIMITS, Blob, Limits, read_source
from unison_agent.media.video import Video, moves

Kind = Literal["image", "video"]
Medium = Image | Video
# An array may be of any dtype here: a wrong one is refused with a message of its own.
MediaSource = str | Path | bytes | BinaryIO | PIL.Image.Image | npt.NDArray[Any] | Image | Video

_STEP = re.compile(r"step_[1-9][0-9]*(_[1-9][0-9]*)?")


def open_medium(source: MediaSource, *, limits: Limits = DEFAULT_LIMITS) -> Medium:
    """Open whatever is attached; its content says what it is, not its name.

    Raises:
        UnsupportedMediaError: It is nothing that can be used; the message says what it looks like.
        MediaLimitError: It has too many bytes, pixels, frames or seconds.
        MediaError: It is damaged or could not be read.
    """
    match source:
        case Image() | Video():
            return source
        case PIL.Image.Image():
            return Image.from_pil(source, limits=limits)
        case np.ndarray():
            return Image.from_array(cast("npt.NDArray[np.uint8]", source), limits=limits)
        case _:
            return open_blob(read_source(source, limits), limits=limits)


def open_blob(blob: Blob, *, limits: Limits = DEFAULT_LIMITS) -> Medium:
    """Open bytes that were read already; raises as `open_medium` does."""
    container = identify(blob.name, blob.data)
    if moves(blob, container):
        return Video.from_blob(blob, container, limits=limits)
    return Image.from_blob(blob, container, limits=limits)


@dataclass(frozen=True, slots=True)
class MediaSet:
    """Media under the handles ``image_1``, ``image_2``, ``video_1`` ..., counted per kind.

    A set made by `of_kinds` holds no files: it is enough to plan with, not to run.

    Attributes:
        attachments: ``(handle, kind)`` of what the user attached, in that order.
    """

    attachments: tuple[tuple[str, Kind], ...] = ()
    _media: tuple[tuple[str, Medium], ...] = field(default=(), repr=False)

    @classmethod
    def of(
        cls, sources: "Sequence[MediaSource] | MediaSet" = (), *, limits: Limits = DEFAULT_LIMITS
    ) -> "MediaSet":
        """Open attachments, in order; a MediaSet is returned as it is.

        Raises:
            RequestError: One source instead of a sequence of them.
            MediaError: As `open_medium` says.
        """
        if isinstance(sources, MediaSet):
            return sources
        if isinstance(sources, tuple | list) and not sources:
            return cls()
        lone = cast("object", sources)
        single = isinstance(lone, (str, bytes, bytearray, PIL.Image.Image, np.ndarray)) or hasattr(
            lone, "read"
        )
        if single or not isinstance(lone, Iterable):
            msg = f"media must be a sequence of attachments; got one {type(sources).__name__}."
            raise RequestError(msg, hint="Write media=[...] around it.")
        media = [open_medium(source, limits=limits) for source in sources]
        kinds: tuple[Kind, ...] = tuple(medium.kind for medium in media)
        handles = _handles(kinds)
        return cls(tuple(zip(handles, kinds, strict=True)), tuple(zip(handles, media, strict=True)))

    @classmethod
    def of_kinds(cls, *kinds: Kind) -> Self:
        """A set without files, to plan with.

        Raises:
            RequestError: A kind is neither image nor video.
        """
        for kind in kinds:
            if kind not in get_args(Kind):
                msg = f"Media are of the kinds image and video, got {kind!r}."
                raise RequestError(msg, hint='E.g. MediaSet.of_kinds("image", "video").')
        return cls(tuple(zip(_handles(kinds), kinds, strict=True)))

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kind of each attachment, in order."""
        return tuple(kind for _, kind in self.attachments)

    @property
    def handles(self) -> tuple[str, ...]:
        """All handles that can be asked for: the attachments, then what steps have added."""
        own = tuple(handle for handle, _ in self.attachments)
        return own + tuple(handle for handle, _ in self._media if handle not in own)

    def __len__(self) -> int:
        return len(self.attachments)

    def __contains__(self, handle: object) -> bool:
        return handle in self.handles

    def medium(self, handle: str) -> Medium:
        """What is under a handle.

        Raises:
            RequestError: There is no such handle.
            MissingInputError: The set was made without files.
        """
        for name, medium in self._media:
            if name == handle:
                return medium
        if handle not in self.handles:
            there = ", ".join(self.handles) or "none: nothing is attached"
            msg = f"There is no medium {handle!r}; the handles are: {there}."
            raise RequestError(msg, hint="Attach it, or use one of these handles.")
        kind = dict(self.attachments)[handle]
        raise MissingInputError(
            f"{handle} was only announced: this set was made to plan with and holds no files.",
            slot=handle,
            question=f"Which file is {handle} ({kind})?",
            hint="Attach the files with MediaSet.of([...]) to run the plan.",
        )

    def image(self, handle: str) -> Image:
        """The image under a handle.

        Raises:
            RequestError: There is no such handle, or it is a video.
            MissingInputError: The set was made without files.
        """
        medium = self.medium(handle)
        if not isinstance(medium, Image):
            raise RequestError(f"{handle} is a video; an image is needed.", hint="Attach an image.")
        return medium

    def video(self, handle: str) -> Video:
        """The video under a handle.

        Raises:
            RequestError: There is no such handle, or it is an image.
            MissingInputError: The set was made without files.
        """
        medium = self.medium(handle)
        if not isinstance(medium, Video):
            raise RequestError(f"{handle} is an image; a video is needed.", hint="Attach a video.")
        return medium

    def with_step(self, handle: str, medium: Medium) -> "MediaSet":
        """A set that also holds the output of a step, for the steps after it.

        Args:
            handle: ``step_1``, or ``step_1_2`` for one of several outputs.
            medium: The output.

        Raises:
            RequestError: Not such a handle, or it is taken.
        """
        if not _STEP.fullmatch(handle):
            raise RequestError(f"{handle!r} is no handle of a step; expected step_1 or step_1_2.")
        if handle in self:
            raise RequestError(f"{handle} is already taken.")
        return MediaSet(self.attachments, (*self._media, (handle, medium)))

    def with_replaced(self, handle: str, medium: Medium) -> "MediaSet":
        """A set with another medium of the same kind under a handle.

        Raises:
            RequestError: There is no such handle, or the kinds differ.
            MissingInputError: The set was made without files.
        """
        kind = self.medium(handle).kind
        if medium.kind != kind:
            raise RequestError(f"{handle} is a {kind}; a {medium.kind} cannot take its place.")
        media = ((name, medium if name == handle else own) for name, own in self._media)
        return MediaSet(self.attachments, tuple(media))


def _handles(kinds: Sequence[Kind]) -> list[str]:
    seen: Counter[Kind] = Counter()
    handles: list[str] = []
    for kind in kinds:
        seen[kind] += 1
        handles.append(f"{kind}_{seen[kind]}")
    return handles
