"""Every code block of docs/integrations.md, run in order on an agent whose pictures are flat."""

import json
import re
import shlex
from pathlib import Path
from typing import cast

import pytest
from echoing import echo_agent
from haystack import component
from haystack.components.agents import Agent as HaystackAgent
from haystack.dataclasses import ChatMessage
from langchain_core.tools import StructuredTool
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel
from smolagents import CodeAgent, Model
from starlette.applications import Starlette
from typer.testing import CliRunner

from unison_agent.agent import Unison
from unison_agent.cli.app import app
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


def test_the_programs_run(blocks: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    unison = echo_agent()

    def opened(profile: str) -> Unison:
        del profile
        return unison

    monkeypatch.setattr(Unison, "from_pretrained", opened)
    names: dict[str, object] = {"__name__": "page"}
    models = {
        "smolagents": Model(model_id="none"),
        "pydantic_ai": TestModel(),
        "haystack": Generator(),
    }
    made: list[object] = []
    for code in (code for kind, code in blocks if kind == "python"):
        names["model"] = next((m for word, m in models.items() if word in code), None)
        exec(compile(code, str(PAGE), "exec"), names)
        made.append(names[re.findall(r"^(\w+) = ", code, re.MULTILINE)[-1]])
    _, served, pydantic_agent, listed, code_agent, haystack_agent = made
    assert isinstance(served, Starlette)
    assert isinstance(pydantic_agent, Agent)
    assert isinstance(listed, list)
    assert {type(tool) for tool in cast("list[object]", listed)} == {StructuredTool}
    assert isinstance(code_agent, CodeAgent)
    assert "text_to_image" in code_agent.tools
    assert isinstance(haystack_agent, HaystackAgent)


def test_the_commands_serve(blocks: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[object] = []

    async def over_http(server: UnisonServer, access: Access, port: int) -> None:
        assert port == 8000
        served.append((server.name, access.host, access.token))

    async def over_stdio(server: UnisonServer) -> None:
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
