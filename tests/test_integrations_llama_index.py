"""Our tools in the hands of an agent of LlamaIndex, whose model follows a script."""

import asyncio
import base64
import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
from echoing import Slow, assert_cancelling_stops, echo_agent
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.tools.calling import (
    call_tool,  # pyright: ignore[reportUnknownVariableType]
)
from llama_index.core.tools.types import ToolOutput

from unison_agent.functions import functions, in_format
from unison_agent.integrations.llama_index import UnisonTool, unison_tools
from unison_agent.media import open_medium
from unison_agent.packs import load_pack

# Workflows look at every attribute of an agent, deprecated ones too.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
STAR = {"prompt": "a red star", "width": 64, "height": 64}
CLIP = {"prompt": "it rolls", "num_frames": 5}


class Script:
    """Calls tools in order, then ends; remembers what it was shown."""

    def __init__(self, *calls: tuple[str, dict[str, Any]]) -> None:
        self.calls = list(calls)
        self.shown: list[ChatMessage] = []

    def __call__(self, messages: Sequence[ChatMessage], **_: Any) -> ChatMessage:
        self.shown.append(messages[-1])
        if not self.calls:
            return ChatMessage(role="assistant", content="done")
        name, arguments = self.calls.pop(0)
        call = ToolCallBlock(tool_call_id=name, tool_name=name, tool_kwargs=arguments)
        return ChatMessage(role="assistant", blocks=[call])


def follow(script: Script, tools: list[UnisonTool]) -> str:
    async def run() -> str:
        model = MockFunctionCallingLLM(response_generator=script)
        agent = FunctionAgent(tools=[*tools], llm=model, streaming=False)
        return str(await cast("Any", agent).run(user_msg="draw"))

    return asyncio.run(run())


def named(tools: list[UnisonTool]) -> dict[str, UnisonTool]:
    return {str(tool.metadata.name): tool for tool in tools}


def test_it_draws_goes_on_with_the_handle_and_is_shown_the_pictures() -> None:
    unison = echo_agent()
    script = Script(("text_to_image", STAR), ("text_to_video", CLIP))
    assert follow(script, unison_tools(unison)) == "done"
    for shown in script.shown[1:]:
        text, image = shown.blocks
        assert isinstance(text, TextBlock)
        assert isinstance(image, ImageBlock)
        assert image.image_mimetype == "image/png"
        assert open_medium(base64.b64decode(cast("bytes", image.image))).width == 64
        handle = json.loads(text.text)["artifacts"][0]["handle"]
        assert handle in unison.artifacts
    assert "only the first frame" in str(script.shown[-1].content)


def test_it_is_told_what_is_wrong_and_mends_it() -> None:
    wrong = {"prompt": "a star", "width": "wide"}
    script = Script(("text_to_image", wrong), ("text_to_image", STAR))
    assert follow(script, unison_tools(echo_agent())) == "done"
    told, drawn = script.shown[1:]
    assert "expected a whole number" in str(told.content)
    assert [block.block_type for block in drawn.blocks] == ["text", "image"]


@pytest.mark.parametrize("is_async", [True, False])
def test_what_is_wrong_is_marked_as_an_error(is_async: bool) -> None:
    tool = named(unison_tools(echo_agent()))["text_to_image"]
    output = asyncio.run(tool.acall(widht=64)) if is_async else tool.call(widht=64)
    assert isinstance(output, ToolOutput)
    assert output.is_error
    assert "Did you mean width?" in output.content
    assert output.raw_input == {"widht": 64}
    assert output.raw_output["ok"] is False


def test_a_tool_has_our_schema() -> None:
    tools = named(unison_tools(echo_agent(), granularity="both"))
    known = functions(load_pack("nano").tools, (), "both")
    assert list(tools) == [function.name for function in known]
    for function in known:
        ours = cast("dict[str, Any]", in_format(function, "mcp")["inputSchema"])
        metadata = tools[function.name].metadata
        assert metadata.fn_schema is not None
        assert metadata.fn_schema.model_json_schema() == ours
        listed = metadata.to_openai_tool()["function"]  # refuses long descriptions
        del ours["additionalProperties"]  # the framework leaves it out
        assert listed["parameters"] == ours
        assert listed["description"] == function.description


def test_a_single_argument_may_come_without_its_name() -> None:
    (tool,) = unison_tools(echo_agent(), granularity="one")
    assert not call_tool(tool, {"request": "Draw a red star"}).is_error
    assert tool("Draw a red star").blocks[1].block_type == "image"


def test_a_cancelled_call_stops_the_work() -> None:
    slow = Slow()

    async def run() -> None:
        tool = named(unison_tools(echo_agent(slow)))["text_to_image"]
        await tool.acall(**STAR)

    assert_cancelling_stops(slow, run())
