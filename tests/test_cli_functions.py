import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import PIL.Image
import pytest
from typer.testing import CliRunner
from typer.testing import Result as Invoked

from unison_agent.agent import Unison
from unison_agent.cli.app import app
from unison_agent.custom.finding import find_tools
from unison_agent.functions import functions, in_format
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.progress import Progress
from unison_agent.router import AdapterTool, Router
from unison_agent.tasks import TASKS
from unison_agent.testing import EchoAdapter, ScriptedWriter

MY_TOOLS = Path(__file__).parents[1] / "examples" / "my_tools.py"
STAR = Path(__file__).parents[1] / "examples" / "star.png"
DRAW = '{"prompt": "a red star", "width": null}'


class Commands:
    """Runs commands on an agent whose pictures are flat."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str, given: str | None = None) -> Invoked:
        def scripted(
            profile: str, progress: Progress, places: Sequence[str] = (), also: Sequence[str] = ()
        ) -> Unison:
            pack, own = load_pack(profile), find_tools(places)
            tools = [AdapterTool(spec, EchoAdapter()) for spec in pack.tools]
            others = {
                name: [AdapterTool(spec, EchoAdapter()) for spec in load_pack(name).tools[1:]]
                for name in also
            }
            plan: Mapping[str, object] = {"task": "text_to_image"}
            planner = Planner(ScriptedWriter(plan), tools=own)
            router = Router(tools, custom=own, profile=profile, also=others)
            return Unison(planner, router, progress=progress)

        self._monkeypatch.setattr("unison_agent.cli.opening.open_unison", scripted)
        return CliRunner().invoke(app, list(arguments), input=given, env={"COLUMNS": "120"})


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    monkeypatch.chdir(tmp_path)
    return Commands(monkeypatch)


@pytest.mark.parametrize("format", ["openai", "openai_responses", "anthropic", "gemini", "mcp"])
def test_tools_are_listed_as_an_api_takes_them(command: Commands, format: str) -> None:
    done = command("tools", "--format", format)
    assert done.exit_code == 0
    ours = functions(load_pack("nano").tools)
    assert json.loads(done.stdout) == [in_format(one, format) for one in ours]  # pyright: ignore[reportArgumentType]


def test_tools_of_one_s_own_and_the_whole_agent_are_listed(command: Commands) -> None:
    both = command(
        "tools", "--format", "json_schema", "--granularity", "both", "--tool", f"{MY_TOOLS}:ALL"
    )
    names = [tool["title"] for tool in json.loads(both.stdout)]
    assert names[: len(TASKS) + 1] == ["unison", *TASKS]
    assert len(names) > len(TASKS) + 1


def test_tools_of_other_packs_are_listed_beside_the_profile_s(command: Commands) -> None:
    listed = command("tools", "--also", "sdxl")
    assert listed.exit_code == 0
    assert "nano-video" in listed.stdout
    assert "512-1536 x" in listed.stdout
    packs = json.loads(command("tools", "--also", "sdxl", "--json").stdout)
    assert [pack["profile"] for pack in packs] == ["nano", "sdxl"]
    done = command("tools", "--also", "sdxl", "--format", "mcp")
    (draw,) = [one for one in json.loads(done.stdout) if one["name"] == "text_to_image"]
    width = draw["inputSchema"]["properties"]["width"]["description"]
    assert width == "Pixels. Possible here: 64 or 512 to 1536 in steps of 8."
    twice = command("tools", "--also", "nano")
    assert (twice.exit_code, twice.stdout) == (1, "")
    assert "two packs are named 'nano'" in twice.stderr


def test_a_call_may_be_given_to_a_tool_of_another_pack(command: Commands) -> None:
    large = '{"prompt": "x", "width": 1024, "height": 1024}'
    both = ("call", "text_to_image", large, "--also", "sdxl", "--json", "--overwrite")
    assert json.loads(command(*both).stdout)["artifacts"][0]["width"] == 1024
    named = json.loads(command(*both, "--use", "nano").stdout)
    assert named["artifacts"][0]["width"] == 64
    wrong = command(*both, "--use", "dall-e")
    assert wrong.exit_code == 1
    assert "dall-e" in json.loads(wrong.stdout)["error"]["message"]


@pytest.mark.parametrize("option", [("--format", "yaml"), ("--granularity", "few")])
def test_an_unknown_format_is_a_wrong_usage(command: Commands, option: tuple[str, str]) -> None:
    assert command("tools", *option).exit_code == 2


def test_a_call_writes_what_it_made(command: Commands, tmp_path: Path) -> None:
    done = command("call", "text_to_image", DRAW, "--out", "star.png")
    assert done.exit_code == 0, done.output
    assert "saved star.png" in done.stdout
    with PIL.Image.open(tmp_path / "star.png") as picture:
        assert picture.size == (64, 64)
    again = command("call", "text_to_image", DRAW, "--out", "star.png")
    assert again.exit_code == 1
    assert "exists" in again.stderr


def test_a_call_reads_standard_input_and_tells_json(command: Commands) -> None:
    done = command("call", "text_to_image", "-", "--json", given='{"prompt": "x", "steps": 99}')
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report["ok"] is True
    assert report["adjustments"][0]["granted"] == 50
    assert report["artifacts"][0]["handle"].startswith("image-")
    assert report["saved"] == ["text-to-image.png"]
    assert "saved text-to-image.png" in done.stderr


def test_a_call_answers_about_what_is_attached(command: Commands) -> None:
    asked = '{"question": "what is it?"}'
    done = command("call", "image_understanding", asked, "-m", str(STAR), "--quiet")
    assert (done.exit_code, done.stdout) == (0, "what is it?\n")
    named = json.dumps({"question": "what is it?", "media": [str(STAR)]})
    assert command("call", "image_understanding", named).exit_code == 1
    allowed = command("call", "image_understanding", named, "--root", str(STAR.parent))
    assert "what is it?" in allowed.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("text_to_imag", "{}"), "no tool"),
        (("text_to_image", "{"), "no JSON"),
        (("text_to_image", '{"promt": "x"}'), "takes no argument"),
        (("text_to_image",), "needs prompt"),
    ],
)
def test_a_wrong_call_is_told_in_words_and_in_json(
    command: Commands, arguments: tuple[str, ...], words: str
) -> None:
    said = command("call", *arguments)
    assert (said.exit_code, said.stdout) == (1, "")
    assert f"error: {words}" in said.stderr or words in said.stderr
    told = command("call", *arguments, "--json")
    assert told.exit_code == 1
    error = json.loads(told.stdout)["error"]
    assert error["code"] == "invalid_call"
    assert words in error["message"]
    assert told.stderr == ""


def test_debug_shows_where_an_error_came_from(command: Commands) -> None:
    done = command("call", "text_to_image", "{", "--debug")
    assert done.exit_code == 1
    assert "Traceback" in done.stderr


def test_tools_of_ones_own_are_listed_beside_those_of_packs(command: Commands) -> None:
    own = f"{MY_TOOLS}:ALL"
    told = command("tools", "--tool", own)
    assert told.exit_code == 0
    assert "your own" in told.stdout
    listed = json.loads(command("tools", "--tool", own, "--json").stdout)
    names = [one["name"] for one in listed["custom_tools"]]
    assert len(names) == 3
    assert all(name in told.stdout for name in names)
    assert listed["packs"][0]["profile"] == "nano"
    assert command("tools", "--tool", "nowhere.py:ALL").exit_code == 1


def test_a_call_whose_task_makes_something_else_is_refused_at_once(command: Commands) -> None:
    done = command("call", "text_to_image", DRAW, "--out", "star.mp4")
    assert done.exit_code == 1
    assert "star.mp4 does not fit text_to_image: expected .png, .webp." in done.stderr
