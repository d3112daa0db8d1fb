"""Every code block of docs/function_calling.md, run in order on the nano profile."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unison_agent.agent import Unison
from unison_agent.cli.app import app
from unison_agent.progress import Progress

PAGE = Path(__file__).parents[1] / "docs" / "function_calling.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_block_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert {kind for kind, _ in blocks} == {"python", "bash"}
    names: dict[str, object] = {"__name__": "page"}
    for kind, code in blocks:
        if kind == "python":
            exec(compile(code, str(PAGE), "exec"), names)
            continue
        unison = names["unison"]
        assert isinstance(unison, Unison)

        def opened(
            profile: str, progress: Progress, tools: Sequence[str] = (), also: Sequence[str] = ()
        ) -> object:
            del profile, progress, tools
            return names["unison"]  # its models are loaded already

        monkeypatch.setattr("unison_agent.cli.app.open_unison", opened)
        for line in code.splitlines():
            done = CliRunner().invoke(app, shlex.split(line)[1:])
            assert done.exit_code == 0, done.output
    assert (tmp_path / "star.png").is_file()
