"""Images, videos and sets of them, on real files written here."""

import hashlib
import io
import os
import random
import struct
import sys
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest
from PIL import ImageDraw

from unison_agent.errors import (
    MediaError,
    MediaLimitError,
    MissingInputError,
    OutputError,
    RequestError,
    UnsupportedMediaError,
)
from unison_agent.media import Image, Limits, MediaSet, Video, open_medium
from unison_agent.media.codec import encode_mp4, read_tags
from unison_agent.media.sources import Blob

RED, BLUE = (250, 20, 10), (30, 60, 200)


def picture(step: int = 0, size: tuple[int, int] = (64, 48)) -> PIL.Image.Image:
    pil = PIL.Image.new("RGB", size, BLUE)
    ImageDraw.Draw(pil).ellipse((2 * step, 8, 2 * step + 24, 32), fill=RED)
    return pil


def frames(count: int = 9, size: tuple[int, int] = (64, 48)) -> list[PIL.Image.Image]:
    return [picture(step, size) for step in range(count)]


def saved(pil: PIL.Image.Image, suffix: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    pil.save(buffer, suffix, **options)
    return buffer.getvalue()


def animated(suffix: str, count: int = 5, milliseconds: int = 100) -> bytes:
    first, *rest = frames(count)
    return saved(first, suffix, save_all=True, append_images=rest, duration=milliseconds, loop=0)


def encodable(pil: PIL.Image.Image) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.asarray(pil), format="rgb24")


def clip(
    container: str, codec: str, count: int = 9, *, rotation: int = 0, rate: Fraction | int = 8
) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        for pil in frames(count):
            file.mux(stream.encode(encodable(pil)))
        file.mux(stream.encode(None))
    if codec == "libsvtav1" and sys.platform == "linux":
        # Run as root, this encoder makes the calling thread real-time (SCHED_FIFO, 99) and leaves it so: the
        # OpenMP threads of later tests would then spin against each other for ever.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return buffer.getvalue()


def sound() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=16_000)
        assert isinstance(stream, av.AudioStream)
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        silence.sample_rate = 16_000
        file.mux(stream.encode(silence))  # pyright: ignore[reportUnknownArgumentType]
        file.mux(stream.encode(None))
    return buffer.getvalue()


def difference(got: PIL.Image.Image, expected: PIL.Image.Image) -> float:
    """Mean absolute difference of the pixels, 0..255."""
    return float(np.abs(np.asarray(got, np.int16) - np.asarray(expected, np.int16)).mean())


# --- images --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["PNG", "WEBP", "GIF", "JPEG"])
def test_an_image_is_opened_from_path_bytes_and_stream(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == "WEBP" else {}
    data = saved(picture(), suffix, **options)
    path = tmp_path / f"star.{suffix.lower()}"
    path.write_bytes(data)
    with path.open("rb") as file:
        opened = [Image.open(path), Image.open(str(path)), Image.open(data), Image.open(file)]
    assert len(set(opened)) == 1
    image = opened[0]
    assert (image.width, image.height, image.kind, image.has_alpha) == (64, 48, "image", False)
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    assert [each.name for each in opened] == [path.name, path.name, "attached bytes", path.name]
    assert difference(image.rgb(), picture()) < (8 if suffix == "JPEG" else 0.5)


def test_exif_rotation_is_applied_and_the_tag_dropped() -> None:
    upright = picture()
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it turned 90 degrees clockwise
    stored = upright.transpose(PIL.Image.Transpose.ROTATE_90)
    image = Image.open(saved(stored, "JPEG", exif=exif, quality=95))
    assert (image.width, image.height) == upright.size
    assert difference(image.rgb(), upright) < 4
    again = Image.open(image.png_bytes())
    assert again.pil.tobytes() == image.pil.tobytes()


@pytest.mark.parametrize("suffix", ["PNG", "WEBP"])
def test_alpha_is_kept(suffix: str) -> None:
    pil = picture().convert("RGBA")
    pil.putalpha(PIL.Image.linear_gradient("L").resize(pil.size))
    options = {"lossless": True, "exact": True} if suffix == "WEBP" else {}
    image = Image.open(saved(pil, suffix, **options))
    assert image.has_alpha
    assert image.pil.tobytes() == pil.tobytes()
    assert Image.open(image.png_bytes()).pil.tobytes() == pil.tobytes()
    assert Image.open(image.webp_bytes()).pil.tobytes() == pil.tobytes()
    pil.putpixel((0, 0), (9, 9, 9, 0))
    assert Image.from_pil(pil).rgb().getpixel((0, 0)) == (255, 255, 255)
    assert Image.from_pil(pil).rgb((1, 2, 3)).getpixel((0, 0)) == (1, 2, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16", "RGBA"])
def test_every_mode_becomes_rgb_or_rgba(mode: str) -> None:
    if mode == "I;16":
        pil = PIL.Image.fromarray(np.full((4, 6), 0x8000, np.uint16))
    else:
        pil = picture().convert(mode)
    image = Image.from_pil(pil)
    assert image.pil.mode == ("RGBA" if mode in ("LA", "RGBA") else "RGB")
    if mode == "I;16":
        assert image.rgb().getpixel((0, 0)) == (128, 128, 128)


def test_wide_numbers_are_scaled_and_fractions_refused() -> None:
    wide = PIL.Image.fromarray(np.full((4, 6), 0x8000, np.int32))
    assert wide.mode == "I"
    assert Image.from_pil(wide).rgb().getpixel((0, 0)) == (128, 128, 128)
    with pytest.raises(UnsupportedMediaError, match="mode F holds fractions"):
        Image.from_pil(PIL.Image.fromarray(np.full((4, 6), 0.5, np.float32)))


def test_a_moving_webp_is_white_where_no_frame_is() -> None:
    frames = [PIL.Image.new("RGBA", (32, 16), (0, 0, 0, 0)) for _ in range(3)]
    for place, frame in enumerate(frames):
        frame.paste((255, 0, 0, 255), (8 * place, 4, 8 * place + 8, 12))
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    clip = open_medium(file.getvalue())
    assert isinstance(clip, Video)
    assert all(frame.getpixel((31, 0)) == (255, 255, 255) for frame in clip.frames())
    assert [f.getpixel((8 * n + 4, 8)) for n, f in enumerate(clip.frames())] == [(255, 0, 0)] * 3


@pytest.mark.parametrize("source", ["data:image/png;base64," + "A" * 5000, "a" * 5000 + ".png"])
def test_a_long_source_is_quoted_in_part(source: str) -> None:
    with pytest.raises(MediaError) as caught:
        open_medium(source)
    assert len(caught.value.message) < 250
    assert ("data URI" in caught.value.message) == source.startswith("data:")


def test_transparent_palette_becomes_alpha() -> None:
    pil = picture().quantize(4)
    image = Image.open(saved(pil, "PNG", transparency=0))
    assert image.has_alpha


def test_arrays_and_pil_images_are_taken() -> None:
    pixels = np.asarray(picture())
    assert Image.from_array(pixels) == Image.from_pil(picture())
    assert Image.from_array(pixels[:, :, 0]).rgb().getpixel((60, 40)) == (30, 30, 30)
    assert Image.from_array(pixels[:, :, :1]).width == 64
    assert Image.from_array(pixels[::2, ::-1]).height == 24


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros((0, 4), np.uint8),
    ],
)
def test_odd_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(MediaError, match=r"array|size of"):
        Image.from_array(array)


# --- videos --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "libx264"),
        ("webm", "libvpx"),
        ("webm", "libvpx-vp9"),
        ("mov", "mpeg4"),
        ("mp4", "libsvtav1"),
    ],
)
def test_a_clip_is_opened_with_fps_and_duration(tmp_path: Path, container: str, codec: str) -> None:
    path = tmp_path / f"clip.{container}"
    path.write_bytes(clip(container, codec))
    video = open_medium(path)
    assert isinstance(video, Video)
    assert (video.width, video.height, video.num_frames, video.fps) == (64, 48, 9, 8.0)
    assert video.duration_seconds == 9 / 8
    decoded = list(video.frames())
    assert len(decoded) == 9
    assert all(difference(*pair) < 12 for pair in zip(decoded, frames(), strict=True))
    assert video.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_uneven_frame_rates_are_kept() -> None:
    assert Video.open(clip("mp4", "libx264", rate=Fraction(30_000, 1001))).fps == 30_000 / 1001
    assert Video.open(clip("webm", "libvpx", rate=60)).fps == 60.0


@pytest.mark.parametrize("suffix", ["GIF", "WEBP", "PNG"])
def test_a_moving_image_is_a_video_and_a_still_one_an_image(suffix: str) -> None:
    video = open_medium(animated(suffix))
    assert isinstance(video, Video)
    assert (video.num_frames, video.fps, video.duration_seconds) == (5, 10.0, 0.5)
    assert difference(video.sample(5)[-1], picture(4)) < 8
    assert isinstance(open_medium(saved(picture(), suffix)), Image)
    with pytest.raises(UnsupportedMediaError, match="a still image"):
        Video.open(saved(picture(), suffix))


def test_transparent_frames_are_laid_over_white() -> None:
    clear = [PIL.Image.new("RGBA", (8, 8), (255, 0, 0, 0)) for _ in range(2)]
    for pil, fill in zip(clear, ((0, 0), (4, 4)), strict=True):
        pil.putpixel(fill, (0, 0, 255, 255))
    data = saved(clear[0], "GIF", save_all=True, append_images=clear[1:], duration=100, disposal=2)
    for frame in Video.open(data).frames():
        assert frame.getpixel((7, 7)) == (255, 255, 255)


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_rotated_clips_are_turned_upright(degrees: int) -> None:
    video = Video.open(clip("mp4", "libx264", rotation=degrees))
    expected = picture().rotate(degrees, expand=True)
    assert (video.width, video.height) == expected.size
    assert difference(next(video.frames()), expected) < 12


def test_a_clip_that_changes_size_is_refused_where_it_does() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm") as file:
        stream = file.add_stream("libvpx", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, size in enumerate(((64, 48), (32, 32))):
            encoder = av.VideoCodecContext.create("libvpx", "w")
            encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
            encoder.time_base = Fraction(1, 8)
            (packet,) = [*encoder.encode(encodable(picture(0, size))), *encoder.encode(None)]  # pyright: ignore[reportUnknownVariableType]
            packet.stream, packet.time_base = stream, Fraction(1, 8)
            packet.pts = packet.dts = number
            file.mux(packet)
    video = Video.open(buffer.getvalue())
    with pytest.raises(MediaError, match=r"size changes .* at frame 1"):
        list(video.frames())


def test_tags_in_another_encoding_do_not_matter() -> None:
    data = Video.from_frames(frames(2), 8).mp4_bytes({"comment": "holiday"})
    assert Video.open(data.replace(b"holiday", b"h\xf6liday")).num_frames == 2


def test_sample_spreads_evenly_from_first_to_last() -> None:
    video = Video.from_frames(frames(9), 8)
    everything = list(video.frames())
    assert video.sample(3) == [everything[0], everything[4], everything[8]]
    assert video.sample(1) == everything[:1]
    assert video.sample(100) == everything
    with pytest.raises(RequestError, match="at least 1"):
        video.sample(0)


def test_mp4_bytes_are_nearly_lossless_tagged_playable_and_repeatable() -> None:
    made = Video.from_frames(frames(17, (64, 64)), 8)
    data = made.mp4_bytes({"comment": "wörds"})
    assert data == made.mp4_bytes({"comment": "wörds"})
    assert data.find(b"moov") < data.find(b"mdat"), "the index must come first"
    video = Video.open(data)
    assert (video.num_frames, video.fps, video.width, video.height) == (17, 8.0, 64, 64)
    for got, expected in zip(video.frames(), made.frames(), strict=True):
        assert difference(got, expected) < 3
        assert difference(got.crop((60, 60, 61, 61)), expected.crop((60, 60, 61, 61))) <= 3
    assert read_tags(Blob("clip", data), "mp4")["comment"] == "wörds"
    with av.open(io.BytesIO(data), "r") as file:
        frame = next(file.decode(video=0))
        assert (frame.format.name, int(frame.colorspace)) == ("yuv420p", 1)


def test_the_same_frames_are_the_same_file_whatever_memory_held_before() -> None:
    rng = np.random.default_rng(0)
    made = [rng.normal(128, 12, (64, 64, 3)).clip(0, 255).astype(np.uint8) for _ in range(17)]
    down, across = np.mgrid[:64, :64]
    for step, frame in enumerate(made):
        frame[(across - 20 - step) ** 2 + (down - 32) ** 2 < 150] = (240, 220, 40)
    video = Video.from_frames(made, 8)
    found: set[bytes] = set()
    for turn in range(20):
        memory = [rng.bytes(300 + 131 * turn + 64 * size) for size in range(80)]
        del memory[::2]
        found.add(video.mp4_bytes())
    assert len(found) == 1


def test_odd_sizes_grow_by_one_pixel() -> None:
    video = Video.open(Video.from_frames(frames(3, (33, 41)), 8).mp4_bytes())
    assert (video.width, video.height) == (34, 42)


def test_gif_bytes_keep_the_mean_rate() -> None:
    video = Video.open(Video.from_frames(frames(17), 8).gif_bytes())
    assert video.num_frames == 17
    assert video.fps == pytest.approx(8, rel=0.01)


def test_the_same_frames_at_another_rate_are_another_video() -> None:
    assert Video.from_frames(frames(2), 8) == Video.from_frames(frames(2), 8.0)
    assert Video.from_frames(frames(2), 8) != Video.from_frames(frames(2), 4)
    whole = np.stack([np.asarray(frame) for frame in frames(2)])
    assert Video.from_frames(whole, 8) == Video.from_frames(frames(2), 8)
    with pytest.raises(RequestError, match="at least one frame"):
        Video.from_frames(whole[:0], 8)


@pytest.mark.parametrize(
    ("images", "fps", "message"),
    [
        ([], 8, "at least one frame"),
        (frames(2), 0, "fps"),
        (frames(2), float("nan"), "fps"),
        ([picture(), picture(0, (8, 8))], 8, "one size"),
    ],
)
def test_frames_that_make_no_clip_are_refused(
    images: list[PIL.Image.Image], fps: float, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        Video.from_frames(images, fps)


def test_an_encoder_error_is_an_output_error() -> None:
    with pytest.raises(OutputError, match="could not be encoded"):
        encode_mp4(frames(2), num_frames=-200, fps=8)  # no room for the index


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "looks_like"),
    [
        (b"", "empty"),
        (b"just a few words", "it is text"),
        ("später mehr".encode(), "it is text"),
        (b"#EXTM3U\n#EXTINF:4,\nhttp://127.0.0.1/secret.ts\n", "HLS playlist"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "concat playlist"),
        (b"file '/etc/passwd'\nfile 'b.mp4'\n", "concat playlist"),
        (b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">', "DASH manifest"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG drawing"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"<note/>", "XML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"%PDF-1.7\n", "PDF"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "AVI"),
        (b"\x00\x00\x00\x20ftypavif\x00\x00\x00\x00", "AVIF"),
        (b"\x00\x00\x00\x20ftypheic\x00\x00\x00\x00", "HEIC"),
        (b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska", "Matroska"),
        (b"\x00\x01\x02\x03 nothing", "no known kind"),
    ],
)
@pytest.mark.parametrize("name", ["clip.mp4", "star.png"])
def test_other_content_is_refused_by_what_it_is(
    tmp_path: Path, data: bytes, looks_like: str, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UnsupportedMediaError, match=looks_like) as caught:
        open_medium(path)
    assert name in str(caught.value)
    assert caught.value.hint


def test_a_wrong_extension_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "really-a-clip.png"
    path.write_bytes(clip("mp4", "libx264"))
    assert open_medium(path).kind == "video"
    with pytest.raises(UnsupportedMediaError, match="an image was expected"):
        Image.open(path)


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for source, message in (
        (tmp_path / "missing.png", "No such file"),
        (tmp_path, "is a folder"),
        (pipe, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        ("https://example.org/star.png", "is an address"),
        ("concat:a.mp4|b.mp4", "is an address"),
        ("a\x00b.png", "could not be read"),
    ):
        with pytest.raises(MediaError, match=message):
            open_medium(source)


def test_text_streams_and_closed_streams_are_refused() -> None:
    with pytest.raises(UnsupportedMediaError, match="binary mode"):
        open_medium(io.StringIO("words"))  # pyright: ignore[reportArgumentType]
    closed = io.BytesIO(saved(picture(), "PNG"))
    closed.close()
    with pytest.raises(MediaError, match="could not be read"):
        open_medium(closed)


def test_a_codec_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(UnsupportedMediaError, match="'mpeg2video' is not allowed"):
        open_medium(clip("mov", "mpeg2video", rate=25))


def test_sound_alone_is_refused() -> None:
    with pytest.raises(UnsupportedMediaError, match="holds no video"):
        open_medium(sound())


WHOLE: dict[str, Callable[[], bytes]] = {
    "png": lambda: saved(picture(), "PNG"),
    "jpeg": lambda: saved(picture(), "JPEG"),
    "webp": lambda: saved(picture(), "WEBP"),
    "gif": lambda: saved(picture(), "GIF"),
    "moving gif": lambda: animated("GIF"),
    "moving webp": lambda: animated("WEBP"),
    "moving png": lambda: animated("PNG"),
    "mp4": lambda: clip("mp4", "libx264"),
    "mp4, index first": lambda: Video.from_frames(frames(), 8).mp4_bytes(),
    "webm": lambda: clip("webm", "libvpx"),
    "mov": lambda: clip("mov", "mpeg4"),
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_a_truncated_file_is_a_media_error(kind: str, part: float) -> None:
    data = WHOLE[kind]()
    with pytest.raises(MediaError) as caught:
        _use(data[: int(len(data) * part)])
    assert "attached bytes" in str(caught.value)


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # Pillow warns of damaged EXIF
def test_damage_anywhere_gives_a_medium_or_a_media_error(kind: str) -> None:
    whole = WHOLE[kind]()
    dice = random.Random(kind)
    for _ in range(25):
        data = bytearray(whole)
        for _ in range(dice.choice((1, 2, 8))):
            data[dice.randrange(min(len(data), 600))] = dice.choice((0, 255, dice.randrange(256)))
        try:
            _use(bytes(data))
        except MediaError:
            continue


def _use(data: bytes) -> None:
    medium = open_medium(data)
    if isinstance(medium, Video):
        for _ in medium.frames():
            pass


# --- limits --------------------------------------------------------------------------------------


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def _webp_header(width: int, height: int) -> bytes:
    body = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunk = b"VP8X" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def _patched(data: bytes, marker: bytes, offset: int, size: bytes) -> bytes:
    at = data.index(marker) + offset
    return data[:at] + size + data[at + len(size) :]


@pytest.mark.parametrize(
    "data",
    [
        _png_header(100_000, 100_000),
        _webp_header(16_000_000, 16_000),
        _patched(saved(picture(), "GIF"), b"GIF8", 6, b"\xff\xff\xff\xff"),
        _patched(animated("GIF"), b"GIF8", 6, b"\xff\xff\xff\xff"),
        _patched(saved(picture(), "GIF"), b"\x2c\x00\x00", 5, b"\xff\xff\xff\xff"),
        _patched(saved(picture(), "JPEG"), b"\xff\xc0", 5, b"\xff\xff\xff\xff"),
    ],
    ids=["png", "webp", "gif", "moving gif", "gif frame", "jpeg"],
)
@pytest.mark.filterwarnings("error")
def test_a_decompression_bomb_is_refused_before_it_is_decoded(data: bytes) -> None:
    with pytest.raises(MediaLimitError, match=r"pixels"):
        open_medium(data)


def test_a_side_of_zero_is_refused() -> None:
    with pytest.raises(MediaError, match=r"0x100000|damaged"):
        open_medium(_png_header(0, 100_000))


@pytest.mark.parametrize("kind", ["moving gif", "moving webp", "moving png", "mp4", "webm", "mov"])
def test_clips_over_a_limit_are_refused(kind: str) -> None:
    data = WHOLE[kind]()
    for limits, message in (
        (Limits(max_frames=4), "frames; at most 4"),
        (Limits(max_duration_seconds=0.2), "seconds long"),
        (Limits(max_pixels=3071), "million pixels"),
        (Limits(max_bytes=100), "MiB"),
    ):
        with pytest.raises(MediaLimitError, match=message):
            open_medium(data, limits=limits)


def test_a_header_that_states_too_many_frames_is_refused() -> None:
    data = clip("mp4", "libx264")
    stated = _patched(data, b"stsz", 12, struct.pack(">I", 4_000_000_000))
    with pytest.raises(MediaError):
        open_medium(stated)


def test_memory_is_limited_too(tmp_path: Path) -> None:
    limits = Limits(max_pixels=100, max_frames=1, max_bytes=64)
    path = tmp_path / "star.png"
    path.write_bytes(saved(picture(), "PNG"))
    with path.open("rb") as file, pytest.raises(MediaLimitError):
        open_medium(file, limits=limits)
    for source in (path, picture(), np.asarray(picture())):
        with pytest.raises(MediaLimitError):
            open_medium(source, limits=limits)
    with pytest.raises(MediaLimitError):
        Video.from_frames(frames(2), 8, limits=limits)


# --- sets ----------------------------------------------------------------------------------------


def test_handles_count_per_kind_in_order_of_attachment() -> None:
    moving = Video.from_frames(frames(2), 8)
    media = MediaSet.of([picture(), moving, np.asarray(picture(1)), saved(picture(2), "PNG")])
    assert media.attachments == (
        ("image_1", "image"),
        ("video_1", "video"),
        ("image_2", "image"),
        ("image_3", "image"),
    )
    assert media.kinds == ("image", "video", "image", "image")
    assert len(media) == 4
    assert media.video("video_1") is moving
    assert media.image("image_2") == Image.from_pil(picture(1))
    assert MediaSet.of(media) is media
    assert not MediaSet.of()


def test_media_are_of_two_kinds() -> None:
    with pytest.raises(RequestError, match="image and video, got 'audio'"):
        MediaSet.of_kinds("image", "audio")  # pyright: ignore[reportArgumentType]


def test_a_set_of_kinds_plans_but_has_no_pixels() -> None:
    media = MediaSet.of_kinds("video", "image", "image")
    assert media.attachments == (("video_1", "video"), ("image_1", "image"), ("image_2", "image"))
    assert (
        media.attachments
        == MediaSet.of([Video.from_frames(frames(2), 8), picture(), picture()]).attachments
    )
    with pytest.raises(MissingInputError, match="image_2") as caught:
        media.image("image_2")
    assert caught.value.slot == "image_2"
    assert caught.value.question.endswith("?")


def test_unknown_handles_name_the_known_ones() -> None:
    with pytest.raises(RequestError, match="image_1, image_2"):
        MediaSet.of([picture(), picture()]).image("image_3")
    with pytest.raises(RequestError, match="nothing is attached"):
        MediaSet.of([]).medium("image_1")
    with pytest.raises(RequestError, match="is an image"):
        MediaSet.of([picture()]).video("image_1")
    with pytest.raises(RequestError, match="is a video"):
        MediaSet.of([Video.from_frames(frames(2), 8)]).image("video_1")


def test_outputs_of_steps_join_later() -> None:
    media = MediaSet.of([picture()])
    star = Image.from_pil(picture(3))
    later = media.with_step("step_1", star).with_step("step_2_2", star)
    assert later.image("step_1") is star
    assert later.handles == ("image_1", "step_1", "step_2_2")
    assert later.attachments == media.attachments
    assert "step_1" not in media
    for handle, message in (
        ("image_2", "no handle of a step"),
        ("step_3\n", "no handle of a step"),
        ("step_1", "already taken"),
    ):
        with pytest.raises(RequestError, match=message):
            later.with_step(handle, star)


@pytest.mark.parametrize(
    "lone",
    ["star.png", b"bytes", bytearray(b"bytes"), Path("star.png"), picture(), io.BytesIO(), None],
)
def test_one_source_instead_of_a_list_is_refused(lone: object) -> None:
    with pytest.raises(RequestError, match="sequence of attachments"):
        MediaSet.of(lone)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("thing", [None, 3, bytearray(b"bytes"), ["star.png"]])
def test_what_is_no_source_is_refused_by_its_type(thing: object) -> None:
    with pytest.raises(UnsupportedMediaError, match=f"Got {type(thing).__name__}; expected a path"):
        MediaSet.of([thing])  # pyright: ignore[reportArgumentType]
    with pytest.raises(
        UnsupportedMediaError, match=f"Got {type(thing).__name__}; expected a uint8"
    ):
        Video.from_frames([thing], 8)  # pyright: ignore[reportArgumentType]
