"""The code of README.md and of every page in docs/: Python runs page by page on nano, commands are parsed.

A block that cannot run here says why in a comment on the line before, ``<!-- not run: needs a GPU -->``, and is
only compiled. What a page takes as given, such as the message of another model, is in `given`.
docs/integrations.md has a test of its own, which plays the frameworks' models.
"""

import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

import unison_agent
from unison_agent.cli.app import app
from unison_agent.file_specs import Pin
from unison_agent.model_specs import ConnectorSpec, LoraSpec, PipelineSpec, UnderstandingSpec
from unison_agent.opening import load_understanding
from unison_agent.packs import load_pack, parse_pack
from unison_agent.pipeline_specs import (
    ClipPipelineSpec,
    ControlNetSpec,
    ImagePipelineSpec,
    IpAdapterSpec,
)
from unison_agent.pipelines import PipelineStore
from unison_agent.progress import Progress, silent
from unison_agent.specs import Defaults, Domain, Limits, Pack, PreprocessSpec, ToolSpec
from unison_agent.speed_specs import MemorySpec, SpeedSpec

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN_ELSEWHERE = ("integrations.md",)
FENCE = re.compile(
    r"(?:^<!-- not run: (?P<why>.+?) -->\n)?^```(?P<kind>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block, and the line of the page on which its code starts."""

    page: Path
    line: int
    kind: str
    code: str
    why_not_run: str | None

    def __str__(self) -> str:
        why = "" if self.why_not_run is None else f" ({self.why_not_run})"
        return f"{self.page.name}:{self.line}{why}"

    def compiled(self) -> object:
        """Return the code such that a traceback tells the line of the page."""
        return compile("\n" * (self.line - 1) + self.code, str(self.page), "exec")


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start("code")) + 1
        yield Block(page, line, found["kind"], found["code"], found["why"])


ALL = [block for page in PAGES for block in blocks(page)]
PYTHON = [block for block in ALL if block.kind == "python"]
LINES = [
    pytest.param(line, id=f"{block}: {line}")
    for block in ALL
    if block.kind == "bash"
    for line in block.code.replace("\\\n", "").splitlines()
    if line.startswith("unison-agent ")
]


def given(page: str) -> dict[str, object]:
    """Return the names that a page takes as given."""
    match page:
        case "README.md":
            call = {"name": "text_to_image", "arguments": '{"prompt": "a red star"}'}
            message = {
                "role": "assistant",
                "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
            }
            reply = SimpleNamespace(choices=[SimpleNamespace(message=message)])
            return {"messages": [], "reply": reply}
        case _:
            return {}


@pytest.fixture
def nano_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every agent of nano have the same models, loaded by the first."""
    monkeypatch.setattr("unison_agent.open_packs.load_understanding", _understanding)
    monkeypatch.setattr("unison_agent.open_packs.PipelineStore", _pipelines)


@cache
def _shared_pipelines() -> PipelineStore:
    return PipelineStore()


def _pipelines(**settings: object) -> PipelineStore:
    del settings  # a device that there is, and a budget that is not stated
    return _shared_pipelines()


@cache
def _nano() -> object:
    return load_understanding(load_pack("nano").understanding, silent)


def _understanding(spec: UnderstandingSpec, progress: Progress, **settings: object) -> object:
    del progress, settings  # of models that a hub has
    assert spec.source == "nano", "a page that needs other models says that it is not run"
    return _nano()


@pytest.mark.usefixtures("nano_loaded_once")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in RUN_ELSEWHERE], ids=lambda page: page.name
)
def test_the_python_of_a_page_runs(
    page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")  # clients are made with it, and never asked
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    names: dict[str, object] = {"__name__": "page", **given(page.name)}
    for block in PYTHON:
        if block.page == page and block.why_not_run is None:
            exec(block.compiled(), names)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("block", [block for block in PYTHON if block.why_not_run], ids=str)
def test_what_cannot_run_here_compiles(block: Block) -> None:
    assert block.compiled()


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_is_understood(line: str) -> None:
    _, *arguments = shlex.split(line, comments=True)
    # All is parsed, so that an option that there is not is an error, and nothing is run.
    shown = CliRunner().invoke(app, [*arguments, "--help"])
    assert shown.exit_code == 0, shown.output


@pytest.mark.parametrize("block", [block for block in ALL if block.kind == "toml"], ids=str)
def test_a_pack_of_a_page_is_one(block: Block) -> None:
    if "profile" in tomllib.loads(block.code):
        assert parse_pack(block.code, file=str(block)).tools


@pytest.mark.parametrize(
    ("table", "model"),
    [
        ("the pack", Pack),
        ("understanding", UnderstandingSpec),
        ("understanding.planner_lora", LoraSpec),
        ("pins", Pin),
        ("tools", ToolSpec),
        ("tools.pipeline", PipelineSpec),
        ("tools.pipeline.memory", MemorySpec),
        ("tools.pipeline.speed", SpeedSpec),
        ("tools.connector", ConnectorSpec),
        ("tools.image_pipeline", ImagePipelineSpec),
        ("tools.image_pipeline.controlnets", ControlNetSpec),
        ("tools.image_pipeline.ip_adapter", IpAdapterSpec),
        ("tools.clip_pipeline", ClipPipelineSpec),
        ("tools.defaults", Defaults),
        ("tools.limits", Limits),
        ("tools.preprocess", PreprocessSpec),
        ("tools.domain", Domain),
    ],
)
def test_every_key_of_a_pack_is_told(table: str, model: type[BaseModel]) -> None:
    text = (ROOT / "docs" / "packs.md").read_text(encoding="utf-8")
    _, _, after = text.partition(f"### {table}\n")
    told, _, _ = after.partition("\n#")
    keys = {
        key
        for row in re.findall(r"^\| (`.+?`) \|", told, re.M)
        for key in re.findall(r"`(\w+)`", row)
    }
    assert keys == set(model.model_fields)


def test_every_public_name_has_its_place_in_the_reference() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    # All errors are drawn from their module.
    public = [name for name in unison_agent.__all__ if name[0] != "_" and name[-5:] != "Error"]
    assert [name for name in public if not re.search(rf"\b{name}\b", page)] == []
