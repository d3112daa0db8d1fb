from pathlib import Path

import pytest

from unison_agent.custom.finding import find_tools
from unison_agent.errors import ToolError

EXAMPLE = Path(__file__).parents[1] / "examples" / "my_tools.py"


def test_a_place_holds_one_tool_or_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [tool.name for tool in find_tools([f"{EXAMPLE}:CROP"])] == ["crop"]
    assert [t.name for t in find_tools([f"{EXAMPLE}:ALL"])] == ["crop", "weather", "soften"]
    (tmp_path / "tools_of_mine.py").write_text(EXAMPLE.read_text("utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert [tool.name for tool in find_tools(["tools_of_mine:CROP"])] == ["crop"]


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("crop", "'crop' names no tool"),
        (":CROP", "':CROP' names no tool"),
        (f"{EXAMPLE}:Crop and more", "names no tool"),
        (f"{EXAMPLE}:NOTHING", "is NoneType, expected what custom_tool"),
        (f"{EXAMPLE}:Crop", "expected what custom_tool"),
        ("no_such_module_here:X", "ModuleNotFoundError"),
        ("no_such_file.py:X", "There is no file no_such_file.py"),
        ("no.such.package:X", "ModuleNotFoundError"),
    ],
)
def test_what_is_no_tool_is_refused_with_its_place(place: str, why: str) -> None:
    with pytest.raises(ToolError, match=why):
        find_tools([place])


def test_a_module_that_fails_is_an_error_of_the_tool(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('no GPU')", encoding="utf-8")
    with pytest.raises(ToolError, match=r"broken\.py cannot be imported: RuntimeError: no GPU"):
        find_tools([f"{tmp_path / 'broken.py'}:X"])


def test_the_same_tool_twice_is_refused() -> None:
    with pytest.raises(ToolError, match="Two tools are named crop"):
        find_tools([f"{EXAMPLE}:CROP", f"{EXAMPLE}:ALL"])
