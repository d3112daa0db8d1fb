"""A clip, decoded only when its frames are asked for; it does not know where it will be used."""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL import ImageSequence
from PIL.WebPImagePlugin import WebPImageFile

from unison_agent.errors import MediaError, RequestError, UnsupportedMediaError
from unison_agent.media.codec import EncodedClip, encode_mp4, probe
from unison_agent.media.containers import (
    Container,
    check_whole,
    gif_frames,
    gif_size,
    identify,
    seen_through,
    webp_header,
)
from unison_agent.media.image import DECODE_ERRORS, Image, flattened, pixels_sha256
from unison_agent.media.sources import (
    DEFAULT_LIMITS,
    Blob,
    FileSource,
    Limits,
    check_length,
    check_pixels,
    read_source,
)

Frame = PIL.Image.Image | npt.NDArray[np.uint8]


class Clip(Protocol):
    """Where frames come from."""

    def frames(self) -> Iterator[PIL.Image.Image]:
        """All frames, RGB, in order of display; a new pass each call."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryClip:
    """Frames that are already decoded."""

    images: tuple[PIL.Image.Image, ...]

    def frames(self) -> Iterator[PIL.Image.Image]:
        """All frames."""
        return iter(self.images)


@dataclass(frozen=True, slots=True)
class WebpClip:
    """A moving WebP file, which FFmpeg does not read."""

    blob: Blob

    def frames(self) -> Iterator[PIL.Image.Image]:
        """Decode frame by frame.

        Raises:
            MediaError: A frame is damaged.
        """
        try:
            with WebPImageFile(io.BytesIO(seen_through(self.blob.data))) as file:
                for frame in ImageSequence.Iterator(file):
                    yield flattened(frame.convert("RGBA"))
        except DECODE_ERRORS as error:
            raise MediaError(f"{self.blob.name}: damaged or cut short ({error}).") from error


@dataclass(frozen=True, slots=True)
class Video:
    """A clip; two are equal when their content is.

    Frames of uneven length count like others: `fps` is then the mean rate.

    Attributes:
        name: The file's name, for messages.
        sha256: Of the file's bytes; of the pixels and the rate when it was made in memory.
        width: Pixels, after rotation.
        height: Pixels, after rotation.
        num_frames: Frames that are shown.
        fps: Frames per second.
    """

    kind: ClassVar[Literal["video"]] = "video"

    name: str = field(compare=False)
    sha256: str
    width: int
    height: int
    num_frames: int
    fps: float
    clip: Clip = field(compare=False, repr=False)

    @classmethod
    def open(cls, source: FileSource, *, limits: Limits = DEFAULT_LIMITS) -> Self:
        """Read an MP4, MOV, WebM, or a moving GIF, WebP or PNG; one frame is decoded now.

        Raises:
            UnsupportedMediaError: It is no such video, or its codec is not allowed.
            MediaLimitError: It has too many bytes, pixels, frames or seconds.
            MediaError: It is damaged or could not be read.
        """
        blob = read_source(source, limits)
        container = identify(blob.name, blob.data)
        if not moves(blob, container):
            msg = f"{blob.name}: a still image ({container.upper()}); a video was expected."
            raise UnsupportedMediaError(msg, hint="Attach an MP4, WebM, MOV or moving GIF.")
        return cls.from_blob(blob, container, limits=limits)

    @classmethod
    def from_blob(cls, blob: Blob, container: Container, *, limits: Limits) -> Self:
        """Take bytes that are known to move; raises as `open` does."""
        check_whole(blob.name, container, blob.data)
        if container == "webp":
            return cls._from_webp(blob, limits)
        if container == "gif":  # FFmpeg forgets a size that it finds too large
            check_pixels(blob.name, *gif_size(blob.data), limits)
        info = probe(blob, container, limits)
        return cls(
            blob.name,
            blob.sha256,
            info.width,
            info.height,
            info.num_frames,
            info.fps,
            EncodedClip(blob, container, limits),
        )

    @classmethod
    def from_frames(
        cls,
        frames: Sequence[Frame] | npt.NDArray[np.uint8],
        fps: float,
        *,
        limits: Limits = DEFAULT_LIMITS,
    ) -> Self:
        """Make a clip in memory.

        Args:
            frames: Pillow images or uint8 ``[H, W, 3]`` arrays, all of one size, or one array
                ``[T, H, W, 3]`` of them; transparent ones are laid over white.
            fps: Frames per second.
            limits: What a clip may cost.

        Raises:
            RequestError: No frames, sizes that differ, or a rate that is not positive.
            UnsupportedMediaError: A frame is of another dtype or shape, or no picture.
            MediaLimitError: Too many pixels, frames or seconds.
        """
        if len(frames) == 0:  # an array has no truth value
            raise RequestError("A video needs at least one frame; got none.")
        if not 0 < fps <= 1000:
            raise RequestError(f"fps must be above 0 and at most 1000; got {fps:g}.")
        check_length("video", len(frames), len(frames) / fps, limits)
        images = tuple(_frame(frame, limits) for frame in frames)
        sizes = sorted({image.size for image in images})
        if len(sizes) > 1:
            raise RequestError(f"All frames of a video must have one size; got {sizes}.")
        width, height = sizes[0]
        digest = hashlib.sha256(f"{pixels_sha256(*images)} {float(fps)!r}".encode()).hexdigest()
        return cls("video", digest, width, height, len(images), float(fps), MemoryClip(images))

    @classmethod
    def _from_webp(cls, blob: Blob, limits: Limits) -> Self:
        header = webp_header(blob.name, blob.data)
        num_frames = len(header.frame_milliseconds)
        # Browsers show frames that state 10 ms or less for 100 ms.
        seconds = sum(ms if ms > 10 else 100 for ms in header.frame_milliseconds) / 1000
        check_pixels(blob.name, header.width, header.height, limits)
        check_length(blob.name, num_frames, seconds, limits)
        clip = WebpClip(blob)
        next(clip.frames())
        fps = num_frames / seconds
        return cls(blob.name, blob.sha256, header.width, header.height, num_frames, fps, clip)

    @property
    def duration_seconds(self) -> float:
        """How long it plays."""
        return self.num_frames / self.fps

    def frames(self) -> Iterator[PIL.Image.Image]:
        """Decode frame by frame, RGB; each call starts again.

        Raises:
            MediaError: A frame is damaged.
        """
        return self.clip.frames()

    def sample(self, count: int) -> list[PIL.Image.Image]:
        """Evenly spread frames, RGB, the first and the last among them.

        Args:
            count: How many; a clip with fewer gives all it has, and 1 gives the first.

        Raises:
            RequestError: `count` is below 1.
            MediaError: A frame is damaged.
        """
        if count < 1:
            raise RequestError(f"count must be at least 1; got {count}.")
        last = self.num_frames - 1
        take = min(count, self.num_frames)
        wanted = {round(i * last / (take - 1)) for i in range(take)} if take > 1 else {0}
        chosen: list[PIL.Image.Image] = []
        for index, frame in enumerate(self.frames()):
            if index in wanted:
                chosen.append(frame)
            if index == max(wanted):
                break
        return chosen

    def mp4_bytes(self, metadata: Mapping[str, str] | None = None) -> bytes:
        """Encode as H.264 in MP4 (yuv420p, nearly lossless); odd sides grow by one pixel.

        Args:
            metadata: Tags that MP4 knows, e.g. ``comment``.

        Raises:
            OutputError: The encoder refused.
            MediaError: A frame is damaged.
        """
        return encode_mp4(
            self.frames(), num_frames=self.num_frames, fps=self.fps, metadata=metadata
        )

    def gif_bytes(self, comment: str | None = None) -> bytes:
        """Encode as GIF: 256 colours, times in hundredths of a second, repeated frames merged.

        Raises:
            MediaError: A frame is damaged.
        """
        first, *rest = [frame.quantize(256) for frame in self.frames()]
        ticks = [round(100 * index / self.fps) for index in range(len(rest) + 2)]
        buffer = io.BytesIO()
        first.save(
            buffer,
            "GIF",
            save_all=True,
            append_images=rest,
            duration=[10 * (b - a) for a, b in pairwise(ticks)],
            loop=0,
            optimize=False,
            **({} if comment is None else {"comment": comment.encode()}),
        )
        return buffer.getvalue()


def moves(blob: Blob, container: Container) -> bool:
    """Whether the bytes hold a video: a video container, or an image with more than one frame.

    Raises:
        MediaError: A GIF or WebP is cut short.
    """
    match container:
        case "mp4" | "mov" | "webm" | "apng":
            return True
        case "gif":
            return gif_frames(blob.name, blob.data) > 1
        case "webp":
            return len(webp_header(blob.name, blob.data).frame_milliseconds) > 1
        case "png" | "jpeg":
            return False


def _frame(frame: Frame, limits: Limits) -> PIL.Image.Image:
    if isinstance(frame, PIL.Image.Image):
        return Image.from_pil(frame, limits=limits).rgb()
    return Image.from_array(frame, limits=limits).rgb()
