"""Compressed video in and out through PyAV; it does not know Video or who asks.

Files are decoded from memory with the demuxer named by us, codecs come from an allow-list, and any
attempt of a demuxer to open another file or address is refused.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NoReturn, cast

import numpy as np
import PIL.Image

from unison_agent.errors import MediaError, OutputError, UnsupportedMediaError
from unison_agent.media.containers import Container
from unison_agent.media.image import flattened
from unison_agent.media.sources import Blob, Limits, check_length, check_pixels

if TYPE_CHECKING:
    import av
    from av import CodecContext
    from av.container import InputContainer
    from av.video.stream import VideoStream

VIDEO_CODECS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "h263", "mjpeg", "prores", "gif", "apng"}
)
# Decoders by FFmpeg's names: some of the codecs above have several.
_DECODERS = ",".join(sorted(VIDEO_CODECS | {"libdav1d", "libvpx", "libvpx-vp9", "libaom-av1"}))
_BT709 = 1  # colour primaries, transfer and matrix as H.273 numbers them
_LIMITED_RANGE = 1
_CRF = "10"


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """What the headers and packets of a clip say, turned upright."""

    width: int
    height: int
    num_frames: int
    fps: float


@dataclass(frozen=True, slots=True)
class EncodedClip:
    """A clip that is decoded anew each time its frames are asked for."""

    blob: Blob
    container: Container
    limits: Limits

    def frames(self) -> Iterator[PIL.Image.Image]:
        """Decode frame by frame, RGB and upright.

        Raises:
            MediaError: A frame is damaged, or frames differ in size.
        """
        from av.error import FFmpegError

        name = self.blob.name
        count, size = 0, None
        try:
            with _demuxer(self.blob, self.container) as file:
                stream = _stream(file, name)
                # Guards against a size that changes after the header.
                stream.codec_context.options = {"max_pixels": str(self.limits.max_pixels)}
                for frame in file.decode(stream):
                    pil = _upright_rgb(frame)
                    if size not in (None, pil.size):
                        msg = (
                            f"{name}: the size changes from {size} to {pil.size} at frame {count}."
                        )
                        raise MediaError(msg, hint="Re-encode the clip at one size.")
                    size = pil.size
                    count += 1
                    yield pil
        except FFmpegError as error:
            msg = f"{name}: frame {count} cannot be decoded ({error.strerror})."
            raise MediaError(msg, hint="The file is damaged or cut short.") from error
        if count == 0:
            raise MediaError(f"{name}: holds no frame that can be decoded.")


def probe(blob: Blob, container: Container, limits: Limits) -> ClipInfo:
    """Check a clip against the limits and read its size, length and rate.

    Headers first, then packets are counted without decoding, last one frame is decoded, for the
    rotation and as a sign of life.

    Raises:
        UnsupportedMediaError: No video in it, or a codec that is not allowed.
        MediaLimitError: Too many pixels, frames or seconds.
        MediaError: Damaged.
    """
    from av.error import FFmpegError

    name = blob.name
    try:
        with _demuxer(blob, container) as file:
            stream = _stream(file, name)
            check_pixels(name, stream.codec_context.width, stream.codec_context.height, limits)
            seconds = 0.0 if file.duration is None else file.duration / 1_000_000
            check_length(name, stream.frames, seconds, limits)
            num_frames, seconds = _count(file, stream, name, limits)
            fps = _rate(stream, num_frames, seconds, name)
    except FFmpegError as error:
        msg = f"{name}: cannot be read as {container.upper()} ({error.strerror})."
        raise MediaError(msg, hint="The file is damaged or cut short.") from error
    check_length(name, num_frames, num_frames / fps, limits)
    first = next(EncodedClip(blob, container, limits).frames())
    return ClipInfo(first.width, first.height, num_frames, fps)


def read_tags(blob: Blob, container: Container) -> Mapping[str, str]:
    """The metadata tags of a file, e.g. ``comment``.

    Raises:
        MediaError: It cannot be read.
    """
    from av.error import FFmpegError

    try:
        with _demuxer(blob, container) as file:
            return dict(file.metadata)
    except FFmpegError as error:
        raise MediaError(f"{blob.name}: cannot be read ({error.strerror}).") from error


def encode_mp4(
    frames: Iterable[PIL.Image.Image],
    *,
    num_frames: int,
    fps: float,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Encode RGB frames of one size as H.264 in MP4, the index before the data.

    yuv420p, because browsers play nothing else reliably, at a quality where only its halved colour
    resolution shows. The same frames give the same bytes. An odd side grows by one repeated row or
    column, which yuv420p needs.

    Raises:
        OutputError: The encoder refused.
    """
    import av
    from av.error import FFmpegError

    tags = dict(metadata or {})
    rate = Fraction(fps).limit_denominator(1001)
    # Room for the index at the front: a file object in memory cannot be rewritten for "faststart".
    index_bytes = 4096 + 40 * num_frames + sum(len(f"{k}{v}".encode()) for k, v in tags.items())
    layout = {"moov_size": str(index_bytes), "fflags": "+bitexact"}
    buffer = io.BytesIO()
    try:
        with av.open(buffer, "w", format="mp4", container_options=layout) as file:
            file.metadata.update(tags)
            # PyAV types add_stream, encode and mux with open generics.
            stream = file.add_stream("libx264", rate=rate, options={"crf": _CRF})  # pyright: ignore[reportUnknownMemberType]
            context = stream.codec_context
            context.thread_count = 1  # x264's output depends on it
            context.max_b_frames = 0  # where x264 weighs them, the same frames give several files
            context.pix_fmt = "yuv420p"
            context.time_base = 1 / rate
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = _LIMITED_RANGE
            for index, pil in enumerate(frames):
                frame = _yuv420p(pil)
                if index == 0:
                    context.width, context.height = frame.width, frame.height
                frame.pts, frame.time_base = index, 1 / rate
                file.mux(stream.encode(frame))  # pyright: ignore[reportUnknownMemberType]
            file.mux(stream.encode(None))  # pyright: ignore[reportUnknownMemberType]
    except FFmpegError as error:
        raise OutputError(f"The clip could not be encoded: {error.strerror}.") from error
    return buffer.getvalue()


def _demuxer(blob: Blob, container: Container) -> "InputContainer":
    import av

    return av.open(
        io.BytesIO(blob.data),
        "r",
        format=container,
        container_options={"codec_whitelist": _DECODERS},
        metadata_errors="replace",
        io_open=_no_other_file,
    )


def _no_other_file(url: str, flags: int, options: Mapping[str, str]) -> NoReturn:
    del flags, options
    raise UnsupportedMediaError(f"The file refers to another one ({url!r}), which is not opened.")


def _stream(file: "InputContainer", name: str) -> "VideoStream":
    if not file.streams.video:
        msg = f"{name}: holds no video."
        raise UnsupportedMediaError(msg, hint="Attach an image or a clip; sound is not used.")
    stream = file.streams.video[0]
    # PyAV has no context for what FFmpeg cannot decode, whatever its types say.
    context = cast("CodecContext | None", stream.codec_context)
    codec = "unknown" if context is None else context.codec.canonical_name
    if codec not in VIDEO_CODECS:
        msg = f"{name}: video codec {codec!r} is not allowed; allowed are {sorted(VIDEO_CODECS)}."
        raise UnsupportedMediaError(msg, hint="Re-encode the clip, e.g. as H.264.")
    return stream


def _count(
    file: "InputContainer", stream: "VideoStream", name: str, limits: Limits
) -> tuple[int, float]:
    """Count the frames that will be shown, and the seconds from first to last end."""
    num_frames, start, end = 0, None, 0
    for packet in file.demux(stream):
        if packet.is_corrupt:
            msg = f"{name}: the data of frame {num_frames} is damaged or cut short."
            raise MediaError(msg, hint="Copy or download it again.")
        if packet.size == 0 or packet.is_discard or _is_hidden(packet, stream):
            continue
        num_frames += 1
        check_length(name, num_frames, 0.0, limits)
        if packet.pts is not None:
            start = packet.pts if start is None else min(start, packet.pts)
            end = max(end, packet.pts + (packet.duration or 0))
    if num_frames == 0:
        raise MediaError(f"{name}: holds no frame.", hint="The file is damaged or cut short.")
    span = 0.0 if start is None or stream.time_base is None else (end - start) * stream.time_base
    return num_frames, float(span)


def _is_hidden(packet: "av.Packet[VideoStream]", stream: "VideoStream") -> bool:
    """Whether this is a VP8 reference frame that is never shown (its show_frame bit is 0)."""
    return stream.codec_context.codec.canonical_name == "vp8" and not bytes(packet)[0] & 0x10


def _rate(stream: "VideoStream", num_frames: int, seconds: float, name: str) -> float:
    """Frames per second: what the header states if the packets agree, else what they show."""
    stated = float(stream.average_rate or stream.guessed_rate or 0)
    shown = num_frames / seconds if seconds > 0 else 0.0
    # 2 %: WebM rounds times to milliseconds, which at 60 fps alone makes 1 %.
    fps = stated if stated and (not shown or abs(stated / shown - 1) < 0.02) else shown
    if not 0 < fps <= 1000:
        msg = f"{name}: states no usable frame rate (got {fps:g} fps)."
        raise MediaError(msg, hint="Re-encode the clip with a frame rate.")
    return fps


def _upright_rgb(frame: "av.VideoFrame") -> PIL.Image.Image:
    if any(component.is_alpha for component in frame.format.components):
        pil = flattened(PIL.Image.fromarray(frame.to_ndarray(format="rgba")))
    else:
        pil = PIL.Image.fromarray(frame.to_ndarray(format="rgb24"))
    return pil.rotate(frame.rotation, expand=True) if frame.rotation % 360 else pil


def _yuv420p(pil: PIL.Image.Image) -> "av.VideoFrame":
    import av

    pixels = np.asarray(pil)
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace=_BT709)
    frame.colorspace, frame.color_range = _BT709, _LIMITED_RANGE
    return frame
