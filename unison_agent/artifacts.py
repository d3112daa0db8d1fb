"""What runs have made, kept under handles for later calls; it runs nothing and never grows beyond its bounds.

A handle is made of the content: the same pixels have the same handle, in every process. Whoever keeps an
artifact owns it: a session sees what it made itself, and what was made outside of any session.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from threading import Lock

from pydantic import Field

from unison_agent.errors import ToolCallError
from unison_agent.media import Image, Medium, Video
from unison_agent.result import Artifact, Result
from unison_agent.tasks import MediaKind, Wire

SCHEME = "unison://artifacts/"
_SHORT = 12


class ArtifactInfo(Wire):
    """One picture or clip that a run has made, without its pixels."""

    handle: str = Field(description="Names it in later calls.", examples=["image-3f2a9c1b7d4e"])
    kind: MediaKind
    sha256: str
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    num_bytes: int = Field(description="Of the pixels, decoded.")
    num_frames: int | None = Field(default=None, description="None for an image.")
    fps: float | None = Field(default=None, description="None for an image.")

    @property
    def uri(self) -> str:
        """The handle as an address."""
        return SCHEME + self.handle


@dataclass(slots=True)
class _Kept:
    artifact: Artifact
    info: ArtifactInfo
    owners: set[str | None] = field(default_factory=set[str | None])


class ArtifactStore:
    """The latest artifacts; safe to use from threads.

    Args:
        most: How many are kept; those not used for longest go first.
        most_bytes: What their pixels may take together. One that is larger by itself is kept alone.
    """

    def __init__(self, *, most: int = 256, most_bytes: int = 512 * 1024 * 1024) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._num_bytes = 0
        self._lock = Lock()

    def keep(self, artifact: Artifact, *, owner: str | None = None) -> ArtifactInfo:
        """Keep an artifact; return what it is called.

        Args:
            artifact: A picture or a clip.
            owner: The session that made it; None for everybody.
        """
        medium = artifact.medium
        with self._lock:
            handle = self._handle(medium)
            kept = self._kept.pop(handle, None)
            if kept is None:
                kept = _Kept(artifact, _info(handle, medium))
                self._num_bytes += kept.info.num_bytes
            kept.owners.add(owner)
            self._kept[handle] = kept
            while len(self._kept) > 1 and self._is_full():
                _, oldest = self._kept.popitem(last=False)
                self._num_bytes -= oldest.info.num_bytes
            return kept.info

    def keep_outputs(self, result: Result, *, owner: str | None = None) -> tuple[ArtifactInfo, ...]:
        """Keep what a result was asked for, in its order."""
        return tuple(self.keep(output, owner=owner) for output in result.outputs)

    def get(self, handle: str) -> Artifact:
        """Return an artifact, whoever owns it.

        Raises:
            ToolCallError: Nothing of that name is kept, or not any more.
        """
        with self._lock:
            return self._found(handle, tuple(self._kept)).artifact

    def open(self, handle: str, *, owner: str | None = None) -> Artifact:
        """Return an artifact that a session may see.

        Args:
            handle: Of the artifact.
            owner: The session that asks; None for a call outside of any.

        Raises:
            ToolCallError: Nothing of that name is kept, not any more, or it belongs to another session.
        """
        with self._lock:
            found = self._found(handle, self._seen(owner))
        if not found.owners & {owner, None}:
            asks = "this call is outside of any" if owner is None else "this is another one"
            msg = f"{handle} belongs to a session, and {asks}."
            hint = "Use it in the session that made it, or pass the picture itself."
            raise ToolCallError(msg, got=handle, hint=hint)
        return found.artifact

    def info(self, handle: str) -> ArtifactInfo:
        """Return what is known of an artifact.

        Raises:
            ToolCallError: Nothing of that name is kept, or not any more.
        """
        with self._lock:
            return self._found(handle, tuple(self._kept)).info

    def handles(self, owner: str | None = None) -> tuple[str, ...]:
        """Return the handles that a session may see, the latest last."""
        with self._lock:
            return self._seen(owner)

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, handle: object) -> bool:
        return isinstance(handle, str) and handle.removeprefix(SCHEME) in self._kept

    def __iter__(self) -> Iterator[ArtifactInfo]:
        with self._lock:
            kept = list(self._kept.values())
        return (one.info for one in reversed(kept))

    def _seen(self, owner: str | None) -> tuple[str, ...]:
        return tuple(name for name, kept in self._kept.items() if kept.owners & {owner, None})

    def _is_full(self) -> bool:
        return len(self._kept) > self._most or self._num_bytes > self._most_bytes

    def _handle(self, medium: Medium) -> str:
        short = handle_of(medium)
        other = self._kept.get(short)
        if other is not None and other.info.sha256 != medium.sha256:
            return f"{medium.kind}-{medium.sha256}"
        return short

    def _found(self, handle: str, seen: tuple[str, ...]) -> _Kept:
        name = handle.removeprefix(SCHEME)
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        near = tuple(get_close_matches(name, seen, n=3, cutoff=0.5))
        latest = ", ".join(reversed(seen[-3:])) or "none"
        msg = f"No artifact {name!r} is kept; the latest are: {latest}."
        hint = f"At most {self._most} are kept; what is older must be made or passed again."
        raise ToolCallError(msg, got=name, nearest=near, hint=hint)


def handle_of(medium: Medium) -> str:
    """Return what a medium is called when it is kept; one that begins like another gets a longer name."""
    return f"{medium.kind}-{medium.sha256[:_SHORT]}"


def names_artifact(text: str) -> bool:
    """Whether a text reads like the handle of an artifact."""
    name = text.removeprefix(SCHEME)
    kind, dash, digits = name.partition("-")
    is_hex = bool(digits) and all(sign in "0123456789abcdef" for sign in digits)
    return text.startswith(SCHEME) or (kind in ("image", "video") and bool(dash) and is_hex)


def _info(handle: str, medium: Medium) -> ArtifactInfo:
    pixels = medium.width * medium.height
    match medium:
        case Image():
            return ArtifactInfo(
                handle=handle,
                kind="image",
                sha256=medium.sha256,
                width=medium.width,
                height=medium.height,
                num_bytes=pixels * len(medium.pil.getbands()),
            )
        case Video():
            return ArtifactInfo(
                handle=handle,
                kind="video",
                sha256=medium.sha256,
                width=medium.width,
                height=medium.height,
                num_bytes=pixels * 3 * medium.num_frames,
                num_frames=medium.num_frames,
                fps=medium.fps,
            )
