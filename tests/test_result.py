"""Results: saved whole or not at all, loaded back, shown."""

import base64
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import PIL.Image
import pytest

from unison_agent.errors import MediaError, OutputError, RequestError
from unison_agent.media import Image, MediaSet, Video
from unison_agent.replay import Record
from unison_agent.result import Artifact, Result, StepResult, Timings, display, grid
from unison_agent.tasks import (
    Adjustment,
    Granted,
    GrantedAnswer,
    GrantedImage,
    GrantedVideo,
    ImageToVideo,
    ImageUnderstanding,
    Plan,
    Request,
    TaskCall,
    TextToImage,
)

SMALLER = Adjustment(
    field="width", asked=100_000, granted=64, rule="size_range", reason="nano draws 64 pixels wide"
)
DRAW = TextToImage(task="text_to_image", prompt="a red star", width=100_000)
MOVE = ImageToVideo(task="image_to_video", prompt="it moves", first_frame="step_1")
ASK = ImageUnderstanding(task="image_understanding", question="What is it?")


def star(shade: int = 255) -> Image:
    pil = PIL.Image.new("RGB", (64, 64), (0, 0, 200))
    pil.paste((shade, 0, 0), (16, 16, 48, 48))
    return Image.from_pil(pil)


def clip() -> Video:
    return Video.from_frames([star(255 - 10 * step).rgb() for step in range(9)], 8)


def granted_for(call: TaskCall, num_outputs: int = 1) -> Granted:
    if isinstance(call, ImageUnderstanding):
        return GrantedAnswer(output="text", tool="nano-answer", max_new_tokens=32)
    common = {"width": 64, "height": 64, "steps": 12, "guidance_scale": 3.0, "seed": 7}
    if isinstance(call, TextToImage):
        fields = common | {"output": "image", "tool": "nano-image", "num_outputs": num_outputs}
        return GrantedImage.model_validate(fields | {"adjustments": (SMALLER,)})
    fields = common | {"output": "video", "tool": "nano-video", "num_outputs": num_outputs}
    return GrantedVideo.model_validate(fields | {"num_frames": 9, "fps": 8})


def result(*made: tuple[TaskCall, list[Image | Video] | str]) -> Result:
    calls = tuple(call for call, _ in made)
    plan = Plan(request=Request(text="draw it and so on"), steps=calls)
    granted = tuple(
        granted_for(call, len(out) if isinstance(out, list) else 1) for call, out in made
    )
    steps: list[StepResult] = []
    for number, (call, out) in enumerate(made, start=1):
        artifacts: list[Artifact] = []
        if isinstance(out, list):
            for index, medium in enumerate(out, start=1):
                record = Record.of(
                    plan=plan,
                    granted=granted,
                    profile="nano",
                    weights=(),
                    media=MediaSet.of(),
                    step=number,
                    index=index,
                )
                artifacts.append(Artifact(record.handle, medium, record))
        text = out if isinstance(out, str) else None
        timings = Timings(total_seconds=1.5)
        own = granted[number - 1]
        steps.append(StepResult(call, own, tuple(artifacts), text, ("no connector",), timings))
    return Result(plan, tuple(steps), Timings(plan_seconds=0.5, total_seconds=2.0))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- saving and loading --------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".webp", ".PNG"])
def test_an_image_is_saved_without_loss_and_loaded_with_its_record(
    tmp_path: Path, suffix: str
) -> None:
    made = result((DRAW, [star()]))
    path = made.save(tmp_path / f"star{suffix}")
    assert path == tmp_path / f"star{suffix}"
    assert files(tmp_path) == [f"star{suffix}"]
    loaded = Result.load(tmp_path / f"star{suffix}")
    assert loaded.plan == made.plan
    assert loaded.granted == made.granted
    assert loaded.adjustments == (SMALLER,)
    (artifact,) = loaded.steps[0].artifacts
    assert artifact.record == made.artifacts[0].record
    assert artifact.handle == "step_1"
    assert loaded.image.pil.tobytes() == star().pil.tobytes()


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_clip_of_a_second_step_is_saved_and_loaded(tmp_path: Path, suffix: str) -> None:
    made = result((DRAW, [star()]), (MOVE, [clip()]))
    path = made.save(str(tmp_path / f"star{suffix}"))
    assert isinstance(path, Path)
    loaded = Result.load(path)
    assert loaded.plan == made.plan
    assert loaded.steps[0].call == MOVE
    assert loaded.artifacts[0].handle == "step_2"
    assert loaded.video.num_frames == 9
    assert loaded.video.fps == pytest.approx(8, rel=0.02)


def test_several_outputs_are_numbered(tmp_path: Path) -> None:
    made = result((DRAW, [star(), star(200), star(100)]))
    assert [artifact.handle for artifact in made.artifacts] == ["step_1_1", "step_1_2", "step_1_3"]
    paths = made.save(tmp_path / "star.png")
    assert isinstance(paths, tuple)
    assert [path.name for path in paths] == ["star-1.png", "star-2.png", "star-3.png"]
    assert Result.load(paths[1]).image.pil.tobytes() == star(200).pil.tobytes()
    assert Result.load(paths[1]).artifacts[0].handle == "step_1_2"


def test_the_suffix_chooses_among_images_clips_and_answers(tmp_path: Path) -> None:
    made = result((DRAW, [star()]), (MOVE, [clip()]), (ASK, "A red star."))
    assert [output.handle for output in made.outputs] == ["step_2"], "step_1 was made for step_2"
    for name in ("a.png", "a.mp4", "a.txt", "a.json"):
        made.save(tmp_path / name)
    assert files(tmp_path) == ["a.json", "a.mp4", "a.png", "a.txt"]
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "A red star.\n"
    assert Result.load(tmp_path / "a.png").artifacts[0].handle == "step_1"
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["steps"][2]["text"]


def test_one_artifact_can_be_saved_alone(tmp_path: Path) -> None:
    made = result((DRAW, [star(), star(90)]))
    path = made.artifacts[1].save(tmp_path / "second.png")
    assert Result.load(path).image.pil.tobytes() == star(90).pil.tobytes()
    with pytest.raises(OutputError, match="cannot hold the output, which is of kind image"):
        made.artifacts[0].save(tmp_path / "second.mp4")
    with pytest.raises(OutputError, match="cannot hold the output, which is of kind video"):
        result((MOVE, [clip()])).artifacts[0].save(tmp_path / "second.webp")
    assert files(tmp_path) == ["second.png"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("star.jpg", "JPEG"),
        ("star.avi", r"'\.avi' is not written"),
        ("star", "no suffix"),
        ("star.mp4", r"no video to write as \.mp4; it has image \(64x64\)"),
        ("star.txt", "no answer"),
    ],
)
def test_a_suffix_that_does_not_fit_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(OutputError, match=message):
        result((DRAW, [star()])).save(tmp_path / name)
    assert files(tmp_path) == []


def test_an_existing_file_is_kept_unless_told(tmp_path: Path) -> None:
    made = result((DRAW, [star(), star(1)]))
    (tmp_path / "star-2.png").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=r"star-2\.png exists") as caught:
        made.save(tmp_path / "star.png")
    assert "overwrite=True" in str(caught.value)
    assert files(tmp_path) == ["star-2.png"]
    assert (tmp_path / "star-2.png").read_text(encoding="utf-8") == "mine"
    made.save(tmp_path / "star.png", overwrite=True)
    assert files(tmp_path) == ["star-1.png", "star-2.png"]


def test_a_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "star.png"

    def encode_and_be_overtaken(image: Image) -> bytes:
        target.write_text("mine", encoding="utf-8")
        return encode(image)

    encode = Image.png_bytes
    monkeypatch.setattr(Image, "png_bytes", encode_and_be_overtaken)
    with pytest.raises(OutputError, match="exists"):
        result((DRAW, [star()])).save(target)
    assert files(tmp_path) == ["star.png"]
    assert target.read_text(encoding="utf-8") == "mine"

    def no_links(source: Path, link: Path) -> None:
        raise OSError(f"no links here: {source} {link}")

    monkeypatch.setattr(os, "link", no_links)
    target.unlink()
    with pytest.raises(OutputError, match="exists"):
        result((DRAW, [star()])).save(target)
    monkeypatch.setattr(Image, "png_bytes", encode)
    target.unlink()
    result((DRAW, [star()])).save(target)
    assert files(tmp_path) == ["star.png"]


def test_folders_that_cannot_be_written_are_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    (tmp_path / "folder.png").mkdir()

    made = result((MOVE, [_explosive(AssertionError("encoded too early"))]))
    for target, message in (
        (tmp_path / "missing" / "a.mp4", "does not exist"),
        (tmp_path / "file" / "a.mp4", "is not a folder"),
        (tmp_path / "file" / "deeper" / "a.mp4", "does not exist"),
    ):
        with pytest.raises(OutputError, match=message):
            made.save(target)
    with pytest.raises(OutputError, match="is a folder"):
        result((DRAW, [star()])).save(tmp_path / "folder.png", overwrite=True)
    assert files(tmp_path) == ["file", "folder.png"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that refuses root too")
def test_a_disk_that_refuses_is_an_output_error() -> None:
    with pytest.raises(OutputError, match=r"could not be written|not writable"):
        result((DRAW, [star()])).save("/proc/self/star.png")


def test_a_closed_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests may run as root, for whom every folder is open; the answer of the system is set.
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with pytest.raises(OutputError, match="is not writable"):
        result((DRAW, [star()])).save(tmp_path / "star.png")


class _Interrupted:
    """A clip whose second frame does not come."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def frames(self) -> Iterator[PIL.Image.Image]:
        yield star().rgb()
        raise self.error


def _explosive(error: BaseException) -> Video:
    return replace(clip(), clip=_Interrupted(error))


# --- what is written is read back ------------------------------------------------------------------


class _Broken:
    """A clip whose frames are another thing each time: what is encoded is not what was made."""

    def __init__(self, *passes: list[PIL.Image.Image]) -> None:
        self.passes = list(passes)

    def frames(self) -> Iterator[PIL.Image.Image]:
        return iter(self.passes.pop(0) if len(self.passes) > 1 else self.passes[0])


GRAY = [PIL.Image.new("RGB", (64, 64), (90, 90, 90))] * 9
GOOD = list(clip().frames())


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (replace(clip(), clip=_Broken(GRAY, GOOD)), "it shows nothing but one colour"),
        (replace(clip(), clip=_Broken(GOOD[:5])), "it has 5 frames, not 9"),
        (replace(clip(), fps=16.0), "it lasts 0.562 s, not 1.12 s"),
        (
            replace(clip(), clip=_Broken([each.resize((32, 64)) for each in GOOD])),
            "it is 32x64, not 64x64",
        ),
    ],
)
def test_a_file_that_is_not_what_was_granted_is_kept_aside(
    tmp_path: Path, broken: Video, fault: str
) -> None:
    made = result((DRAW, [star()]), (MOVE, [broken]))
    with pytest.raises(OutputError, match=f"star.mp4 is not what was granted: {fault}") as caught:
        made.save(tmp_path / "star.mp4")
    assert files(tmp_path) == ["star-rejected.mp4"]
    assert str(tmp_path / "star-rejected.mp4") in str(caught.value)
    assert Result.load(tmp_path / "star-rejected.mp4").plan == made.plan


def test_what_is_kept_aside_replaces_nothing(tmp_path: Path) -> None:
    made = result((DRAW, [star()]), (MOVE, [replace(clip(), fps=16.0)]))
    (tmp_path / "star.mp4").write_text("before", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(OutputError, match="kept aside"):
            made.save(tmp_path / "star.mp4", overwrite=True)
    assert files(tmp_path) == ["star-rejected-2.mp4", "star-rejected.mp4", "star.mp4"]
    assert (tmp_path / "star.mp4").read_text(encoding="utf-8") == "before"


def test_a_picture_of_another_size_than_was_granted_is_kept_aside(tmp_path: Path) -> None:
    wide = Image.from_pil(star().pil.resize((80, 64)))
    with pytest.raises(OutputError, match=r"it is 80x64, not 64x64\. .* kept aside"):
        result((DRAW, [star(), wide])).save(tmp_path / "star.png")
    assert files(tmp_path) == ["star-1-rejected.png", "star-2-rejected.png"]


def test_odd_sides_and_equal_frames_are_no_faults(tmp_path: Path) -> None:
    still = Video.from_frames([star().rgb()] * 9, 8)
    made = result((DRAW, [star()]), (MOVE, [still]))
    for suffix in (".mp4", ".gif"):
        made.save(tmp_path / f"still{suffix}")
    odd = [each.crop((0, 0, 63, 61)) for each in GOOD]
    granted = GrantedVideo.model_validate(
        {**granted_for(MOVE).model_dump(), "width": 63, "height": 61}
    )
    moved = result((DRAW, [star()]), (MOVE, [Video.from_frames(odd, 8)]))
    artifact = moved.artifacts[1]
    record = artifact.record.model_copy(update={"granted": (artifact.record.granted[0], granted)})
    for suffix in (".mp4", ".gif"):
        replace(artifact, record=record).save(tmp_path / f"odd{suffix}")
    assert len(files(tmp_path)) == 4


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MediaError("damaged"), MemoryError()])
@pytest.mark.parametrize("there", [True, False])
def test_no_half_file_when_encoding_stops(
    tmp_path: Path, error: BaseException, there: bool
) -> None:
    if there:
        (tmp_path / "a.mp4").write_text("before", encoding="utf-8")
    with pytest.raises(type(error)):
        result((MOVE, [_explosive(error)])).save(tmp_path / "a.mp4", overwrite=True)
    assert files(tmp_path) == (["a.mp4"] if there else [])
    assert not there or (tmp_path / "a.mp4").read_text(encoding="utf-8") == "before"


@pytest.mark.parametrize(
    ("error", "expected"),
    [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "full"), OutputError)],
)
def test_no_half_file_when_writing_stops(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    expected: type[BaseException],
) -> None:
    written: list[int] = []

    def stop_at_the_second(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) == 2:
            raise error

    monkeypatch.setattr(os, "fsync", stop_at_the_second)
    with pytest.raises(expected):
        result((DRAW, [star(), star(9)])).save(tmp_path / "a.png")
    assert files(tmp_path) == []


def test_files_without_a_record_are_not_results(tmp_path: Path) -> None:
    path = tmp_path / "other.png"
    path.write_bytes(star().png_bytes())
    with pytest.raises(OutputError, match="no record"):
        Result.load(path)
    with pytest.raises(MediaError, match="No such file"):
        Result.load(tmp_path / "missing.png")


def test_a_truncated_result_is_a_media_error(tmp_path: Path) -> None:
    path = result((DRAW, [star()])).save(tmp_path / "star.png")
    assert isinstance(path, Path)
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(MediaError, match="cut short"):
        Result.load(path)


# --- looking at it -------------------------------------------------------------------------------


def test_shortcuts_speak_of_the_last_step_that_made_some() -> None:
    made = result((DRAW, [star(1), star(2)]), (DRAW, [star(3), star(4)]), (ASK, "Two stars."))
    assert made.image == star(3)
    assert made.text == "Two stars."
    assert made.granted.output == "text"
    assert made.adjustments == (SMALLER, SMALLER)
    assert made.notes == ("no connector",)
    assert len(made.outputs) == len(made.artifacts) == 4
    with pytest.raises(OutputError, match="no video; it has image"):
        _ = made.video
    with pytest.raises(OutputError, match="no image; it has an answer"):
        _ = result((ASK, "A star.")).image


def test_json_holds_everything_but_pixels() -> None:
    made = result((DRAW, [star()]), (MOVE, [clip()]))
    content = json.loads(made.to_json())
    assert content["plan"]["steps"][0]["task"] == "text_to_image"
    first, second = content["steps"]
    assert first["artifacts"] == [
        {
            "handle": "step_1",
            "kind": "image",
            "sha256": star().sha256,
            "width": 64,
            "height": 64,
        }
    ]
    assert (second["artifacts"][0]["num_frames"], second["artifacts"][0]["fps"]) == (9, 8.0)
    assert first["granted"]["adjustments"][0]["asked"] == 100_000
    assert content["timings"]["total_seconds"] == 2.0


def test_a_notebook_shows_images_clips_and_text() -> None:
    one = result((DRAW, [star()]))._repr_mimebundle_()
    assert Image.open(base64.b64decode(one["image/png"])).pil.tobytes() == star().pil.tobytes()
    assert "100000" in one["text/plain"]
    several = result((DRAW, [star(), star(3)]))._repr_mimebundle_()
    assert several["text/html"].count("<img") == 2
    moving = result((DRAW, [star()]), (MOVE, [clip()]))._repr_mimebundle_()
    data = moving["text/html"].partition("data:video/mp4;base64,")[2].partition('"')[0]
    assert Video.open(base64.b64decode(data)).num_frames == 9
    answer = result((ASK, "<b>A star"))._repr_mimebundle_()
    assert answer["text/plain"] == "1. image_understanding: <b>A star (1.5 s)\n   no connector"
    both = result((DRAW, [star()]), (ASK, "<b>A star"))._repr_mimebundle_()
    assert "image/png" not in both
    for shown in (answer, both):
        assert "<p>&lt;b&gt;A star</p>" in shown["text/html"]


def test_a_notebook_shows_what_was_changed_and_understood() -> None:
    html = result((DRAW, [star()]))._repr_mimebundle_()["text/html"]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", html)
    assert cells == ["width", "100000", "64", "nano draws 64 pixels wide"]
    assert "<small>no connector</small>" in html
    assert "<summary>plan</summary>" in html
    assert "step 1 make an image (width 100000)" in html
    assert "<table" not in result((MOVE, [clip()]))._repr_mimebundle_()["text/html"]


def test_html_is_made_for_those_who_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = result((DRAW, [star()]))
    assert "text/html" not in made._repr_mimebundle_(exclude={"text/html"})
    assert "text/html" not in made._repr_mimebundle_(include={"text/plain"})
    assert "text/html" in made._repr_mimebundle_(include={"text/html"})
    shell = SimpleNamespace(display_formatter=SimpleNamespace(active_types=["text/plain"]))
    in_a_terminal = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", in_a_terminal)
    assert set(made._repr_mimebundle_()) == {"text/plain", "image/png"}


def test_a_long_clip_is_a_poster_and_a_player_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(display, "INLINE_BYTES", 100)
    again = result((MOVE, [clip()]))._repr_mimebundle_()["text/html"]
    html = result((MOVE, [clip()]))._repr_mimebundle_()["text/html"]
    assert html == again
    (player,) = re.findall(r"<video[^>]*>", html)
    assert "data:video" not in player
    poster = re.search(r'poster="data:image/jpeg;base64,([^"]*)"', player)
    source = re.search(r' src="([^"]*)"', player)
    assert poster is not None
    assert source is not None
    assert Image.open(base64.b64decode(poster[1])).width == 64
    assert Video.open(tmp_path / source[1]).num_frames == 9
    assert files(tmp_path) == [display.CLIPS_FOLDER]


def test_a_long_clip_where_nothing_can_be_written_is_a_poster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(display, "INLINE_BYTES", 100)
    (tmp_path / display.CLIPS_FOLDER).write_text("in the way", encoding="utf-8")
    html = result((MOVE, [clip()]))._repr_mimebundle_()["text/html"]
    assert "<video" not in html
    assert "data:image/jpeg" in html
    assert "64x64, 9 frames at 8 fps, too long to show here" in html


def test_a_grid_shows_results_side_by_side() -> None:
    shown = grid([result((DRAW, [star()])), clip(), result((ASK, "<i>A star"))])
    html = shown._repr_html_()
    assert "grid-template-columns:repeat(3," in html
    assert html.count("<figure") == html.count("</figure>") == 3
    assert (html.count("<img"), html.count("<video")) == (1, 1)
    assert "draw it and so on (seed 7)" in html
    assert "&lt;i&gt;A star" in html
    assert repr(shown).splitlines() == [
        "1. draw it and so on (seed 7): 64x64",
        "2. 64x64, 9 frames at 8 fps: 64x64, 9 frames at 8 fps",
        "3. draw it and so on: <i>A star",
    ]
    assert grid([]).columns == 1
    assert grid([star()] * 9).columns == 4
    named = grid([star()], columns=2, captions=["<one>"])
    assert "&lt;one&gt;" in named._repr_html_()
    for columns, captions, message in ((0, ["a"], "columns"), (1, ["a", "b"], "2 captions")):
        with pytest.raises(RequestError, match=message):
            grid([star()], columns=columns, captions=captions)


def test_repr_is_a_summary() -> None:
    text = repr(result((DRAW, [star()]), (MOVE, [clip()])))
    assert "1. text_to_image: 64x64 (1.5 s)" in text
    assert "width: asked 100000, granted 64: nano draws 64 pixels wide" in text
    assert "2. image_to_video: 64x64, 9 frames at 8 fps (1.5 s)" in text


def test_timings_add_up() -> None:
    total = Timings(plan_seconds=1, total_seconds=2) + Timings(denoise_seconds=3, total_seconds=4)
    assert total == Timings(plan_seconds=1, denoise_seconds=3, total_seconds=6)
