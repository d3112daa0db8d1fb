"""The record in every file: written, read back, damaged."""

import io
import struct
import zlib
from pathlib import Path

import PIL.Image
import PIL.PngImagePlugin
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unison_agent import record_files
from unison_agent.errors import MediaError, OutputError
from unison_agent.media import Image, MediaSet, Video
from unison_agent.replay import Record, WeightHash
from unison_agent.tasks import Attachment, GrantedImage, Plan, Request, TextToImage

PROMPT = 'a réd "star" ☆ on <blue>'


def record(prompt: str = PROMPT, *, num_outputs: int = 1, index: int = 1) -> Record:
    call = TextToImage(task="text_to_image", prompt=prompt, width=64, height=64)
    attachments = (Attachment(handle="image_1", kind="image"),)
    granted = GrantedImage(
        output="image",
        tool="nano-text-to-image",
        width=64,
        height=64,
        steps=12,
        guidance_scale=3.0,
        seed=7,
        num_outputs=num_outputs,
    )
    return Record.of(
        plan=Plan(request=Request(text=prompt, attachments=attachments), steps=(call,)),
        granted=(granted,),
        profile="nano",
        weights=(WeightHash(name="transformer", sha256="0" * 64),),
        media=MediaSet.of([PIL.Image.new("RGB", (8, 8), "red")]),
        step=1,
        index=index,
    )


def image() -> Image:
    return Image.from_pil(PIL.Image.new("RGBA", (8, 6), (255, 0, 0, 128)))


def video() -> Video:
    return Video.from_frames([PIL.Image.new("RGB", (16, 16), c) for c in ("red", "blue")], 8)


def embedded(suffix: str, made: Record) -> bytes:
    match suffix:
        case "png":
            return record_files.embed_png(image().png_bytes(), made)
        case "webp":
            return image().webp_bytes(record_files.webp_exif(made))
        case "mp4":
            return video().mp4_bytes(record_files.mp4_metadata(made))
        case _:
            return video().gif_bytes(record_files.comment(made))


def test_a_record_states_what_is_needed_to_make_it_again() -> None:
    made = record()
    assert made.schema_version == 1
    assert made.created.utcoffset() is not None
    assert {"av", "numpy", "pillow"} <= {each.name for each in made.versions}
    assert [(each.handle, each.kind) for each in made.media] == [("image_1", "image")]
    assert made.media[0].sha256 == Image.from_pil(PIL.Image.new("RGB", (8, 8), "red")).sha256
    assert made.handle == "step_1"
    assert record(num_outputs=2, index=2).handle == "step_1_2"


@pytest.mark.parametrize("suffix", ["png", "webp", "mp4", "gif"])
def test_the_record_is_read_back_as_it_was(tmp_path: Path, suffix: str) -> None:
    made = record()
    data = embedded(suffix, made)
    path = tmp_path / "any-name"
    path.write_bytes(data)
    assert (
        record_files.read(path) == record_files.read(str(path)) == record_files.read(data) == made
    )


def test_a_long_record_fits_in_every_file() -> None:
    made = record("☆" * 8000)
    for suffix in ("png", "webp", "mp4", "gif"):
        assert record_files.read(embedded(suffix, made)) == made


@given(prompt=st.text(min_size=1, max_size=60))
def test_any_words_survive_in_a_png(prompt: str) -> None:
    made = record(prompt)
    assert record_files.read(embedded("png", made)) == made


def test_the_picture_is_unchanged_and_other_programs_see_the_text() -> None:
    data = embedded("png", record())
    assert Image.open(data).pil.tobytes() == image().pil.tobytes()
    with PIL.PngImagePlugin.PngImageFile(io.BytesIO(data)) as file:
        file.load()
        assert Record.model_validate_json(file.text["unison"]) == record_files.read(data)


def test_embedding_again_replaces_the_record() -> None:
    second = record_files.embed_png(embedded("png", record("first")), record("second"))
    found = record_files.read(second)
    assert found is not None
    assert found.plan.request.text == "second"
    assert second.count(b"iTXt") == 1


def test_a_png_without_an_end_is_not_written() -> None:
    with pytest.raises(OutputError, match="no end"):
        record_files.embed_png(image().png_bytes()[:-12], record())


def test_files_without_a_record_hold_none() -> None:
    jpeg = io.BytesIO()
    image().rgb().save(jpeg, "JPEG")
    commented = video().mp4_bytes({"comment": "holiday"})
    described = image().webp_bytes()
    for data in (image().png_bytes(), jpeg.getvalue(), commented, described, video().gif_bytes()):
        assert record_files.read(data) is None


@pytest.mark.parametrize("suffix", ["png", "webp", "mp4", "gif"])
def test_a_damaged_record_is_an_output_error(suffix: str) -> None:
    data = embedded(suffix, record())
    at = data.index(b'"profile":')
    broken = data[:at] + b"]" + data[at + 1 :]
    with pytest.raises(OutputError, match="record is damaged"):
        record_files.read(broken)


def _png_with(body: bytes) -> bytes:
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body
    chunk += struct.pack(">I", zlib.crc32(b"iTXt" + body))
    png = image().png_bytes()
    return png[:-12] + chunk + png[-12:]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"unison\x00\x00\x00\x00\x00{", "record is damaged"),
        (b"unison\x00\x00\x00\x00\x00[]", "record is damaged"),
        (b"unison\x00\x00\x00\x00\x00{}", "Field required"),
        (b"unison\x00\x00\x00\x00\x00\xff\xfe", "record is damaged"),
        (b"unison\x00", "record is damaged"),
        (b"unison\x00\x01\x00\x00\x00" + zlib.compress(b"{}"), "compressed"),
        (b'unison\x00\x00\x00\x00\x00{"schema_version":2}', "Upgrade unison-agent"),
    ],
)
def test_a_record_that_cannot_be_read_says_why(body: bytes, message: str) -> None:
    with pytest.raises(OutputError, match=message):
        record_files.read(_png_with(body))


def test_texts_of_other_programs_are_left_alone() -> None:
    data = _png_with(b"unison-like\x00\x00\x00\x00\x00{")
    assert record_files.read(data) is None
    assert b"unison-like" in record_files.embed_png(data, record())


def test_a_step_that_does_not_exist_is_refused() -> None:
    made = record()
    with pytest.raises(ValueError, match="step 2 is not among"):
        Record.model_validate(made.model_dump() | {"step": 2})


def test_what_is_no_medium_is_a_media_error(tmp_path: Path) -> None:
    for content in (b"", b"words"):
        path = tmp_path / "star.png"
        path.write_bytes(content)
        with pytest.raises(MediaError):
            record_files.read(path)
    with pytest.raises(MediaError, match=r"damaged|cut short"):
        record_files.read(embedded("gif", record())[:9])
    with pytest.raises(MediaError, match="cut short"):
        record_files.read(embedded("mp4", record())[:50])
