"""Our tools in the hands of an agent of the OpenAI Agents SDK, whose model follows a script."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from echoing import Slow, assert_cancelling_stops, echo_agent

from unison_agent.functions import functions, in_format
from unison_agent.media import open_medium
from unison_agent.packs import load_pack

pytest.importorskip("agents", reason="unison-agent[openai-agents] is not installed")

from agents import Agent, FunctionTool, ModelResponse, RunConfig, Runner, Usage
from agents.models.interface import Model
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from unison_agent.integrations.openai_agents import unison_tools

STAR = {"prompt": "a red star", "width": 64, "height": 64}
CLIP = {"prompt": "it rolls", "num_frames": 5}


class Script(Model):
    """Calls tools in order, then ends; remembers what it was shown."""

    def __init__(self, *calls: tuple[str, str]) -> None:
        self.calls = list(calls)
        self.shown: list[list[dict[str, Any]]] = []

    async def get_response(self, *args: Any, **options: Any) -> ModelResponse:
        items = options.get("input", args[1] if len(args) > 1 else ())
        if isinstance(items, list):
            self.shown += [
                one["output"] for one in cast("list[Any]", items)[-1:] if "output" in one
            ]
        return ModelResponse(output=[self._next()], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        raise NotImplementedError

    def _next(self) -> ResponseFunctionToolCall | ResponseOutputMessage:
        if self.calls:
            name, arguments = self.calls.pop(0)
            return ResponseFunctionToolCall(
                arguments=arguments, call_id=f"c{len(self.calls)}", name=name, type="function_call"
            )
        text = ResponseOutputText(text="done", type="output_text", annotations=[])
        return ResponseOutputMessage(
            id="m", content=[text], role="assistant", status="completed", type="message"
        )


async def follow(script: Script, tools: list[FunctionTool]) -> str:
    agent = Agent(name="artist", tools=[*tools], model=script)
    done = await Runner.run(agent, "draw", run_config=RunConfig(tracing_disabled=True))
    return str(done.final_output)


def strict(name: str, **arguments: object) -> tuple[str, str]:
    """Return a call as a model writes it: everything that it does not state is null."""
    known = {function.name: function for function in functions(load_pack("nano").tools)}
    return name, json.dumps(dict.fromkeys(known[name].arguments) | arguments)


def test_it_draws_goes_on_with_the_handle_and_is_shown_the_pictures() -> None:
    unison = echo_agent()
    script = Script(strict("text_to_image", **STAR), strict("text_to_video", **CLIP))
    assert asyncio.run(follow(script, unison_tools(unison))) == "done"
    assert len(script.shown) == 2
    for text, image in script.shown:
        assert text["type"] == "input_text"
        assert json.loads(text["text"])["artifacts"][0]["handle"] in unison.artifacts
        assert image["type"] == "input_image"
        data = image["image_url"].removeprefix("data:image/png;base64,")
        assert open_medium(base64.b64decode(data)).width == 64
    assert "only the first frame" in script.shown[-1][0]["text"]


def test_it_is_told_what_is_wrong_and_mends_it() -> None:
    script = Script(
        ("text_to_image", "{"),
        ("text_to_image", '{"prompt": "a star", "width": "wide"}'),
        strict("text_to_image", **STAR),
    )
    assert asyncio.run(follow(script, unison_tools(echo_agent()))) == "done"
    broken, wrong, drawn = script.shown
    assert "arguments are no JSON" in broken[0]["text"]
    assert "expected a whole number" in wrong[0]["text"]
    assert [one["type"] for one in drawn] == ["input_text", "input_image"]


def test_the_schemas_are_ours_and_strict() -> None:
    tools = unison_tools(echo_agent(), granularity="both")
    known = functions(load_pack("nano").tools, (), "both")
    assert [tool.name for tool in tools] == [function.name for function in known]
    for tool, function in zip(tools, known, strict=True):
        assert tool.strict_json_schema
        assert tool.params_json_schema == in_format(function, "openai_responses")["parameters"]
        assert tool.description == function.description


def test_a_cancelled_run_stops_the_work() -> None:
    slow = Slow()

    async def run() -> None:
        script = Script(strict("text_to_image", **STAR))
        await follow(script, unison_tools(echo_agent(slow)))

    assert_cancelling_stops(slow, run())
