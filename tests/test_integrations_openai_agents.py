"""Our tools in the hands of an agent of the OpenAI Agents SDK, whose model follows a script."""

import asyncio
import json
from typing import Any

import pytest
from agents import Agent, ModelResponse, RunConfig, Runner, Usage
from agents.models.interface import Model
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from unison_agent.agent import Unison
from unison_agent.functions import functions, in_format
from unison_agent.integrations.openai_agents import unison_tools
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.router import AdapterTool, Router
from unison_agent.testing import EchoAdapter, ScriptedWriter

STAR = {"prompt": "a red star", "width": 64, "height": None}


class Follows(Model):
    """Calls tools in order, then ends; remembers what it was shown."""

    def __init__(self, *calls: tuple[str, dict[str, Any]]) -> None:
        self.calls = list(calls)
        self.shown: list[Any] = []

    async def get_response(
        self, system_instructions: Any, input: Any, *_: Any, **__: Any
    ) -> ModelResponse:
        self.shown.append(input[-1])
        if self.calls:
            name, arguments = self.calls.pop(0)
            call = ResponseFunctionToolCall(
                arguments=json.dumps(arguments),
                call_id=f"call_{len(self.calls)}",
                name=name,
                type="function_call",
            )
            return ModelResponse(output=[call], usage=Usage(), response_id=None)
        text = ResponseOutputText(text="done", type="output_text", annotations=[])
        said = ResponseOutputMessage(
            id="m", content=[text], role="assistant", status="completed", type="message"
        )
        return ModelResponse(output=[said], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def unison() -> Unison:
    tools = [AdapterTool(spec, EchoAdapter()) for spec in load_pack("nano").tools]
    return Unison(Planner(ScriptedWriter({"task": "text_to_image"})), Router(tools, profile="echo"))


def run(unison: Unison, model: Model) -> str:
    agent = Agent(name="a", tools=[*unison_tools(unison)], model=model)
    done = asyncio.run(Runner.run(agent, "draw", run_config=RunConfig(tracing_disabled=True)))
    return str(done.final_output)


def test_the_schemas_are_strict_as_they_are(unison: Unison) -> None:
    known = functions(load_pack("nano").tools, (), "both")
    tools = unison_tools(unison, granularity="both")
    for tool, function in zip(tools, known, strict=True):
        ours = in_format(function, "openai_responses")
        assert tool.params_json_schema == ours["parameters"]
        assert tool.strict_json_schema


def test_it_draws_and_is_shown_the_picture(unison: Unison) -> None:
    model = Follows(("text_to_image", STAR), ("text_to_video", {"prompt": "it rolls"}))
    assert run(unison, model) == "done"
    for shown in model.shown[1:]:
        assert [part["type"] for part in shown["output"]] == ["input_text", "input_image"]
        assert shown["output"][1]["image_url"].startswith("data:image/png;base64,")
    report = json.loads(model.shown[1]["output"][0]["text"])
    assert report["artifacts"][0]["handle"] in unison.artifacts


def test_it_is_told_what_is_wrong(unison: Unison) -> None:
    model = Follows(("text_to_image", {"prompt": "a star", "width": "wide"}))
    assert run(unison, model) == "done"
    assert "expected a whole number" in json.dumps(model.shown[-1])
