import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import PIL.Image
import pytest
from pydantic import BaseModel, Field, JsonValue, TypeAdapter

from unison_agent.agent import Unison
from unison_agent.custom.tool import CustomTool, ImageHandle, custom_tool
from unison_agent.errors import (
    MediaError,
    MissingInputError,
    NegotiationError,
    RequestError,
    RunCancelledError,
    ToolCallError,
)
from unison_agent.functions import CallResult
from unison_agent.media import Image, MediaSet, Video
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.progress import ProgressEvent
from unison_agent.router import AdapterTool, Router
from unison_agent.testing import EchoAdapter, ScriptedWriter

RED = PIL.Image.new("RGB", (64, 64), (255, 0, 0))
BLUE = PIL.Image.new("RGB", (64, 64), (0, 0, 255))
CLIP = Video.from_frames([RED, BLUE] * 3, 8)


class Round(BaseModel):
    """Round the corners of an image."""

    image: ImageHandle
    radius: int = Field(default=4, ge=1, le=32)
    look: Literal["soft", "hard"] | None


class Failing(BaseModel):
    """Fail."""


def round_off(wanted: Round, media: MediaSet) -> Image:
    pil = media.image(wanted.image).pil.copy()
    pil.putpixel((0, 0), (wanted.radius, 0, 0))
    return Image.from_pil(pil)


def fail(_: Failing) -> str:
    raise OSError("the disk is full")


@dataclass
class Agent:
    """An agent whose pictures are flat and whose plans are scripted."""

    plans: Sequence[dict[str, Any]] = ({"task": "text_to_image"},)
    custom: Sequence[CustomTool] = (custom_tool(Round, round_off), custom_tool(Failing, fail))
    adapter: EchoAdapter = field(default_factory=EchoAdapter)

    def __post_init__(self) -> None:
        tools = [AdapterTool(spec, self.adapter) for spec in load_pack("nano").tools]
        router = Router(tools, custom=self.custom, profile="echo")
        planner = Planner(ScriptedWriter(*self.plans), tools=self.custom)
        self.unison = Unison(planner, router)

    def call(self, name: str, **arguments: object) -> CallResult:
        return self.unison.call(name, arguments)


def wrong(result: CallResult) -> tuple[str | None, str | None, tuple[object, ...]]:
    assert not result.ok
    assert result.error is not None
    assert result.result is None
    assert "Traceback" not in result.to_json()
    return result.error.code, result.error.field, result.error.nearest


def test_arguments_come_as_json_or_as_values_and_null_is_absent() -> None:
    agent = Agent()
    written = '{"prompt": "a red star", "width": null, "steps": 4, "seed": 7}'
    first = agent.unison.call("text_to_image", written)
    second = agent.call("text_to_image", prompt="a red star", steps=4, seed=7)
    assert first.ok
    assert first.error is None
    assert first.artifacts == second.artifacts
    call, granted = agent.adapter.calls[0]
    assert call.model_dump(exclude_none=True) == {
        "task": "text_to_image",
        "prompt": "a red star",
        "steps": 4,
        "seed": 7,
    }
    assert granted == agent.adapter.calls[1][1]
    assert first.result is not None
    assert first.result.plan.request.text == "a red star"


def test_a_call_is_negotiated_like_a_request() -> None:
    agent = Agent()
    near = agent.call("text_to_image", prompt="a star", width=100, steps=99)
    assert near.ok
    assert [(one.field, one.granted) for one in near.report.adjustments] == [
        ("width", 64),
        ("steps", 50),
    ]
    strict = agent.unison.call("text_to_image", {"prompt": "a star", "width": 100}, mode="strict")
    assert wrong(strict) == ("not_possible", "width", ("64",))
    absurd = agent.call("text_to_image", prompt="a star", width=99_999)
    assert wrong(absurd) == ("not_possible", None, ())


def test_a_handle_of_one_result_is_the_medium_of_the_next_call() -> None:
    agent = Agent()
    made = agent.call("text_to_image", prompt="a star")
    (info,) = made.artifacts
    assert info.handle == f"image-{info.sha256[:12]}"
    assert (info.kind, info.width, info.height, info.num_bytes) == ("image", 64, 64, 64 * 64 * 3)
    assert agent.unison.artifacts.get(info.handle).medium is made.media[info.handle]
    edited = agent.call("image_editing", prompt="make it blue", source=info.handle, target="star")
    assert edited.ok
    assert edited.result is not None
    (record,) = [one.record for one in edited.result.artifacts]
    assert [one.sha256 for one in record.media] == [info.sha256]
    clip = agent.call(
        "image_to_video", prompt="it moves", first_frame=info.uri, last_frame=info.uri
    )
    assert clip.artifacts[0].num_frames == 17
    answer = agent.call("video_understanding", question="what?", media=[clip.artifacts[0].handle])
    assert (answer.text, answer.artifacts) == ("what?", ())


def test_what_a_run_makes_has_a_handle_too() -> None:
    agent = Agent()
    result = agent.unison.run("Draw a red star")
    (info,) = agent.unison.artifacts
    assert info.sha256 == result.image.sha256
    assert agent.call("image_understanding", question="what?", media=[info.handle]).ok


def test_what_the_user_attached_goes_by_its_handle_or_by_itself() -> None:
    agent = Agent()
    by_name = agent.unison.call(
        "image_editing", {"prompt": "blue", "source": "image_2", "target": "it"}, media=[RED, BLUE]
    )
    assert by_name.result is not None
    sha256 = Image.from_pil(BLUE).sha256
    assert [one.sha256 for one in by_name.result.artifacts[0].record.media] == [sha256]
    asked = agent.unison.call("image_understanding", {"question": "what?"}, media=[RED, BLUE])
    assert asked.result is not None
    assert len(asked.result.plan.request.attachments) == 2
    assert agent.call("image_understanding", question="what?", media=[RED]).ok


def test_one_tool_plans_by_itself() -> None:
    plan = {"task": "image_editing", "source": "image_1", "target": "the star"}
    agent = Agent(plans=[plan])
    (info,) = agent.unison.call("text_to_image", {"prompt": "a star"}).artifacts
    said = f"In {info.handle} turn the star green"
    result = agent.call("unison", request=said, media=[info.handle])
    assert result.ok
    assert result.result is not None
    assert result.result.plan.request.text == "In image_1 turn the star green"
    unclear = Agent(plans=[{"needs_input": "source"}]).call("unison", request="turn it green")
    assert wrong(unclear) == ("missing_input", "source", ())
    assert "Which image" in str(unclear.error and unclear.error.hint)


@pytest.mark.parametrize(
    ("name", "arguments", "field", "nearest"),
    [
        ("image_editng", {"prompt": "x"}, None, "image_editing"),
        ("ImageEditing", {"prompt": "x"}, None, "image_editing"),
        ("text_to_image", {"promt": "x"}, "promt", "prompt"),
        ("text_to_image", {"prompt": "x", "task": "text_to_image"}, "task", None),
        ("text_to_image", {"prompt": None}, "prompt", None),
        ("text_to_image", {"prompt": ""}, "prompt", None),
        ("text_to_image", {"prompt": 5}, "prompt", None),
        ("text_to_image", {"prompt": "x", "width": 0}, "width", 1),
        ("text_to_image", {"prompt": "x", "width": 12.5}, "width", 12),
        ("text_to_image", {"prompt": "x", "width": "wide"}, "width", None),
        ("text_to_image", {"prompt": "x", "seed": -1}, "seed", 0),
        ("text_to_image", {"prompt": "x", "guidance_scale": float("nan")}, "guidance_scale", None),
        ("text_to_image", {"prompt": "x", "resolution": "480"}, "resolution", "480p"),
        ("text_to_video", {"prompt": "x", "fps": 0}, "fps", None),
        ("image_to_video", {"prompt": "x"}, None, None),
        ("image_editing", {"prompt": "x", "source": 7}, "source", None),
        ("image_editing", {"prompt": "x", "source": "image_1"}, "source", None),
        ("image_understanding", {"question": "x"}, "media", None),
        ("image_understanding", {"question": "x", "media": []}, "media", None),
        ("image_understanding", {"question": "x", "media": "image_1"}, "media", None),
        (
            "image_reference_generation",
            {"prompt": "x", "references": ["image_1", "image_2"]},
            "references",
            None,
        ),
        (
            "image_controllable_generation",
            {"prompt": "x", "control": "image_1", "control_type": "deph"},
            "control_type",
            "depth",
        ),
        ("round", {"image": "image_1", "radius": 99}, "radius", 32),
        ("round", {"image": "image_1", "look": "softer"}, "look", "soft"),
        ("round", {"picture": "image_1"}, "picture", None),
        ("unison", {"request": ""}, "request", None),
        ("unison", {}, "request", None),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(
    name: str, arguments: dict[str, JsonValue], field: str | None, nearest: object
) -> None:
    agent = Agent()
    result = agent.unison.call(name, arguments)
    code, at, near = wrong(result)
    assert (code, at) == ("invalid_call", field)
    assert (near[0] if near else None) == nearest
    assert agent.adapter.calls == []
    with pytest.raises(ToolCallError):
        agent.unison.call(name, arguments, raise_errors=True)


@pytest.mark.parametrize("arguments", ["{", "[1]", '"x"', "null null", "[" * 100_000, 5])
def test_arguments_that_are_no_object_are_refused(arguments: object) -> None:
    result = Agent().unison.call("text_to_image", cast("str", arguments))
    assert wrong(result)[0] == "invalid_call"
    assert result.error is not None
    assert result.error.allowed == "one JSON object"
    assert len(result.error.got or "") <= 80


def test_a_medium_of_the_wrong_kind_is_named_as_the_caller_named_it() -> None:
    agent = Agent()
    handle = agent.call("text_to_video", prompt="a star").artifacts[0].handle
    result = agent.call("image_editing", prompt="x", target="y", source=handle)
    assert wrong(result) == ("invalid_call", "source", ())
    assert result.error is not None
    assert result.error.got == f"{handle}, which is a video"
    assert result.error.allowed == "an image"


def test_errors_of_every_sort_are_values_or_are_raised() -> None:
    agent = Agent()
    failed = agent.call("failing")
    assert wrong(failed)[0] == "failed"
    assert "the disk is full" in str(failed.error and failed.error.message)
    damaged = agent.call("image_understanding", question="x", media=[b"\x89PNG\r\n\x1a\nxx"])
    assert wrong(damaged) == ("media", "media[0]", ())
    calls: list[tuple[dict[str, object], type[Exception]]] = [
        ({"prompt": "x", "source": RED}, MissingInputError),
        ({"prompt": "x", "source": b"no picture", "target": "y"}, MediaError),
        ({"prompt": "x", "source": RED, "target": "y", "width": 10**6}, NegotiationError),
    ]
    for arguments, error in calls:
        with pytest.raises(error):
            agent.unison.call("image_editing", arguments, raise_errors=True)


def test_an_error_nobody_foresaw_is_a_value_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent()

    def broken(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(agent.adapter, "run", broken)
    result = agent.call("text_to_image", prompt="x")
    assert wrong(result)[0] == "internal"
    assert "ZeroDivisionError: by zero" in str(result.error and result.error.message)
    assert "The call of text_to_image failed." in caplog.text


def test_who_stops_a_call_sees_it_stopped() -> None:
    def stop(_: ProgressEvent) -> None:
        raise RunCancelledError("enough")

    with pytest.raises(RunCancelledError):
        Agent().unison.call("text_to_image", {"prompt": "x"}, progress=stop)


def test_custom_tools_are_called_like_tasks() -> None:
    agent = Agent()
    (star,) = agent.call("text_to_image", prompt="a star").artifacts
    made = agent.unison.call("round", {"image": star.handle, "radius": None, "look": None})
    assert made.ok
    picture = made.media[made.artifacts[0].handle]
    assert isinstance(picture, Image)
    assert picture.pil.getpixel((0, 0)) == (4, 0, 0)


def test_a_repeated_call_is_answered_from_what_it_gave() -> None:
    agent = Agent()
    call = agent.unison.call
    first = call("text_to_image", '{"prompt": "a star", "steps": 3}', call_id="c1")
    again = call("text_to_image", {"steps": 3, "prompt": "a star"}, call_id="c1")
    assert len(agent.adapter.calls) == 1
    assert again.report == first.report
    assert again.media.keys() == first.media.keys()
    assert again.call_id == "c1"
    assert call("text_to_image", {"prompt": "a moon"}, call_id="c1").artifacts != first.artifacts
    call("text_to_image", {"prompt": "a star", "steps": 3}, call_id="c2")
    assert len(agent.adapter.calls) == 3
    pictured = {"question": "what?", "media": [RED]}  # no JSON: always carried out
    call("image_understanding", pictured, call_id="c3")
    call("image_understanding", pictured, call_id="c3")
    assert len(agent.adapter.calls) == 5


# --- whole messages ------------------------------------------------------------------------------

ARGUMENTS = {"prompt": "a star", "negative_prompt": None}
WRONG = {"prompt": "a star", "width": 0}


def chat_message() -> dict[str, Any]:
    def call(call_id: str, name: str, arguments: object) -> dict[str, Any]:
        function = {"name": name, "arguments": json.dumps(arguments)}
        return {"id": call_id, "type": "function", "function": function}

    calls = [
        call("a", "text_to_image", ARGUMENTS),
        call("b", "text_to_video", ARGUMENTS),
        call("c", "text_to_image", WRONG),
        call("d", "search", {"for": "stars"}),
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def test_a_message_of_chat_completions_is_answered() -> None:
    from openai.types.chat import (
        ChatCompletionMessage,
        ChatCompletionToolMessageParam,
        ChatCompletionUserMessageParam,
    )

    agent = Agent()
    message = chat_message()
    *told, shown = agent.unison.call_openai(message, skip=["search"])
    assert [(one["role"], one["tool_call_id"]) for one in told] == [
        ("tool", "a"),
        ("tool", "b"),
        ("tool", "c"),
    ]
    first, second, third = (json.loads(one["content"]) for one in told)
    assert first["ok"]
    assert first["artifacts"][0]["handle"] in first["how_to_go_on"]
    assert "first frame" in second["how_to_go_on"]
    assert third["error"]["nearest"] == [1]
    pictures = [part for part in shown["content"] if part["type"] == "image_url"]
    assert len(pictures) == 2
    assert pictures[0]["image_url"]["url"].startswith("data:image/png;base64,")
    TypeAdapter(list[ChatCompletionToolMessageParam]).validate_python(told)
    TypeAdapter(ChatCompletionUserMessageParam).validate_python(shown)
    # The same message once more, as the SDK's object: nothing runs twice, the pictures are there.
    runs = len(agent.adapter.calls)
    again = agent.unison.call_openai(ChatCompletionMessage.model_validate(message), skip=["search"])
    assert again == [*told, shown]
    assert len(agent.adapter.calls) == runs


def test_items_of_responses_are_answered() -> None:
    from openai.types.responses import ResponseFunctionToolCall
    from openai.types.responses.response_input_item_param import FunctionCallOutput

    agent = Agent()
    call = ResponseFunctionToolCall(
        arguments=json.dumps(ARGUMENTS), call_id="c", name="text_to_video", type="function_call"
    )
    items: list[object] = [{"type": "message", "content": "Let me draw."}, call]
    (item,) = agent.unison.call_openai_responses(items)
    TypeAdapter(FunctionCallOutput).validate_python(item)
    assert item["call_id"] == "c"
    assert [part["type"] for part in item["output"]] == ["input_text", "input_image"]
    assert agent.unison.call_openai_responses([call.model_dump()]) == [item]
    assert len(agent.adapter.calls) == 1


def test_a_message_of_anthropic_is_answered() -> None:
    types = pytest.importorskip("anthropic.types")
    agent = Agent()
    content = [
        {"type": "text", "text": "Let me draw."},
        {"type": "tool_use", "id": "a", "name": "text_to_image", "input": ARGUMENTS},
        {"type": "tool_use", "id": "b", "name": "text_to_image", "input": WRONG},
    ]
    (message,) = agent.unison.call_anthropic({"role": "assistant", "content": content})
    TypeAdapter(types.MessageParam).validate_python(message)
    good, bad = message["content"]
    assert (good["tool_use_id"], good["is_error"]) == ("a", False)
    assert [part["type"] for part in good["content"]] == ["text", "image"]
    assert (bad["tool_use_id"], bad["is_error"]) == ("b", True)
    whole = types.Message.model_validate(
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "x",
            "content": content,
            "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )
    assert agent.unison.call_anthropic(whole) == [message]
    assert len(agent.adapter.calls) == 1


def test_a_content_of_gemini_is_answered() -> None:
    types = pytest.importorskip("google.genai.types")
    agent = Agent()
    calls = [
        {"function_call": {"id": "a", "name": "text_to_image", "args": ARGUMENTS}},
        {"functionCall": {"name": "text_to_image", "args": {"prompt": "a moon"}}},
    ]
    (answer,) = agent.unison.call_gemini({"role": "model", "parts": calls})
    kinds = [next(iter(part)) for part in answer["parts"]]
    assert kinds == ["function_response", "function_response", "inline_data", "inline_data"]
    assert answer["parts"][0]["function_response"]["id"] == "a"
    assert "id" not in answer["parts"][1]["function_response"]
    read = types.Content.model_validate_json(json.dumps(answer))
    assert read.parts[2].inline_data.data.startswith(b"\x89PNG")
    (same,) = agent.unison.call_gemini(types.Content.model_validate({"parts": calls}))
    assert types.Content.model_validate(same) == read


def test_no_calls_no_answers_and_no_message_no_guess() -> None:
    unison = Agent().unison
    assert unison.call_openai({"role": "assistant", "content": "hello"}) == []
    assert unison.call_openai_responses([]) == []
    assert unison.call_anthropic({"role": "assistant", "content": "hello"}) == []
    assert unison.call_gemini({"parts": [{"text": "hello"}]}) == []
    for message in ("hello", {"choices": ()}, {"role": "user"}):
        with pytest.raises(RequestError, match="Expected an assistant message"):
            unison.call_openai(message)
    for call, message in (
        (unison.call_openai_responses, {"output": ()}),
        (unison.call_anthropic, {"role": "assistant"}),
        (unison.call_gemini, {"candidates": ()}),
    ):
        with pytest.raises(RequestError, match="Expected"):
            call(message)
    with pytest.raises(RequestError, match="sequence of names"):
        unison.call_openai(chat_message(), skip="search")


def test_a_large_picture_is_sent_smaller() -> None:
    from unison_agent.functions.replies import pictures
    from unison_agent.functions.results import CallReport

    wide = Image.from_pil(PIL.Image.new("RGB", (3072, 1024)))
    ((handle, png),) = pictures(CallResult("x", CallReport(ok=True), {"image-1": wide}))
    assert handle == "image-1"
    assert Image.open(png).width == 1536
