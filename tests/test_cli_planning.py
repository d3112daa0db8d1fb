"""The commands that plan files and measure planning, on planners that are scripted."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from unison_agent._resources import data
from unison_agent.cli.app import app
from unison_agent.custom.tool import CustomTool
from unison_agent.decoding import Turn, Written
from unison_agent.evaluation.planning_cases import read_cases
from unison_agent.evaluation.planning_run import Recorder
from unison_agent.planning.planner import Calibration, Planner
from unison_agent.progress import Progress
from unison_agent.tasks import TASK_CALL, CustomCall, Plan, Request

Planning = Callable[[Request], Plan]
EXAMPLES = Path(__file__).parents[1] / "examples"
SHIPPED = Path(__file__).parents[1] / "unison_agent" / "evaluation" / "tool_requests.jsonl"


class Scripted:
    """A planner by a function; how it wrote its plans is not known."""

    def __init__(self, plan: Planning) -> None:
        self.plan = plan


def invoke(
    monkeypatch: pytest.MonkeyPatch, plan: Planning, *arguments: str, typed: str | None = None
) -> Result:
    def opened(
        profile: str, progress: Progress, tools: Sequence[CustomTool] = ()
    ) -> tuple[Scripted, None]:
        del profile, progress, tools
        return Scripted(plan), None

    monkeypatch.setattr("unison_agent.cli.opening.open_planner", opened)
    return CliRunner().invoke(app, list(arguments), input=typed, env={"COLUMNS": "140"})


def test_evaluate_tools_takes_tools_of_one_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def plan(request: Request) -> Plan:
        if request.text.endswith("thanks"):
            return draws(request)
        return Plan(request=request, steps=(CustomCall(tool="soften", arguments={}),))

    place = f"{EXAMPLES / 'my_tools.py'}:ALL"
    arguments = ("evaluate", "tools", "nano", "--tool", place, "--cases", "12", "--json")
    told = json.loads(invoke(monkeypatch, plan, *arguments).stdout)
    reached = {row["name"]: row for row in told["bindings"]}
    assert [reached[name]["reachable"] for name in ("crop", "weather", "soften")] == [
        False,
        False,
        True,
    ]
    assert reached["soften"]["taken_for"] == {"text_to_image": 1}
    assert reached["text_to_image"]["taken_for"] == {"soften": 12}


def draws(request: Request) -> Plan:
    call = TASK_CALL.validate_python({"task": "text_to_image", "prompt": request.text})
    return Plan(request=request, steps=(call,), confidence=0.9)


def as_shipped(request: Request) -> Plan:
    (step,) = next(case.steps for case in read_cases([SHIPPED]) if case.request == request)
    words = "question" if step.task.endswith("_understanding") else "prompt"
    call = TASK_CALL.validate_python({"task": step.task, words: request.text, **step.fields})
    return Plan(request=request, steps=(call,), confidence=0.9)


def jsonl(path: Path, *entries: object) -> Path:
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries), encoding="utf-8")
    return path


def test_a_file_of_requests_is_planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = jsonl(tmp_path / "in.jsonl", {"id": "a", "request": "a star", "media": []})
    target = tmp_path / "out.jsonl"
    target.write_text("older", encoding="utf-8")
    done = invoke(monkeypatch, draws, "plan", "--batch", str(source), "--out", str(target))
    assert done.exit_code == 0, done.output
    assert json.loads(target.read_text(encoding="utf-8")) == {
        "id": "a",
        "task": "text_to_image",
        "fields": {},
    }
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", "out.jsonl"}


def test_a_line_that_fails_is_told_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = [{"id": 1, "request": " "}, {"id": 2, "request": "a star"}]
    source, target = jsonl(tmp_path / "in.jsonl", *lines), tmp_path / "out.jsonl"
    done = invoke(monkeypatch, draws, "plan", "--batch", str(source), "--out", str(target))
    assert done.exit_code == 1
    assert "1 of 2 lines" in done.stderr
    first, second = map(json.loads, target.read_text(encoding="utf-8").splitlines())
    assert first["id"] == 1
    assert "no words" in first["error"]
    assert second["task"] == "text_to_image"


def test_a_batch_from_standard_input_tells_its_outcome_as_json(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    typed = '{"id": 1, "request": " "}\n{"id": 2, "request": "a star"}\n'
    target = tmp_path / "out.jsonl"
    arguments = ("plan", "--batch", "-", "--out", str(target), "--json")
    done = invoke(monkeypatch, draws, *arguments, typed=typed)
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {"saved": str(target), "lines": 2, "failed": 1}
    assert len(target.read_text(encoding="utf-8").splitlines()) == 2


def test_the_requests_are_never_written_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = jsonl(tmp_path / "in.jsonl", {"id": 1, "request": "a star"})
    done = invoke(monkeypatch, draws, "plan", "--batch", str(source), "--out", str(source))
    assert done.exit_code == 1
    assert "file of the requests" in done.stderr
    nowhere = str(tmp_path / "absent" / "out.jsonl")
    done = invoke(monkeypatch, draws, "plan", "--batch", str(source), "--out", nowhere)
    assert done.exit_code == 1
    assert "does not exist" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a star", "--out", "x.jsonl"],
        ["--batch", __file__],
        ["a star", "--batch", __file__, "--out", "x.jsonl"],
        ["--batch", __file__, "--out", "x.jsonl", "--kinds", "image"],
        ["--batch", "absent.jsonl", "--out", "x.jsonl"],
    ],
)
def test_a_batch_and_a_request_exclude_each_other(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    assert invoke(monkeypatch, draws, "plan", *arguments).exit_code == 2


def test_evaluate_planning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "b.jsonl",
        {"request": "a star", "media": [], "call": {"task": "text_to_image"}},
        {"request": "a clip", "media": [], "call": {"task": "text_to_video"}, "slice": "terse"},
    )
    done = invoke(monkeypatch, draws, "evaluate", "planning", str(path), "--mistakes", "1")
    assert done.exit_code == 0, done.output
    for words in ("50.0", "text_to_image 1", "b: terse", "b.jsonl:2", "wanted"):
        assert words in done.stdout
    told = invoke(monkeypatch, draws, "evaluate", "planning", str(path), "--json", "--limit", "1")
    figures = json.loads(told.stdout)
    assert figures["profile"] == "nano"
    assert (figures["total"]["requests"], figures["total"]["exact"]) == (1, 1.0)


@pytest.mark.parametrize("command", ["planning", "calibration"])
def test_of_no_requests_there_are_no_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text("\n", encoding="utf-8")
    done = invoke(monkeypatch, draws, "evaluate", command, str(path))
    assert done.exit_code == 1
    assert "no request in" in done.stderr
    assert done.stdout == ""


def test_evaluate_planning_names_a_wrong_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = jsonl(tmp_path / "b.jsonl", {"request": "a star"})
    done = invoke(monkeypatch, draws, "evaluate", "planning", str(path))
    assert done.exit_code == 1
    assert "b.jsonl:1" in done.stderr


def test_evaluate_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["evaluate", "tools", "nano", str(SHIPPED), "--cases", "2"]
    done = invoke(monkeypatch, as_shipped, *arguments)
    assert done.exit_code == 0, done.output
    assert "video_reference_generation" in done.stdout
    told = json.loads(invoke(monkeypatch, as_shipped, *arguments, "--json").stdout)
    assert told["reachable"]
    assert {row["chosen"] for row in told["bindings"]} == {2}


def test_tools_out_of_reach_are_told_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nano = data("tools").joinpath("nano.toml").read_text(encoding="utf-8")
    pack = tmp_path / "mine.toml"
    pack.write_text(nano.replace('  "text_to_image",\n', ""), encoding="utf-8")
    done = invoke(monkeypatch, draws, "evaluate", "tools", str(pack), "--cases", "1")
    assert done.exit_code == 1
    assert "nano-video as image_editing" in done.stderr
    assert "text_to_image 1 (no tool)" in done.stdout


def test_evaluate_calibration_without_a_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    done = invoke(monkeypatch, draws, "evaluate", "calibration", str(SHIPPED))
    assert done.exit_code == 1
    assert "at least 20 plans" in done.stderr


class Doubting:
    """Draws every request, surely what has no media, and one time in five for no reason."""

    def write(
        self, prompt: str, grammar: str, *, copy_from: str = "", max_new_tokens: int
    ) -> Written:
        del grammar, max_new_tokens
        sure = "attachments: none" in prompt or len(copy_from) % 5 == 0
        return Written('{"task":"text_to_image"}', (1,), 3, 0.9 if sure else 0.2)

    def write_batch(self, turns: Sequence[Turn], *, max_new_tokens: int) -> list[Written]:
        raise NotImplementedError


def test_evaluate_calibration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def opened(profile: str, progress: Progress) -> tuple[Planner, Recorder]:
        del profile, progress
        recorder = Recorder(Doubting())
        return Planner(recorder), recorder

    monkeypatch.setattr("unison_agent.cli.opening.open_planner", opened)
    out = tmp_path / "calibration.json"
    arguments = ["evaluate", "calibration", str(SHIPPED), "--out", str(out)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "from 24 plans" in done.stdout
    told = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert (told["fitted"], told["tested"]) == (24, 24)
    assert told["error_after"] < told["error_before"]
    assert Calibration.load(out) == Calibration.model_validate(told["calibration"])
