"""The tools of a server that knows nothing of us, as our own: in process, as a process, and over HTTP on loopback."""

import gc
import logging
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from echoing import echo_agent
from foreign_server import foreign_server
from loopback import serving
from mcp import StdioServerParameters
from pydantic import BaseModel, JsonValue

from unison_agent.agent import Unison
from unison_agent.custom.fields import ChoiceField, HandleField, NumberField
from unison_agent.custom.foreign import closable
from unison_agent.custom.tool import custom_tool
from unison_agent.errors import GenerationError, ToolError
from unison_agent.integrations.mcp import UnisonServer, register
from unison_agent.integrations.mcp_client import ServerTools
from unison_agent.media import Image, MediaSet, Medium
from unison_agent.planning.planner import Planner
from unison_agent.router import Router
from unison_agent.tasks import CustomCall, Plan, Request
from unison_agent.testing import ScriptedWriter


class Weather(BaseModel):
    """Tell the weather of a city."""

    city: str


PICTURES: Mapping[str, Any] = {"text_to_image": "image", "Invert-Colors": "image"}
RED = PIL.Image.new("RGB", (8, 8), (255, 0, 0))
PROGRAM = [sys.executable, str(Path(__file__).parent / "foreign_server.py")]


def call(
    server: ServerTools, tool: str, media: MediaSet | None = None, **arguments: JsonValue
) -> tuple[tuple[Medium, ...], str | None]:
    (found,) = (one for one in server.tools if one.name == tool)
    return found.run(CustomCall(tool=tool, arguments=arguments), media or MediaSet.of(()))


@pytest.fixture(scope="module")
def jobs() -> Generator[ServerTools]:
    """The server in this process."""
    with ServerTools(foreign_server(), outputs=PICTURES) as server:
        yield server


def threads() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if one.name == "unison-mcp"}


def pixel(medium: Medium) -> object:
    assert isinstance(medium, Image)
    return medium.pil.getpixel((0, 0))


# --- what is offered -----------------------------------------------------------------------------------


def test_the_tools_have_names_of_ours_and_a_task_keeps_its_own(jobs: ServerTools) -> None:
    assert jobs.name == "Odd Jobs"
    names = {tool.name: tool for tool in jobs.tools}
    assert {"weather", "odd_jobs_text_to_image", "invert_colors", "wait"} <= names.keys()
    assert "text_to_image" not in names
    assert names["weather"].description == "Tell the weather of a city."
    assert names["odd_jobs_text_to_image"].output == "image"


def test_numbers_and_choices_come_from_the_request_and_pictures_are_handles(
    jobs: ServerTools,
) -> None:
    tools = {tool.name: tool.parameters.arguments for tool in jobs.tools}
    city, days, unit = tools["weather"]
    assert (city.required, days.required, unit.required) == (True, False, False)
    assert isinstance(days.field, NumberField)
    assert unit.field == ChoiceField(("celsius", "kelvin"))
    (picture,) = tools["invert_colors"]
    assert picture.field == HandleField(("image",))


def test_what_a_plan_cannot_hold_is_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), ServerTools(foreign_server()) as server:
        assert "store" not in [tool.name for tool in server.tools]
        assert "does not list" in server.left_out["store"]
    assert "Odd Jobs: store is left out" in caplog.text


def test_names_that_are_taken_get_a_prefix() -> None:
    taken = ["weather", "odd_weather", "wait"]
    with ServerTools(foreign_server(), prefix="Odd", taken=taken) as server:
        names = [tool.name for tool in server.tools]
    assert names[:2] == ["odd_weather_2", "odd_text_to_image"]
    assert "odd_wait" in names
    assert "count" in names


def test_a_tool_that_is_not_there_has_no_output() -> None:
    before = threads()
    with pytest.raises(ToolError, match="Odd Jobs has no tool draw"):
        ServerTools(foreign_server(), outputs={"draw": "image"})
    assert threads() == before


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "string", "format": "uri", "pattern": "^h"}, {"type": "string"}),
        ({"type": "number", "multipleOf": 0.5}, {"type": "number", "x-stated": True}),
        (
            {"oneOf": [{"type": "boolean"}, {"type": "integer"}]},
            {"anyOf": [{"type": "boolean"}, {"type": "integer"}]},
        ),
        (
            {"items": {"type": "string"}, "uniqueItems": True, "maxItems": 3},
            {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        ),
        (
            {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]},
            {"anyOf": [{"enum": ["a", "b"], "x-stated": True}, {"type": "null"}]},
        ),
        ({"$ref": "#/$defs/size"}, {"$ref": "#/$defs/size"}),
        ({"type": "object", "additionalProperties": {}}, None),
        ({"type": "string", "contentEncoding": "base64"}, None),
        ({}, None),
        (True, None),
    ],
)
def test_a_schema_is_loosened_as_far_as_a_plan_needs(part: Any, expected: Any) -> None:
    shared = {"size": {"type": "integer", "minimum": 1}}
    given = {"type": "object", "properties": {"part": part}, "$defs": shared}
    schema, left_out = closable("tool", given)
    assert schema["properties"] == ({} if expected is None else {"part": expected})
    assert list(left_out) == (["part"] if expected is None else [])
    if expected is None:
        with pytest.raises(ToolError, match=r"tool: arguments\.part"):
            closable("tool", {**given, "required": ["part"]})


# --- what is called ------------------------------------------------------------------------------------


def test_words_pictures_values_and_links_come_back(jobs: ServerTools) -> None:
    assert call(jobs, "weather", city="Wien", days=3) == ((), "Wien: 3 days of 20 celsius")
    (drawn,), said = call(jobs, "odd_jobs_text_to_image", prompt="a leaf")
    assert (drawn.width, drawn.height, said) == (32, 16, "drawn: a leaf")
    assert call(jobs, "count") == ((), '{"jobs": 3}')
    assert call(jobs, "report") == ((), "full report: memo://full")


def test_a_picture_is_sent(jobs: ServerTools) -> None:
    (turned,), _ = call(jobs, "invert_colors", MediaSet.of([RED]), picture="image_1")
    assert pixel(turned) == (0, 255, 255)


def test_a_request_is_routed_to_the_server_and_its_picture_goes_on(jobs: ServerTools) -> None:
    turn = {"tool": "invert_colors", "arguments": {"picture": "step_1"}}
    plan = {"tool": "odd_jobs_text_to_image", "arguments": {"prompt": "a leaf"}, "then": turn}
    planner = Planner(ScriptedWriter(plan), tools=jobs.tools)
    unison = Unison(planner, Router([], custom=jobs.tools))
    result = unison.run("Draw a leaf on the server and turn the colours of the picture around")
    drawn, turned = (step.artifacts[0] for step in result.steps)
    assert pixel(drawn.medium) == (0, 200, 0)
    assert pixel(turned.medium) == (255, 55, 255)


def test_a_server_joins_an_agent_that_is_there() -> None:
    def sunny(wanted: Weather) -> str:
        return f"sunny in {wanted.city}"

    own = custom_tool(Weather, sunny)
    turn = {"tool": "invert_colors", "arguments": {"picture": "step_1"}}
    plan = {"tool": "odd_jobs_text_to_image", "arguments": {"prompt": "a leaf"}, "then": turn}
    before = Unison(Planner(ScriptedWriter(plan), tools=[own]), Router([], custom=[own]))
    connected = threads()
    after = register(before, foreign_server(), outputs=PICTURES)
    names = [tool.name for tool in after.custom_tools()]
    assert names[0] == "weather"  # the agent's own keeps its name
    assert {"odd_jobs_weather", "invert_colors"} <= set(names)
    assert [tool["name"] for tool in before.tools(format="mcp")] == ["weather"]
    result = after.run("Draw a leaf on the server and turn the colours of the picture around")
    assert pixel(result.steps[-1].artifacts[0].medium) == (255, 55, 255)
    assert after.call("weather", {"city": "Wien"}).text == "sunny in Wien"
    assert after.artifacts is before.artifacts
    del after, result
    gc.collect()
    assert threads() == connected  # the connection ends with the agent


def test_a_server_joins_no_planner_that_takes_no_tools() -> None:
    class Mute:
        def plan(self, request: Request) -> Plan:
            raise NotImplementedError

        def plan_batch(self, requests: Sequence[Request]) -> list[Plan]:
            raise NotImplementedError

    connected = threads()
    with pytest.raises(ToolError, match="Mute cannot be given tools"):
        register(Unison(Mute(), Router([])), foreign_server(), outputs=PICTURES)
    assert threads() == connected


def test_what_the_server_refuses_is_told(jobs: ServerTools) -> None:
    with pytest.raises(GenerationError, match=r"Odd Jobs: fail refused: .*because of rain\. Other"):
        call(jobs, "fail", reason="rain")


def test_a_picture_that_nobody_expected_is_told_how_to_be_expected() -> None:
    with ServerTools(foreign_server(), outputs={"weather": "image"}) as server:
        with pytest.raises(GenerationError, match=r'outputs=\{"text_to_image": "image"\}'):
            call(server, "odd_jobs_text_to_image", prompt="a leaf")
        with pytest.raises(GenerationError, match="weather gave words, expected a picture"):
            call(server, "weather", city="Wien")


def test_our_own_server_gives_its_clips() -> None:
    outputs: Mapping[str, Any] = {"text_to_video": "video", "text_to_image": "image"}
    with ServerTools(UnisonServer(echo_agent()), prefix="far", outputs=outputs) as server:
        names = [tool.name for tool in server.tools]
        assert "far_text_to_video" in names
        (clip,), _ = call(server, "far_text_to_video", prompt="it rolls", num_frames=5)
        assert clip.kind == "video"
        (drawn,), said = call(server, "far_text_to_image", prompt="a star", width=64, height=64)
        assert drawn.kind == "image"
        assert "artifacts" in (said or "")


# --- the connection ------------------------------------------------------------------------------------


def test_a_process_is_started_called_from_threads_and_ended(tmp_path: Path) -> None:
    before = threads()
    ended = tmp_path / "ended"
    said: list[str | None] = []
    with ServerTools([*PROGRAM, str(ended)]) as server:

        def ask(city: str) -> None:
            said.append(call(server, "weather", city=city)[1])

        asking = [threading.Thread(target=ask, args=(city,)) for city in ("Wien", "Graz")]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        waiting = ServerTools([*PROGRAM, str(ended)], timeout_seconds=0.5)
        with waiting, pytest.raises(GenerationError, match=r"gave nothing within 0\.5 seconds"):
            call(waiting, "wait", seconds=60)
    assert sorted(word or "" for word in said) == [
        "Graz: 1 days of 20 celsius",
        "Wien: 1 days of 20 celsius",
    ]
    for _ in range(100):
        if ended.exists():
            break
        time.sleep(0.1)
    assert ended.exists()
    assert threads() == before
    server.close()
    with pytest.raises(GenerationError, match="closed"):
        call(server, "weather", city="Wien")


def test_a_process_that_ends_is_told() -> None:
    with ServerTools(PROGRAM, timeout_seconds=30) as server:
        with pytest.raises(GenerationError, match=r"end failed|closed"):
            call(server, "end")
        with pytest.raises(GenerationError):
            call(server, "weather", city="Wien")


def test_a_server_is_called_over_http() -> None:
    with (
        serving(foreign_server().streamable_http_app()) as url,
        ServerTools(url, outputs=PICTURES) as server,
    ):
        assert call(server, "weather", city="Wien")[1] == "Wien: 1 days of 20 celsius"
        (drawn,), _ = call(server, "odd_jobs_text_to_image", prompt="a leaf")
        assert drawn.width == 32


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (["no-such-command-anywhere"], "no-such-command-anywhere cannot be reached"),
        ("http://user:secret@127.0.0.1:9/mcp", "http://127.0.0.1:9/mcp cannot be reached"),
        ("python server.py", "no address"),
        ([], "is empty"),
        (
            StdioServerParameters(
                command=sys.executable, args=["-c", "import time; time.sleep(9)"]
            ),
            "did not answer within 1 seconds",
        ),
    ],
)
def test_a_server_that_is_not_there_is_told(server: Any, told: str) -> None:
    before = threads()
    with pytest.raises(ToolError, match=told):
        ServerTools(server, connect_timeout_seconds=1)
    assert threads() == before
