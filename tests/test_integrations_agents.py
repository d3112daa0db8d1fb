"""Our tools in the hands of real agents of other frameworks, whose models follow a script."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import PIL.Image
import pytest
from echoing import Slow, assert_cancelling_stops, echo_agent
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai import BinaryContent
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from smolagents import CodeAgent, Model, Tool, ToolCallingAgent
from smolagents.agent_types import AgentImage
from smolagents.models import (
    ChatMessage,
    ChatMessageToolCall,
    ChatMessageToolCallFunction,
    MessageRole,
    get_tool_json_schema,  # pyright: ignore[reportUnknownVariableType]
)

from unison_agent.agent import Unison
from unison_agent.errors import ToolCallError
from unison_agent.functions import functions, in_format
from unison_agent.integrations import pydantic_ai, smolagents
from unison_agent.media import open_medium
from unison_agent.packs import load_pack
from unison_agent.tasks import TASKS

RED = PIL.Image.new("RGB", (64, 64), (255, 0, 0))
STAR = {"prompt": "a red star", "width": 64, "height": 64}
CLIP = {"prompt": "it rolls", "num_frames": 5}


def ours(granularity: Any = "tasks") -> dict[str, Any]:
    known = functions(load_pack("nano").tools, (), granularity)
    return {one.name: in_format(one, "mcp")["inputSchema"] for one in known}


# --- Pydantic AI -----------------------------------------------------------------------------------------


class Scripted:
    """Calls tools in order, then ends; remembers what it was shown."""

    def __init__(self, *calls: tuple[str, dict[str, Any]]) -> None:
        self.calls = list(calls)
        self.shown: list[ToolReturnPart] = []
        self.tools: dict[str, Any] = {}

    def __call__(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.tools = {tool.name: tool.parameters_json_schema for tool in info.function_tools}
        self.shown += [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        if not self.calls:
            return ModelResponse(parts=[TextPart("done")])
        name, arguments = self.calls.pop(0)
        return ModelResponse(parts=[ToolCallPart(name, arguments)])


def handle(part: ToolReturnPart) -> str:
    return cast("Any", part.content)[0]["artifacts"][0]["handle"]


def test_a_pydantic_agent_draws_and_goes_on_with_the_handle() -> None:
    unison = echo_agent()
    model = Scripted(("text_to_image", STAR), ("text_to_video", CLIP))
    toolset = pydantic_ai.unison_toolset(unison, granularity="both")
    done = asyncio.run(PydanticAgent(FunctionModel(model), toolsets=[toolset]).run("draw a star"))
    assert done.output == "done"
    assert model.tools == ours("both")
    drawn, clip = model.shown
    for part in (drawn, clip):
        (picture,) = part.files
        assert isinstance(picture, BinaryContent)
        assert open_medium(picture.data).width == 64
        assert part.metadata["artifacts"][0]["handle"] == handle(part)
    assert "only the first frame" in cast("Any", clip.content)[0]["how_to_go_on"]
    assert handle(drawn) in unison.artifacts
    kept = ModelMessagesTypeAdapter.dump_json(done.all_messages())
    assert ModelMessagesTypeAdapter.validate_json(kept)


def test_a_pydantic_agent_mends_a_wrong_call() -> None:
    model = Scripted(("text_to_image", {"widht": 64}), ("text_to_image", STAR))
    toolset = pydantic_ai.unison_toolset(echo_agent())
    asyncio.run(PydanticAgent(FunctionModel(model), toolsets=[toolset]).run("draw"))
    wrong, right = model.shown
    assert wrong.outcome == "retried"
    assert "Did you mean width?" in wrong.model_response_str()
    assert len(right.files) == 1


def test_a_pydantic_agent_that_never_mends_its_call_is_stopped() -> None:
    model = Scripted(*[("text_to_image", {"widht": 64})] * 9)
    toolset = pydantic_ai.unison_toolset(echo_agent(), max_retries=1)
    with pytest.raises(UnexpectedModelBehavior):
        asyncio.run(PydanticAgent(FunctionModel(model), toolsets=[toolset]).run("draw"))


def test_what_is_missing_is_no_call_to_mend() -> None:
    model = Scripted(("unison", {"request": "make it blue"}))
    unison = echo_agent(needs_input="source")
    toolset = pydantic_ai.unison_toolset(unison, granularity="one", max_retries=0)
    asyncio.run(PydanticAgent(FunctionModel(model), toolsets=[toolset]).run("make it blue"))
    (failed,) = model.shown
    assert "missing_input" in failed.model_response_str()


def test_a_cancelled_pydantic_run_stops_the_work() -> None:
    slow = Slow()

    async def run() -> None:
        toolset = pydantic_ai.unison_toolset(echo_agent(slow))
        model = FunctionModel(Scripted(("text_to_image", STAR)))
        await PydanticAgent(model, toolsets=[toolset]).run("draw")

    assert_cancelling_stops(slow, run())


# --- smolagents ------------------------------------------------------------------------------------------


class Follows(Model):
    """Writes what it is told to."""

    def __init__(self, *script: ChatMessage) -> None:
        super().__init__(model_id="scripted")
        self.script = list(script)
        self.shown: list[str] = []

    def generate(self, messages: Sequence[Any], *_: Any, **__: Any) -> ChatMessage:
        self.shown.append(str(messages[-1].content))
        return self.script.pop(0)


def code(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.ASSISTANT, content=f"Thought: x\n<code>\n{text}\n</code>")


def smol_call(name: str, **arguments: Any) -> ChatMessage:
    function = ChatMessageToolCallFunction(name=name, arguments=arguments)
    call = ChatMessageToolCall(id="1", type="function", function=function)
    return ChatMessage(role=MessageRole.ASSISTANT, content="", tool_calls=[call])


def smol(unison: Unison, **options: Any) -> list[Tool]:
    return smolagents.unison_tools(unison, **options)


def test_smolagents_lists_every_task() -> None:
    tools = smol(echo_agent())
    assert [tool.name for tool in tools] == list(TASKS)
    for tool in tools:
        listed = cast("Any", get_tool_json_schema(tool))["function"]["parameters"]
        assert set(listed["required"]) == set(ours()[tool.name]["required"])
        assert set(listed["properties"]) == set(ours()[tool.name]["properties"]) - {"num_outputs"}
        assert tool.to_code_prompt().startswith(f"def {tool.name}(")


def test_a_code_agent_hands_pictures_and_clips_on() -> None:
    unison = echo_agent()
    script = code(
        "star = text_to_image('a red star', width=64, height=64)\n"
        "blue = image_editing(prompt='blue', source=star, target='star')\n"
        "clip = image_to_video(prompt='it moves', first_frame=blue, num_frames=5)\n"
        "said = video_understanding(question='what moves?', media=clip)\n"
        "final_answer([clip, said])"
    )
    running = CodeAgent(tools=smol(unison), model=Follows(script), verbosity_level=0)
    clip, said = cast("list[str]", running.run("draw"))
    assert said == "what moves?"
    medium = unison.artifacts.get(clip).medium
    assert medium.kind == "video"
    assert medium.num_frames == 5
    assert [info.kind for info in unison.artifacts] == ["video", "image", "image"]


def test_a_tool_calling_agent_names_its_picture() -> None:
    unison = echo_agent()
    model = Follows(
        smol_call("text_to_image", **STAR),
        smol_call("image_editing", prompt="blue", source="image.png", target="star"),
        smol_call("image_understanding", question="what is it?", media="image.png"),
        smol_call("final_answer", answer="image.png"),
    )
    running = ToolCallingAgent(tools=smol(unison), model=model, verbosity_level=0)
    picture = running.run("draw")
    assert isinstance(picture, AgentImage)
    latest, first = unison.artifacts
    assert first.sha256 != latest.sha256
    assert open_medium(cast("PIL.Image.Image", picture.to_raw())).sha256 == latest.sha256
    assert "what is it?" in model.shown[-1]


def test_smolagents_is_told_what_is_wrong() -> None:
    tools = {tool.name: tool for tool in smol(echo_agent())}
    with pytest.raises(ToolCallError, match=r"no argument \"widht\".*Did you mean width"):
        tools["text_to_image"](prompt="a star", widht=64)
    mended = Follows(code("text_to_image(prompt='a star', width='wide')"), code("final_answer(1)"))
    CodeAgent(tools=smol(echo_agent()), model=mended, verbosity_level=0).run("draw")
    assert "expected a whole number" in mended.shown[-1]


def test_the_whole_agent_gives_smolagents_what_it_made() -> None:
    (tool,) = smol(echo_agent(), granularity="one")
    assert isinstance(tool("Draw a red star"), PIL.Image.Image)
    assert isinstance(tool("Make it blue", [RED]), PIL.Image.Image)
