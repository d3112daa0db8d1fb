"""Every code block of docs/integrations.md, run in order on an agent whose pictures are flat."""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import pytest
from echoing import echo_agent
from haystack import component
from haystack.components.agents import Agent as HaystackAgent
from haystack.dataclasses import ChatMessage
from langchain_core.tools import StructuredTool
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms.mock import MockFunctionCallingLLM
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel
from smolagents import CodeAgent, Model
from starlette.applications import Starlette
from typer.testing import CliRunner

from unison_agent.agent import Unison
from unison_agent.cli.app import app
from unison_agent.custom.tool import CustomTool
from unison_agent.integrations.mcp import UnisonServer
from unison_agent.integrations.mcp_http import Access

PAGE = Path(__file__).parents[1] / "docs" / "integrations.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@component
class Generator:
    """Says nothing."""

    @component.output_types(replies=list[ChatMessage])
    def run(self, messages: list[ChatMessage], tools: object = None) -> dict[str, object]:
        del messages, tools
        return {"replies": []}


@pytest.fixture(scope="module")
def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


# Workflows of LlamaIndex look at every attribute of an agent, deprecated ones too.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
def test_the_programs_run(
    blocks: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    shutil.copy(Path(__file__).parent / "foreign_server.py", tmp_path / "their_server.py")
    unison = echo_agent()

    lent: list[str] = []

    def opened(profile: str, tools: Sequence[CustomTool] = ()) -> Unison:
        del profile
        lent.extend(tool.name for tool in tools)
        return unison

    monkeypatch.setattr(Unison, "from_pretrained", opened)
    names: dict[str, object] = {"__name__": "page"}
    models = {
        "smolagents": Model(model_id="none"),
        "pydantic_ai": TestModel(),
        "haystack": Generator(),
        "llama_index": MockFunctionCallingLLM(),
    }
    made: dict[str, object] = {}
    for code in (code for kind, code in blocks if kind == "python"):
        if "import Agent\nfrom unison_agent.integrations.openai" in code and not find_spec(
            "agents"
        ):
            continue  # the rest of the page stands without it
        names["model"] = next((m for word, m in models.items() if word in code), None)
        exec(compile(code, str(PAGE), "exec"), names)
        of = re.findall(r"unison_agent\.integrations\.(\w+) import", code) or [""]
        made[of[-1]] = names[re.findall(r"^ *(\w+) = ", code, re.MULTILINE)[-1]]
    assert isinstance(made["mcp_http"], Starlette)
    assert isinstance(made["pydantic_ai"], Agent)
    assert isinstance(made["langchain"], list)
    assert {type(tool) for tool in cast("list[object]", made["langchain"])} == {StructuredTool}
    assert isinstance(made["smolagents"], CodeAgent)
    assert "text_to_image" in made["smolagents"].tools
    assert isinstance(made["haystack"], HaystackAgent)
    assert isinstance(made["llama_index"], FunctionAgent)
    assert len(cast("list[object]", made["llama_index"].tools)) == 12
    assert made["mcp_client"] is unison
    joined = cast("Unison", names["agent"])
    assert "odd_jobs_text_to_image" in [tool.name for tool in joined.custom_tools()]
    assert "odd_jobs_text_to_image" in lent
    assert ("openai_agents" in made) == (find_spec("agents") is not None)


def test_the_commands_serve(blocks: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[object] = []

    async def over_http(server: UnisonServer, access: Access, port: int) -> None:
        assert port == 8000
        served.append((server.name, access.host, access.token))

    async def over_stdio(server: UnisonServer, opening: object = None) -> None:
        del opening  # read from the descriptors of the process, which a test does not have
        served.append(server.name)

    monkeypatch.setattr("unison_agent.integrations.mcp_http.serve_http", over_http)
    monkeypatch.setattr("unison_agent.integrations.mcp.serve_stdio", over_stdio)
    monkeypatch.setenv("UNISON_TOKEN", "secret")
    (config,) = (json.loads(code) for kind, code in blocks if kind == "json")
    started = config["mcpServers"]["unison"]
    lines = [shlex.join([started["command"], *started["args"]])]
    lines += [line for kind, code in blocks if kind == "bash" for line in code.splitlines()]
    for line in lines:
        command, *options = shlex.split(line)
        assert command == "unison-agent"
        done = CliRunner().invoke(app, options)
        assert done.exit_code == 0, done.output
    assert served == [
        "unison-agent",
        ("unison-agent", "127.0.0.1", None),
        ("unison-agent", "0.0.0.0", "secret"),
    ]
