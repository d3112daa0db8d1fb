"""The connector on and off, side by side, on a small random pipeline under nano's tool spec."""

import json
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
from typer.testing import CliRunner

from unison_agent import Result, Unison
from unison_agent.agent import Planned
from unison_agent.cli.app import app
from unison_agent.compare import compare
from unison_agent.connector import UNPROMPTED
from unison_agent.errors import OutputError, RequestError
from unison_agent.media import MediaSet, Video
from unison_agent.packs import load_pack
from unison_agent.pipelines import PipelineStore
from unison_agent.planning.planner import Planner
from unison_agent.remake import remake
from unison_agent.router import AnswerTool, GenerationTool, Router
from unison_agent.tasks import TASK_CALL, Plan, Request
from unison_agent.testing import ScriptedUnderstanding, ScriptedWriter
from unison_agent.testing_wan import save_tiny_weights

STAR = {"task": "text_to_image", "steps": 2, "seed": 5}
MOVE = {"task": "image_to_video", "steps": 1, "num_frames": 5, "first_frame": "image_1"}
RED = PIL.Image.new("RGB", (64, 64), (255, 0, 0))
SAID = "Draw a red star, 2 steps, seed 5"
MOVED = "make it move, 1 step, 5 frames"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny_weights(folder)
    return folder


def make(weights: Path, plan: object) -> Unison:
    answering, drawing = load_pack("nano").tools
    model = ScriptedUnderstanding()
    generation = GenerationTool(
        drawing,
        pipelines=PipelineStore(weights, device="cpu"),
        understanding=lambda _: model,
        weights_folder=weights,
    )
    router = Router((AnswerTool(answering, lambda _: model), generation), profile="tiny")
    return Unison(Planner(ScriptedWriter(plan)), router)  # pyright: ignore[reportArgumentType]


def test_both_run_one_plan_with_one_seed_and_say_who_read_the_prompt(weights: Path) -> None:
    made = compare(make(weights, STAR), SAID)
    (first, on), (second, off) = made.results
    assert (first, second) == ("on", "off")
    assert on.plan == off.plan
    assert on.granted == off.granted
    assert not made.same
    assert UNPROMPTED not in on.notes
    assert UNPROMPTED in off.notes
    assert {one.name for one in on.artifacts[0].record.weights} > {"connector", "understanding"}
    assert "understanding" not in {one.name for one in off.artifacts[0].record.weights}
    assert not on.artifacts[0].record.without_connector
    assert off.artifacts[0].record.without_connector


def test_what_is_drawn_without_a_connector_depends_on_no_word(weights: Path) -> None:
    unison = make(weights, STAR)
    one = unison.run(SAID, connector=False)
    other = unison.run("Draw a blue moon, 2 steps, seed 5", connector=False)
    assert one.image.sha256 == other.image.sha256
    assert unison.run(SAID).image.sha256 != one.image.sha256  # and the next run has it on again


def test_one_picture_of_both_and_each_result_with_its_record(weights: Path, tmp_path: Path) -> None:
    unison = make(weights, MOVE)
    made = compare(unison, MOVED, [RED], seed=7)
    sheet, *files = made.save(tmp_path / "sheet.png")
    assert [path.name for path in files] == ["sheet-on.mp4", "sheet-off.mp4"]
    with PIL.Image.open(sheet) as picture:
        picture.load()
        left, right = (
            picture.crop((0, 90, picture.width // 2, picture.height)),
            picture.crop((picture.width // 2, 90, picture.width, picture.height)),
        )
        assert picture.width > picture.height
        assert left.tobytes() != right.tobytes()
    for path, (switch, result) in zip(files, made.results, strict=True):
        record = Result.load(path).artifacts[0].record
        assert record.without_connector is (switch == "off")
        assert record == result.artifacts[0].record
    again = remake(files[1], [RED], agent=unison)
    assert UNPROMPTED in again.result.notes
    assert again.differences == ()
    with pytest.raises(OutputError, match="exists"):
        made.save(tmp_path / "sheet.png")


def test_what_is_not_as_it_was_granted_is_kept_aside(weights: Path, tmp_path: Path) -> None:
    made = compare(make(weights, MOVE), MOVED, [RED])
    (_, on), _ = made.results
    (step,) = on.steps
    (artifact,) = step.artifacts
    assert isinstance(artifact.medium, Video)
    broken = replace(artifact, medium=replace(artifact.medium, fps=16.0))
    faulty = replace(on, steps=(replace(step, artifacts=(broken,)),))
    both = replace(made, results=(("on", faulty), made.results[1]))
    with pytest.raises(OutputError, match=r"sheet-on\.mp4 is not what was granted: it lasts 0\.31"):
        both.save(tmp_path / "sheet.png")
    kept = ["sheet-off-rejected.mp4", "sheet-on-rejected.mp4", "sheet-rejected.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == kept


def test_each_picture_of_several_steps_has_a_name(weights: Path, tmp_path: Path) -> None:
    star = TASK_CALL.validate_python({**STAR, "prompt": "a red star"})
    moon = TASK_CALL.validate_python({**STAR, "prompt": "a blue moon"})
    plan = Plan(request=Request(text="a red star and a blue moon"), steps=(star, moon))
    made = compare(make(weights, STAR), Planned(plan, MediaSet()), connector=("on",))
    saved = made.save(tmp_path / "sheet.webp")
    assert [path.name for path in saved] == ["sheet.webp", "sheet-on-1.png", "sheet-on-2.png"]
    steps = [Result.load(path).artifacts[0].record.step for path in saved[1:]]
    assert steps == [1, 2]


@pytest.mark.parametrize("name", ["sheet.png", "sheet-on.png", "sheet-off-2.mp4"])
def test_a_file_in_the_way_is_told_before_any_work(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    (tmp_path / "sheet-on-the-wall.png").touch()
    done = CliRunner().invoke(app, ["compare", SAID, "--out", str(tmp_path / "sheet.png")])
    assert done.exit_code == 1
    assert f"{name} exists" in done.stderr


def test_what_cannot_be_compared(weights: Path, tmp_path: Path) -> None:
    unison = make(weights, {"task": "text_understanding"})
    with pytest.raises(RequestError, match=r"no connector to switch off: .* by nano-answer"):
        compare(unison, "Why?")
    for wrong in ((), ("on", "on"), ("dim",)):
        with pytest.raises(RequestError, match="on, off or both"):
            compare(unison, "Why?", connector=wrong)  # pyright: ignore[reportArgumentType]
    made = compare(make(weights, STAR), SAID, MediaSet(), connector=("off",))
    assert made.same
    with pytest.raises(OutputError, match="the sheet is a picture"):
        made.save(tmp_path / "sheet.mp4")


def test_the_command(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(profile: str) -> Unison:
        del profile
        return make(weights, STAR)

    monkeypatch.setattr("unison_agent.cli.opening.open_unison", opened)
    out = str(tmp_path / "both.png")
    done = CliRunner().invoke(app, ["compare", SAID, "--connector", "off,on", "--out", out])
    assert done.exit_code == 0, done.output
    assert "connector off" in done.stdout
    assert "nothing read the prompt" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "both-off.png", "both-on.png", "both.png",
    ]  # fmt: skip
    done = CliRunner().invoke(app, ["compare", SAID, "--out", out])
    assert done.exit_code == 1
    assert "exists" in done.stderr
    done = CliRunner().invoke(app, ["compare", SAID, "--out", out, "--overwrite", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["notes"]["off"] == [UNPROMPTED]
