import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import PIL.Image
import pytest
from typer.testing import CliRunner
from typer.testing import Result as Invoked

from unison_agent.agent import Unison
from unison_agent.cli.app import app
from unison_agent.custom.finding import find_tools
from unison_agent.errors import RunCancelledError
from unison_agent.media import MediaSet, open_medium
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Calibration, Planner
from unison_agent.progress import Progress
from unison_agent.result import Result
from unison_agent.router import AdapterTool, Router
from unison_agent.testing import EchoAdapter, ScriptedWriter

Fields = Mapping[str, object]
IMAGE: Fields = {"task": "text_to_image"}
CLIP: Fields = {"task": "text_to_video", "num_frames": 5}
ANSWER: Fields = {"task": "text_understanding"}
STAR = Path(__file__).parents[1] / "examples" / "star.png"


class Commands:
    """Runs commands on an agent whose plans are scripted and whose pictures are flat."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.adapter = EchoAdapter()
        self.opened = 0

    def __call__(self, plan: Fields, *arguments: str, answer: str | None = None) -> Invoked:
        def scripted(
            profile: str, progress: Progress, places: Sequence[str] = (), also: Sequence[str] = ()
        ) -> Unison:
            self.opened += 1
            pack, own = load_pack(profile), find_tools(places)
            tools = [AdapterTool(spec, self.adapter) for spec in pack.tools]
            others = {
                name: [AdapterTool(spec, self.adapter) for spec in load_pack(name).tools[1:]]
                for name in also
            }
            router = Router(tools, custom=own, profile=pack.profile, also=others)
            planner = Planner(ScriptedWriter(plan), tools=own)
            return Unison(planner, router, progress=progress)

        self._monkeypatch.setattr("unison_agent.cli.opening.open_unison", scripted)
        return CliRunner().invoke(app, list(arguments), input=answer, env={"COLUMNS": "120"})


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    monkeypatch.chdir(tmp_path)
    return Commands(monkeypatch)


EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_request_may_come_from_standard_input(command: Commands, tmp_path: Path) -> None:
    done = command(IMAGE, "run", "-", "--quiet", answer="a réd star\n")
    assert (done.exit_code, done.stdout) == (0, "text-to-image.png\n")
    assert Result.load(tmp_path / "text-to-image.png").plan.request.text == "a réd star"


def test_a_tool_of_one_s_own_is_planned_and_run(command: Commands, tmp_path: Path) -> None:
    call = {"tool": "crop", "arguments": {"image": "image_1", "width": 20, "height": 12}}
    given = ("--media", str(EXAMPLES / "star.png"), "--tool", f"{EXAMPLES / 'my_tools.py'}:CROP")
    planned = command(call, "plan", "crop this to 20 by 12", *given)
    assert planned.exit_code == 0, planned.output
    assert "crop" in planned.stdout
    done = command(call, "run", "crop this to 20 by 12", *given, "--out", "piece.png")
    assert done.exit_code == 0, done.output
    with PIL.Image.open(tmp_path / "piece.png") as piece:
        assert piece.size == (20, 12)


def test_an_unsure_plan_is_shown_as_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: object) -> Unison:
        writer = ScriptedWriter(IMAGE, confidence=0.1)
        return Unison(Planner(writer, Calibration(slope=1, intercept=0)), Router(()))

    def plan(least: str, *more: str) -> Invoked:
        arguments = ["plan", "a star", "--min-confidence", least, *more]
        return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})

    monkeypatch.setattr("unison_agent.cli.opening.open_unison", opened)
    assert "step 1 text_to_image" in plan("0.05").stdout
    assert "I read this as: make an image" in plan("0.5").stdout
    told = json.loads(plan("0.5", "--json").stdout)
    assert told["missing"]["slot"] == "question"
    assert told["unsure"][0]["task"] == "text_to_image"
    assert plan("2").exit_code == 2
    assert plan("0.5", "--batch", __file__, "--out", "x.jsonl").exit_code == 2


def test_a_tool_that_is_not_there_is_told_before_anything_is_loaded(command: Commands) -> None:
    done = command({}, "plan", "crop this", "--tool", "nowhere:CROP")
    assert done.exit_code == 1
    assert "nowhere cannot be imported" in done.stderr


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- run -----------------------------------------------------------------------------------------


def test_run_plans_makes_and_saves(command: Commands, tmp_path: Path) -> None:
    done = command(IMAGE, "run", "a red star", "--out", "star.png", "--seed", "7")
    assert done.exit_code == 0, done.output
    for part in ("step 1 text_to_image", "64x64, 8 steps", "seed 7", "saved star.png", "total"):
        assert part in done.stdout
    loaded = Result.load(tmp_path / "star.png")
    assert loaded.plan.request.text == "a red star"
    assert loaded.image.width == 64


def test_without_a_name_the_file_is_called_by_its_task(command: Commands, tmp_path: Path) -> None:
    for _ in range(2):
        assert command(IMAGE, "run", "a red star").exit_code == 0
    assert command(CLIP, "run", "five frames of a red star").exit_code == 0
    assert command({**IMAGE, "num_outputs": 2}, "run", "two red stars").exit_code == 0
    assert names(tmp_path) == {
        "text-to-image.png",
        "text-to-image_2.png",
        "text-to-video.mp4",
        "text-to-image-1.png",
        "text-to-image-2.png",
    }


def test_changes_are_shown_with_their_reason(command: Commands) -> None:
    done = command({**IMAGE, "width": 640, "height": 640}, "run", "a star, 640x640")
    assert done.exit_code == 0
    row = next(line for line in done.stdout.splitlines() if line.startswith(" width"))
    assert "640" in row
    assert "64" in row.replace("640", "")
    assert "why" in done.stdout


def test_of_several_packs_the_choice_is_told_with_its_reason(
    command: Commands, tmp_path: Path
) -> None:
    large = {**IMAGE, "width": 640, "height": 640}
    asked = ("a red star, 640x640", "--also", "sdxl")
    for arguments in (("plan", *asked), ("run", *asked, "--dry-run"), ("run", *asked)):
        done = command(large, *arguments)
        assert done.exit_code == 0, done.output
        assert "sdxl: sdxl can do all that is asked." in done.stdout
        assert "not nano-video: it would change width 640 to 64, height 640 to 64." in done.stdout
    assert "choice" not in command(IMAGE, "run", "a red star", "--json").stdout
    named = command(large, "run", *asked, "--use", "nano", "--out", "a.png")
    assert "nano-video was named." in named.stdout
    assert Result.load(tmp_path / "a.png").image.width == 64
    unknown = command(large, "run", *asked, "--use", "dall-e")
    assert unknown.exit_code == 1
    assert "There is no tool or pack named 'dall-e'." in unknown.stderr
    by_kind = ("plan", "Turn the star green", "--kinds", "image", "--also", "sdxl")
    edit = {"task": "image_editing", "source": "image_1", "target": "star"}
    assert "once the sizes of the media are known" in command(edit, *by_kind).stdout


def test_strict_refuses_what_would_change(command: Commands, tmp_path: Path) -> None:
    done = command({**IMAGE, "width": 640}, "run", "a star, 640 wide", "--mode", "strict")
    assert done.exit_code == 1
    assert "640" in done.stderr
    assert names(tmp_path) == set()


@pytest.mark.parametrize(("reply", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_ask_asks(command: Commands, tmp_path: Path, reply: str, code: int) -> None:
    plan = {**IMAGE, "width": 640}
    done = command(plan, "run", "640 wide", "--mode", "ask", "--out", "a.png", answer=reply)
    assert done.exit_code == code
    assert "Go on with what is possible?" in done.stderr
    assert names(tmp_path) == ({"a.png"} if code == 0 else set())


def test_answers_are_printed_and_saved_when_asked(command: Commands, tmp_path: Path) -> None:
    done = command(ANSWER, "run", "Why is the sky blue?")
    assert "Why is the sky blue?" in done.stdout.splitlines()
    assert names(tmp_path) == set()
    assert command(ANSWER, "run", "Why?", "--out", "why.txt").exit_code == 0
    assert (tmp_path / "why.txt").read_text(encoding="utf-8") == "Why?\n"


def test_quiet_prints_the_file_or_the_answer_alone(command: Commands) -> None:
    done = command(IMAGE, "run", "a star", "--out", "a.png", "--quiet")
    assert done.output == "a.png\n"
    assert command(ANSWER, "run", "Why?", "-q").output == "Why?\n"


def test_json_is_all_that_is_on_stdout(command: Commands) -> None:
    done = command(IMAGE, "run", "a star", "--out", "a.png", "--json")
    document = json.loads(done.stdout)
    assert document["steps"][0]["granted"]["width"] == 64
    assert document["saved"] == ["a.png"]
    assert "a.png" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "Turn it green"), "missing_input", "something is missing"),
        (("run", "a star", "--out", "a.jpg"), "failed", "JPEG changes"),
        (("plan", "a star", "--media", str(Path(__file__))), "media", "text"),
    ],
)
def test_with_json_an_error_is_json_too(
    command: Commands, arguments: tuple[str, ...], code: str, words: str
) -> None:
    done = command({"needs_input": "source"}, *arguments, "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.exit_code, error["code"]) == (1, code)
    assert words in error["message"]
    assert error["message"] in done.stderr.replace("\n", " ")


def test_media_are_attached_in_order(command: Commands, tmp_path: Path) -> None:
    plan = {"task": "image_editing", "source": "image_1", "target": "star"}
    done = command(plan, "run", "Turn the star green", "--media", str(STAR))
    assert done.exit_code == 0
    assert "source image_1, target star" in done.stdout
    assert names(tmp_path) == {"image-editing.png"}


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("there.png", "exists"),
        ("folder", "suffix"),
        ("absent/a.png", "does not exist"),
        ("a.jpg", "JPEG changes"),
        ("a.bmp", "'.bmp' is not written"),
    ],
)
def test_a_name_that_cannot_be_written_is_found_before_loading(
    command: Commands, tmp_path: Path, out: str, message: str
) -> None:
    (tmp_path / "there.png").write_bytes(b"precious")
    (tmp_path / "folder").mkdir()
    done = command(IMAGE, "run", "a star", "--out", out)
    assert done.exit_code == 1
    assert message in done.stderr
    assert command.opened == 0
    assert (tmp_path / "there.png").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("plan", "out", "expected"),
    [(IMAGE, "a.mp4", ".png, .webp"), (CLIP, "a.png", ".mp4, .gif"), (ANSWER, "a.png", ".txt")],
)
def test_a_name_that_does_not_fit_is_found_before_running(
    command: Commands, plan: Fields, out: str, expected: str
) -> None:
    done = command(plan, "run", "5 x", "--out", out)
    assert done.exit_code == 1
    assert expected in done.stderr
    assert command.adapter.calls == []


def test_overwrite_replaces(command: Commands, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    assert command(IMAGE, "run", "a star", "--out", "a.png", "--overwrite").exit_code == 0
    assert open_medium(tmp_path / "a.png").kind == "image"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_closed_folder_is_named(command: Commands, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    done = command(IMAGE, "run", "a star", "--out", "closed/a.png")
    assert done.exit_code == 1
    assert "not writable" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "empty"), (b"only words, no picture\n", "text")]
)
def test_what_is_no_picture_is_one_message(
    command: Commands, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "a.png").write_bytes(content)
    done = command(IMAGE, "run", "a star", "--media", "a.png")
    assert done.exit_code == 1
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_what_is_missing_is_asked_for(command: Commands) -> None:
    done = command({"needs_input": "source"}, "run", "Turn it green")
    assert done.exit_code == 1
    assert "Please attach it" in done.stderr


@pytest.mark.parametrize("error", [KeyboardInterrupt, lambda: RunCancelledError("stopped")])
def test_cancelled_is_exit_code_130(
    command: Commands,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Callable[[], BaseException],
) -> None:
    def stop(*_: object) -> None:
        raise error()

    monkeypatch.setattr(command.adapter, "run", stop)
    done = command(IMAGE, "run", "a star", "--out", "a.png")
    assert done.exit_code == 130
    assert "cancelled" in done.stderr
    assert names(tmp_path) == set()


# --- plan ----------------------------------------------------------------------------------------


def test_plan_runs_nothing(command: Commands) -> None:
    done = command({**CLIP, "seed": 3}, "plan", "a clip of five frames, seed 3")
    assert done.exit_code == 0
    assert "text_to_video  seed 3, num frames 5" in done.stdout
    assert command.adapter.calls == []


def test_plan_as_json_holds_stated_values_only(command: Commands) -> None:
    plan = {"task": "image_to_video", "first_frame": "image_1"}
    done = command(plan, "plan", "move it", "--kinds", "image, video", "--json")
    assert json.loads(done.stdout)["steps"] == [{**plan, "prompt": "move it"}]
    kinds = json.loads(done.stdout)["request"]["attachments"]
    assert [attachment["handle"] for attachment in kinds] == ["image_1", "video_1"]
    assert MediaSet.of_kinds("image", "video").handles == ("image_1", "video_1")


def test_plan_says_what_is_missing(command: Commands) -> None:
    done = command({"needs_input": "control"}, "plan", "follow this outline")
    assert done.exit_code == 0
    assert "missing control" in done.stdout


# --- Ctrl-C, for real ----------------------------------------------------------------------------

INTERRUPTED = """
import signal, sys, time
from pathlib import Path

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started us may ignore it

from unison_agent import testing, testing_wan
from unison_agent.adapters.video import WanVaceAdapter
from unison_agent.agent import Unison
from unison_agent.cli import main, opening
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Calibration, Planner
from unison_agent.router import AdapterTool, Router


class Tiny:
    def run(self, call, granted, media, conditioning, progress):
        def slowly(event):
            progress(event)
            if event.stage == "denoise" and event.done == 2:
                Path("started").touch()
            time.sleep(0.05)

        adapter = WanVaceAdapter(testing_wan.tiny_pipeline(), None)
        return adapter.run(call, granted, media, testing_wan.tiny_conditioning(), slowly)


def scripted(profile, progress, tools=(), also=()):
    writer = testing.ScriptedWriter({"task": "text_to_video", "steps": 50})
    spec = next(spec for spec in load_pack(profile).tools if spec.adapter == "video")
    return Unison(Planner(writer), Router([AdapterTool(spec, Tiny())], profile=profile))


opening.open_unison = scripted
sys.argv = ["unison-agent", "run", "a circle, 50 steps", "--out", "out.mp4"]
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_in_the_middle_of_a_video_leaves_no_file(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    deadline = time.monotonic() + 200
    while not (tmp_path / "started").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "cancelled" in errors
    assert "Traceback" not in errors
    assert names(tmp_path) == {"started"}


STAR_THEN_CLIP: Fields = {
    **IMAGE,
    "then": {"task": "image_to_video", "first_frame": "step_1", "num_frames": 5},
}


def test_what_was_only_a_step_on_the_way_is_not_what_was_asked_for(
    command: Commands, tmp_path: Path
) -> None:
    text = "Draw a star, then make a clip of 5 frames"
    for more in ((), ("--dry-run",)):
        done = command(STAR_THEN_CLIP, "run", text, "--out", "both.png", *more)
        assert done.exit_code == 1
        assert "does not fit text_to_image and image_to_video: expected .mp4, .gif" in done.stderr
    assert command(STAR_THEN_CLIP, "run", text, "--out", "both.gif").exit_code == 0
    assert names(tmp_path) == {"both.gif"}


def test_what_a_file_does_not_hold_is_told(command: Commands, tmp_path: Path) -> None:
    plan = {**IMAGE, "then": {"task": "image_understanding"}}
    done = command(plan, "run", "Draw a star, then describe it", "--out", "said.txt")
    assert done.exit_code == 0
    assert "not saved: image of step_1; without --out all is saved." in done.stdout
    assert names(tmp_path) == {"said.txt"}


def test_each_of_several_files_in_the_way_is_told_before_the_work(
    command: Commands, tmp_path: Path
) -> None:
    (tmp_path / "stars-2.png").touch()
    done = command({**IMAGE, "num_outputs": 2}, "run", "two stars", "--out", "stars.png")
    assert done.exit_code == 1
    assert "stars-2.png exists" in done.stderr
    assert command.adapter.calls == []


def test_a_name_that_no_disk_takes_is_one_message(command: Commands) -> None:
    done = command(IMAGE, "run", "a star", "--out", f"{'a' * 300}.png")
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr


def test_with_nobody_to_ask_the_error_is_json_too(command: Commands) -> None:
    plan = {**IMAGE, "width": 640}
    done = command(plan, "run", "640 wide", "--mode", "ask", "--json", answer="")
    assert done.exit_code == 1
    assert "width 64 instead of 640" in json.loads(done.stdout)["error"]["message"]


def test_an_unknown_tool_is_an_error_of_a_plan_too(command: Commands) -> None:
    for more in (("--json",), ("--kinds", "image")):
        done = command(IMAGE, "plan", "a star", "--use", "dall-e", *more)
        assert done.exit_code == 1
        assert "There is no tool or pack named 'dall-e'." in done.stderr


def test_colons_in_a_name_stay(command: Commands) -> None:
    done = command(IMAGE, "run", "a star", "--out", ":star:.png")
    assert "saved :star:.png" in done.stdout


def test_any_letters_go_through_a_pipe_that_takes_few(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    program = [sys.executable, "-m", "unison_agent"]
    call = [*program, "call", "text_to_image", "{}", "--out", "画/a.png", "--json"]
    done = subprocess.run(
        call, capture_output=True, env=environment, cwd=tmp_path, timeout=120, check=False
    )
    assert done.returncode == 1
    assert "画 does not exist" in json.loads(done.stdout.decode())["error"]["message"]
