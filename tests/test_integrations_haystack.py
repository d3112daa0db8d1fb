"""Our tools in the hands of an agent of Haystack, whose generator follows a script."""

import asyncio
import base64
import json
from typing import Any

import pytest
from echoing import echo_agent
from haystack import component
from haystack.components.agents import Agent
from haystack.dataclasses import ChatMessage, ImageContent, TextContent, ToolCall

from unison_agent.agent import Unison
from unison_agent.functions import functions, in_format
from unison_agent.integrations.haystack import unison_tools
from unison_agent.media import open_medium
from unison_agent.packs import load_pack


@component
class Follows:
    """Calls tools in order, then ends; remembers what it was shown."""

    def __init__(self, *calls: tuple[str, dict[str, Any]]) -> None:
        self.calls = list(calls)
        self.shown: list[ChatMessage] = []

    @component.output_types(replies=list[ChatMessage])
    def run(self, messages: list[ChatMessage], tools: Any = None) -> dict[str, Any]:
        self.shown.append(messages[-1])
        if not self.calls:
            return {"replies": [ChatMessage.from_assistant("done")]}
        return {"replies": [ChatMessage.from_assistant(tool_calls=[ToolCall(*self.calls.pop(0))])]}


@pytest.fixture
def unison() -> Unison:
    return echo_agent()


def result(message: ChatMessage) -> list[Any]:
    assert message.tool_call_result is not None
    return list(message.tool_call_result.result)


def test_it_draws_and_is_shown_the_picture(unison: Unison) -> None:
    star = {"prompt": "a red star", "width": 64}
    model = Follows(("text_to_image", star), ("text_to_video", {"prompt": "it rolls"}))
    agent = Agent(chat_generator=model, tools=[*unison_tools(unison)])
    agent.run(messages=[ChatMessage.from_user("draw")])
    for shown in model.shown[1:]:
        text, image = result(shown)
        assert isinstance(text, TextContent)
        assert isinstance(image, ImageContent)
        assert open_medium(base64.b64decode(image.base64_image)).width == 64
    report = json.loads(result(model.shown[1])[0].text)
    assert report["artifacts"][0]["handle"] in unison.artifacts


def test_it_is_told_what_is_wrong(unison: Unison) -> None:
    model = Follows(("text_to_image", {"prompt": "a star", "width": "wide"}))
    agent = Agent(chat_generator=model, tools=[*unison_tools(unison)])
    agent.run(messages=[ChatMessage.from_user("draw")])
    (told,) = result(model.shown[-1])
    assert "expected a whole number" in told.text


def test_a_tool_has_our_schema_and_can_be_awaited(unison: Unison) -> None:
    known = functions(load_pack("nano").tools, (), "both")
    tools = unison_tools(unison, granularity="both")
    for tool, function in zip(tools, known, strict=True):
        assert tool.parameters == in_format(function, "mcp")["inputSchema"]
    done = asyncio.run(tools[0].invoke_async(request="Draw a red star"))
    assert done.ok
