import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from unison_agent.agent import Unison
from unison_agent.cli.app import app
from unison_agent.demo import REQUESTS, Outcome, run_demo, write_inputs
from unison_agent.demo.inputs import draw_inputs
from unison_agent.media import Image, MediaSet, Video, open_medium
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.progress import Progress
from unison_agent.result import Result
from unison_agent.router import AdapterTool, Router
from unison_agent.sheet import Cell, contact_sheet
from unison_agent.tasks import TASKS, GrantedImage, GrantedVideo
from unison_agent.testing import EchoAdapter, ScriptedWriter

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_each_task_is_asked_for_once_and_what_it_needs_is_drawn() -> None:
    assert sorted(sample.task for sample in REQUESTS) == sorted(TASKS)
    assert {name for sample in REQUESTS for name in sample.attached} == set(draw_inputs())


def test_inputs_are_small_pictures_and_clips(tmp_path: Path) -> None:
    paths = write_inputs(tmp_path / "new" / "inputs")
    media = MediaSet.of(list(paths.values()))
    assert media.kinds == ("image", "video", "image", "video", "image", "image")
    for handle, _ in media.attachments:
        medium = media.medium(handle)
        assert (medium.width, medium.height) == (64, 64)
        if isinstance(medium, Video):
            assert (medium.num_frames, medium.fps) == (17, 8.0)
    assert all(path.stat().st_size < 12_000 for path in paths.values())


def test_the_circle_moves_right() -> None:
    clip = draw_inputs()["circle.mp4"]
    assert isinstance(clip, Video)
    first, last = (np.asarray(frame).astype(int) for frame in clip.sample(2))
    centres = [np.nonzero(f[..., 0] - f[..., 2] > 100)[1].mean() for f in (first, last)]
    assert centres[1] - centres[0] == pytest.approx(16, abs=0.5)


@pytest.mark.parametrize("name", sorted(draw_inputs()))
def test_the_shipped_examples_are_what_is_drawn(name: str) -> None:
    shipped, drawn = open_medium(EXAMPLES / name), draw_inputs()[name]
    if isinstance(drawn, Image):
        assert isinstance(shipped, Image)
        assert shipped.rgb().tobytes() == drawn.rgb().tobytes()
        return
    assert isinstance(shipped, Video)
    pairs = zip(shipped.frames(), drawn.frames(), strict=True)
    errors = [np.abs(np.asarray(a, int) - np.asarray(b, int)).mean() for a, b in pairs]
    assert max(errors) < 6  # yuv420p halves the colours


# --- the contact sheet ---------------------------------------------------------------------------


def test_the_sheet_has_a_cell_each_and_shows_the_media() -> None:
    red = Image.from_array(np.full((64, 64, 3), (250, 0, 0), np.uint8))
    frames = [np.full((48, 64, 3), (0, 0, value), np.uint8) for value in (90, 170, 250)]
    clip = Video.from_frames(frames, 8)
    cells = [
        Cell("image_to_video", "move it", (red,), (clip,), None, "64x48"),
        Cell("text_understanding", "Why?", answer="Because. " * 60),
        Cell("text_to_image", "word " * 90, (), (red, red, red, red), None, "x" * 200),
        Cell("image_understanding", "unbroken" * 40, (red,), answer="naïve → yes"),
    ]
    sheet = contact_sheet("Title", "subtitle", cells, columns=3)
    assert sheet.mode == "RGB"
    assert sheet.width > 3 * 500
    pixels = np.asarray(sheet)
    for color in ((250, 0, 0), (0, 0, 90), (0, 0, 170), (0, 0, 250)):
        assert (pixels == color).all(-1).any(), color
    one = contact_sheet("Title", "subtitle", cells[:1], columns=3)
    assert sheet.height > one.height  # two rows against one


# --- all twelve, with scripted plans and flat pictures -----------------------------------------------

PLANS: tuple[Mapping[str, object], ...] = (
    {"task": "text_to_image", "width": 64, "height": 64},
    {"task": "text_to_video", "duration_seconds": 2},
    {"task": "image_to_video", "duration_seconds": 2, "first_frame": "image_1"},
    {"task": "image_editing", "source": "image_1", "target": "star"},
    {"task": "video_editing", "source": "video_1", "target": "circle"},
    {"task": "image_controllable_generation", "control": "image_1", "control_type": "canny"},
    {"task": "video_controllable_generation", "control": "video_1", "control_type": "canny"},
    {"task": "image_reference_generation", "references": ["image_1"]},
    {"task": "video_reference_generation", "references": ["image_1"]},
    {"task": "text_understanding"},
    {"task": "image_understanding"},
    {"task": "video_understanding"},
)


def scripted(*plans: Mapping[str, object], widest: int = 64) -> Unison:
    tools: list[AdapterTool] = []
    for spec in load_pack("nano").tools:
        if spec.limits is not None:
            limits = spec.limits.model_copy(update={"width": (32, widest)})
            spec = spec.model_copy(update={"limits": limits})
        tools.append(AdapterTool(spec, EchoAdapter()))
    return Unison(Planner(ScriptedWriter(*plans)), Router(tools, profile="nano"))


def test_the_demo_writes_a_file_for_each_task_and_the_sheet(tmp_path: Path) -> None:
    shown: list[Outcome] = []
    outcomes = run_demo(scripted(*PLANS), tmp_path / "demo", seed=5, show=shown.append)
    assert tuple(shown) == outcomes
    assert all(outcome.as_expected for outcome in outcomes)
    suffixes = {"text": ".txt", "image": ".png", "video": ".mp4"}
    for number, outcome in enumerate(outcomes, start=1):
        assert outcome.result is not None
        suffix = suffixes[outcome.result.granted.output]
        assert [path.name for path in outcome.files] == [
            f"{number:02}-{outcome.sample.task}{suffix}"
        ]
        if suffix != ".txt":
            granted = Result.load(outcome.files[0]).granted
            assert isinstance(granted, GrantedImage | GrantedVideo)
            assert granted.seed == 5
    sheet = open_medium(tmp_path / "demo" / "contact-sheet.png")
    assert sheet.width > sheet.height > 1000


def test_one_failure_does_not_stop_the_others(tmp_path: Path) -> None:
    plans = [*PLANS]
    plans[1] = {"needs_input": "source"}
    plans[2] = {"task": "text_to_video"}
    outcomes = run_demo(scripted(*plans), tmp_path)
    assert [n for n, outcome in enumerate(outcomes) if not outcome.as_expected] == [1, 2]
    assert outcomes[1].plan is not None
    assert outcomes[1].files == ()
    assert "Please attach it" in str(outcomes[1].error)
    assert outcomes[2].error is None
    assert (tmp_path / "contact-sheet.png").exists()


@pytest.mark.parametrize("broken", [False, True])
def test_the_command_tells_each_request_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    plans = [*PLANS]
    plans[2] = {"task": "video_understanding"} if broken else plans[2]

    def opened(profile: str, progress: Progress, also: object) -> Unison:
        assert (profile, callable(progress)) == ("nano", True)
        return scripted(*plans, widest=48)

    monkeypatch.setattr("unison_agent.cli.opening.open_unison", opened)
    done = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "demo")])
    assert done.exit_code == (1 if broken else 0), done.output
    for sample in REQUESTS:
        assert f'"{sample.text}"' in done.stdout
    for part in (
        "17 frames at 8 fps",
        "adjusted width: asked 64",
        "answer",
        "+ star.png",
    ):
        assert part in done.stdout
    assert f"{11 if broken else 12} of 12" in done.stdout
    assert ("failed" in done.stdout) == broken


def test_the_command_tells_json_and_opens_other_packs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = [*PLANS]
    plans[2] = {"task": "video_understanding"}

    def opened(profile: str, progress: Progress, also: Sequence[str]) -> Unison:
        del profile, progress
        assert also == ["sdxl"]
        return scripted(*plans)

    monkeypatch.setattr("unison_agent.cli.opening.open_unison", opened)
    folder = tmp_path / "demo"
    done = CliRunner().invoke(app, ["demo", "--out", str(folder), "--json", "--also", "sdxl"])
    assert done.exit_code == 1, done.output
    told = json.loads(done.stdout)
    assert (told["right"], told["sheet"]) == (11, str(folder / "contact-sheet.png"))
    drawn, _, failed, *_ = told["outcomes"]
    assert (drawn["planned"], drawn["as_expected"], drawn["error"]) == (
        ["text_to_image"],
        True,
        None,
    )
    assert all(Path(file).is_file() for file in drawn["files"])
    assert failed["files"] == []
    assert failed["error"]
