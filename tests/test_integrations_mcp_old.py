"""What is said where the MCP SDK is of the major before ours; run by `nox -s old`, whose environment has it."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest


def _major() -> int:
    try:
        return int(version("mcp").split(".")[0])
    except PackageNotFoundError:
        return 0


pytestmark = pytest.mark.skipif(_major() != 1, reason="needs mcp 1")


@pytest.mark.parametrize("name", ["mcp", "mcp_client"])
def test_the_extra_that_brings_the_new_one_is_named(name: str) -> None:
    code = f"import unison_agent.integrations.{name}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, encoding="utf-8"
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("unison_agent.errors.MissingDependencyError")
    assert "pip install 'unison-agent[mcp]'" in last


def test_the_command_leaves_with_one_message() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unison_agent", "mcp"],
        input="",
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'unison-agent[mcp]'" in done.stderr
    assert "Traceback" not in done.stderr
