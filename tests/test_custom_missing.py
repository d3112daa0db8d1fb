"""What a custom tool lacks: asked for by name, and only where the request cannot hold it."""

import itertools
import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import PIL.Image
import pytest
from admitting import admits, request
from pydantic import BaseModel, Field

from unison_agent import ImageHandle, MediaSet, Plan, Request, Stated, Unison, VideoHandle
from unison_agent.batch import plan_lines
from unison_agent.custom.tool import CustomTool, MediaHandle, custom_tool
from unison_agent.errors import MissingInputError, PlanningError
from unison_agent.planning.custom_grammar import custom_rules
from unison_agent.planning.custom_missing import lacking
from unison_agent.planning.plan_reading import read_plan
from unison_agent.planning.planner import Planner
from unison_agent.planning.request_schema import request_schema, written_form
from unison_agent.planning.stated import read_stated
from unison_agent.router import Router
from unison_agent.tasks import MediaKind
from unison_agent.testing import ScriptedWriter
from unison_agent.training.planning_data import name_attachments

RED = PIL.Image.new("RGB", (64, 64), (255, 0, 0))


class Crop(BaseModel):
    """Cut a region out of an image."""

    image: ImageHandle
    width: Stated[int] = Field(gt=0)
    shape: Stated[Literal["round", "square"]] | None = None


class Area(BaseModel):
    x: Stated[float] = Field(ge=0, le=100)
    image: ImageHandle | None = None


class Blend(BaseModel):
    """Blend pictures into one."""

    pictures: Annotated[list[ImageHandle], Field(min_length=2)]
    how: Stated[Literal["add", "multiply_all"]]


class Move(BaseModel):
    """Move what is in an area."""

    media: MediaHandle
    area: Area
    background: VideoHandle
    steps: Annotated[list[Stated[int]], Field(min_length=1)]


class Free(BaseModel):
    """Say something."""

    words: str
    times: int = 1
    pictures: list[ImageHandle] = []


def crop(wanted: Crop, media: MediaSet) -> PIL.Image.Image:
    return media.image(wanted.image).pil.crop((0, 0, wanted.width, wanted.width))


def says(wanted: BaseModel) -> str:
    return repr(wanted)


CROP = custom_tool(Crop, crop)
BLEND, MOVE, FREE = (custom_tool(model, says) for model in (Blend, Move, Free))
TOOLS = (CROP, BLEND, MOVE, FREE)


def lacks(tool: CustomTool, asked: Request) -> list[str]:
    found = lacking([tool], read_stated(asked.text), asked.attachments)
    return [name for lack in found for name, _ in lack.arguments]


@pytest.mark.parametrize(
    ("tool", "text", "kinds", "missing"),
    [
        (CROP, "crop this", (), ["image", "width"]),
        (CROP, "crop to 32", (), ["image"]),
        (CROP, "crop to 32", ("video",), ["image"]),
        (CROP, "crop this", ("image",), ["width"]),
        (CROP, "crop to 0.5", ("image",), ["width"]),
        (CROP, "crop to 32", ("image",), []),
        (CROP, "draw a star, then crop it to 32", (), ["image"]),
        (CROP, "draw a star, then crop it", ("image",), ["width"]),
        (BLEND, "add them", ("image",), ["pictures"]),
        (BLEND, "blend them", ("image", "image"), ["how"]),
        (BLEND, "multiply all of these", ("image", "image"), []),
        (MOVE, "move it", ("image",), ["area.x", "background", "steps"]),
        (MOVE, "move it by 120", ("video",), ["area.x"]),
        (MOVE, "move it by 20", ("video",), []),
        (FREE, "hello", (), []),
    ],
)
def test_what_is_lacking(
    tool: CustomTool, text: str, kinds: tuple[MediaKind, ...], missing: list[str]
) -> None:
    assert lacks(tool, request(text, *kinds)) == missing


def test_a_tool_lacks_something_exactly_where_no_plan_can_begin_with_it() -> None:
    texts = ("crop this", "to 32", "32 and 120, add", "a star, then crop it to 7", "multiply all")
    media: tuple[MediaKind, ...] = ("image", "video")
    several = [many for n in range(4) for many in itertools.combinations_with_replacement(media, n)]
    seen: set[bool] = set()
    for tool, text, kinds in itertools.product(TOOLS, texts, several):
        asked = request(text, *kinds)
        stated = read_stated(text)
        handles: dict[MediaKind, list[tuple[str, str]]] = {
            kind: [(one.handle, "") for one in asked.attachments if one.kind == kind]
            + ([("step_1", "bit_set(0)")] if stated.several else [])
            for kind in media
        }
        first = custom_rules([tool], stated, handles)
        begins = first.first and bool(first.lines)
        assert begins is not bool(lacks(tool, asked)), (tool.name, text, kinds)
        seen.add(begins)
    assert seen == {True, False}


def test_a_plan_asks_for_what_a_tool_lacks_in_a_sentence() -> None:
    asked = request("crop this")
    plan = read_plan(asked, '{"tool":"crop","needs_input":"image"}', tools=TOOLS)
    assert plan.missing is not None
    assert plan.missing.slot == "crop.image"
    assert plan.missing.question == (
        "The tool crop wants an image: please attach one."
        " It also wants a whole number above 0 for width: please say it."
    )
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    asking: list[tuple[CustomTool, str, tuple[MediaKind, ...], str]] = [
        (BLEND, "add", ("image",), "The tool blend wants 2 images for pictures: please attach one."),
        (BLEND, "mix", ("image", "image"), "The tool blend wants how to be add or multiply all: please say it."),
        (MOVE, "move by 3", (), "The tool move wants an image or a video and a video for background: please attach them."),
        (MOVE, "move", ("video",), "The tool move wants a number from 0 up to 100 for area x and a whole number for steps: please say them."),
    ]  # fmt: skip
    for tool, text, kinds, question in asking:
        (lack,) = lacking([tool], read_stated(text), name_attachments(kinds))
        assert lack.missing().question == question


def test_grammar_and_reader_ask_only_where_something_is_lacking() -> None:
    cases: list[tuple[str, tuple[MediaKind, ...], str, bool]] = [
        ("crop this", (), '{"tool":"crop","needs_input":"image"}', True),
        ("crop this", (), '{"tool":"crop","needs_input":"width"}', False),  # one after the other
        ("crop this", ("image",), '{"tool":"crop","needs_input":"width"}', True),
        ("crop this", ("image",), '{"tool":"crop","needs_input":"image"}', False),
        ("crop to 32", ("image",), '{"tool":"crop","needs_input":"image"}', False),
        ("draw a star, then crop it to 32", (), '{"tool":"crop","needs_input":"image"}', True),
        ("crop this", (), '{"tool":"crop","needs_input":"shape"}', False),
        ("crop this", (), '{"tool":"free","needs_input":"words"}', False),
        ("crop this", (), '{"tool":"erase","needs_input":"image"}', False),
        ("crop this", (), '{"needs_input":"crop.image"}', False),
        ("move", ("video",), '{"tool":"move","needs_input":"area.x"}', True),
        ("move", ("video",), '{"needs_input":"source"}', True),
    ]
    for text, kinds, written, expected in cases:
        asked = request(text, *kinds)
        assert admits(asked, written, TOOLS) is expected, written
        if expected:
            assert read_plan(asked, written, tools=TOOLS).missing is not None
        else:
            with pytest.raises(PlanningError, match="needs_input"):
                read_plan(asked, written, tools=TOOLS)
    with pytest.raises(PlanningError, match=r"these are: crop.width, blend.pictures, move.area.x"):
        read_plan(request("crop", "image"), '{"tool":"crop","needs_input":"image"}', tools=TOOLS)


def test_a_model_that_is_asked_by_schema_names_the_slot() -> None:
    asked = request("crop this")
    schema = request_schema(asked, TOOLS)
    named = json.dumps(schema)
    for slot in ("crop.image", "blend.pictures", "move.media"):
        assert f'"{slot}"' in named
    assert '"crop.image"' not in json.dumps(request_schema(request("crop to 32", "image"), TOOLS))
    answer = written_form('{"steps": [], "needs_input": "crop.image"}')
    assert answer == '{"tool": "crop", "needs_input": "image"}'
    missing = read_plan(asked, answer, tools=TOOLS).missing
    assert missing is not None
    assert missing.slot == "crop.image"
    nested = written_form('{"steps": [], "needs_input": "move.area.x"}')
    assert json.loads(nested) == {"tool": "move", "needs_input": "area.x"}


def agent(*texts: object) -> Unison:
    written = [json.dumps(text) for text in texts]
    return Unison(Planner(ScriptedWriter(*written), tools=TOOLS), Router([], custom=TOOLS))


def test_what_is_lacking_is_asked_for_when_it_is_run() -> None:
    with pytest.raises(MissingInputError) as caught:
        agent({"tool": "crop", "needs_input": "image"}).run("crop this to 32")
    assert caught.value.slot == "crop.image"
    assert "The tool crop wants an image: please attach one." in str(caught.value)


def test_a_line_of_a_batch_says_the_slot() -> None:
    planner = Planner(ScriptedWriter({"tool": "crop", "needs_input": "image"}), tools=TOOLS)
    line = json.dumps({"id": 1, "request": "crop this to 32", "media": []}).encode()
    assert json.loads(plan_lines(line, planner).text) == {
        "id": 1,
        "task": "needs_input",
        "fields": {"slot": "crop.image"},
    }


def test_a_session_fills_it_with_what_was_seen_last() -> None:
    unison = agent(
        {"tool": "crop", "arguments": {"image": "image_1", "width": 32}},
        {"tool": "crop", "needs_input": "image"},
        {"tool": "crop", "arguments": {"image": "image_1", "width": 16}},
        {"tool": "crop", "needs_input": "image"},
        {"tool": "crop", "needs_input": "width"},
    )
    session = unison.session()
    session.run("crop to 32", [np.asarray(RED)])
    assert session.run("crop to 16").image.width == 16
    with pytest.raises(MissingInputError) as caught:  # a number was never seen
        session.run("crop")
    assert caught.value.slot == "crop.width"


def test_nano_asks_for_what_a_tool_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "examples"))
    import my_tools  # pyright: ignore[reportMissingImports]

    unison = Unison.from_pretrained("nano", tools=my_tools.ALL)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    missing = unison.plan("crop this to 32 by 32").missing
    assert missing is not None
    assert missing.slot == "crop.image"
    assert unison.plan("Draw a red star on a blue background").missing is None
    del sys.modules["my_tools"]
