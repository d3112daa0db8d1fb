"""Our tools as LangChain calls them; also run with the oldest version of it that is supported."""

import asyncio
from typing import Any

import pytest
from echoing import Slow, assert_cancelling_stops, echo_agent
from langchain_core.messages import ToolMessage
from langchain_core.tools import StructuredTool

from unison_agent.agent import Unison
from unison_agent.functions import functions, in_format
from unison_agent.integrations.langchain import unison_tools
from unison_agent.packs import load_pack

STAR = {"prompt": "a red star", "width": 64, "height": 64}
CLIP = {"prompt": "it rolls", "num_frames": 5}


def ours(granularity: Any = "tasks") -> dict[str, Any]:
    known = functions(load_pack("nano").tools, (), granularity)
    return {one.name: in_format(one, "mcp")["inputSchema"] for one in known}


def chain(unison: Unison, **options: Any) -> dict[str, StructuredTool]:
    return {tool.name: tool for tool in unison_tools(unison, **options)}


def called(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_call", "id": "1", "name": name, "args": arguments}


def blocks(message: ToolMessage) -> list[Any]:
    return [block["type"] for block in message.content_blocks]


def test_a_langchain_tool_gives_content_and_artifact() -> None:
    unison = echo_agent()
    tools = chain(unison, granularity="both")
    assert {name: tool.args_schema for name, tool in tools.items()} == ours("both")
    drawn: ToolMessage = tools["text_to_image"].invoke(called("text_to_image", STAR))
    assert (drawn.status, drawn.tool_call_id) == ("success", "1")
    assert blocks(drawn) == ["text", "image"]
    made = drawn.artifact["artifacts"][0]["handle"]
    assert unison.artifacts.get(made).medium.width == 64
    clip = asyncio.run(tools["text_to_video"].ainvoke(called("text_to_video", CLIP)))
    assert blocks(clip) == ["text", "image"]
    assert "only the first frame" in clip.content[0]["text"]
    asked = {"question": "what is it?", "media": [made]}
    answer = tools["image_understanding"].invoke(called("image_understanding", asked))
    assert blocks(answer) == ["text"]
    assert ToolMessage.model_validate_json(drawn.model_dump_json()).artifact == drawn.artifact


@pytest.mark.parametrize("is_async", [True, False])
def test_langchain_is_told_what_is_wrong(is_async: bool) -> None:
    tool = chain(echo_agent())["text_to_image"]
    wrong = called("text_to_image", {"prompt": "a star", "width": "wide"})
    told = asyncio.run(tool.ainvoke(wrong)) if is_async else tool.invoke(wrong)
    assert told.status == "error"
    assert "expected a whole number" in told.content


def test_a_cancelled_langchain_call_stops_the_work() -> None:
    slow = Slow()

    async def run() -> None:
        tool = chain(echo_agent(slow))["text_to_image"]
        await tool.ainvoke(called("text_to_image", STAR))

    assert_cancelling_stops(slow, run())
