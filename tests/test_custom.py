import json
import random
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
import PIL.Image
import pytest
from admitting import TOKENS, admits, request
from llguidance import LLMatcher
from pydantic import BaseModel, Field, JsonValue

from unison_agent.agent import Unison
from unison_agent.custom.fields import ChoiceField, FreeField, ListField, NumberField, ObjectField
from unison_agent.custom.tool import (
    CustomTool,
    ImageHandle,
    MediaHandle,
    Stated,
    VideoHandle,
    check_names,
    custom_tool,
)
from unison_agent.errors import (
    GenerationError,
    MissingInputError,
    PlanningError,
    RequestError,
    RunCancelledError,
    ToolError,
)
from unison_agent.explain import Explanation
from unison_agent.media import Image, MediaSet, Video
from unison_agent.planning.custom_reading import said_choices
from unison_agent.planning.grammar import request_grammar
from unison_agent.planning.plan_reading import read_plan
from unison_agent.planning.planner import Planner, prompt_text
from unison_agent.planning.stated import read_stated
from unison_agent.progress import ProgressEvent
from unison_agent.result import Result
from unison_agent.router import Router
from unison_agent.tasks import CustomCall, GrantedCustom, MediaKind, Plan, Request
from unison_agent.testing import ScriptedWriter

RED = PIL.Image.new("RGB", (64, 64), (255, 0, 0))


class Crop(BaseModel):
    """Cut a region out
    of an image.

    This is not for the planner.
    """

    image: ImageHandle
    width: Stated[int] = Field(ge=1)
    height: Stated[int] = Field(ge=1)
    shape: Literal["round", "rectangular"] | None = None


def crop(wanted: Crop, media: MediaSet) -> PIL.Image.Image:
    return media.image(wanted.image).pil.crop((0, 0, wanted.width, wanted.height))


class Look(BaseModel):
    """Apply a look."""

    media: list[MediaHandle] = Field(max_length=3)
    strength: float = Field(default=0.5, ge=0, le=1)
    amount: Stated[float] | None = Field(default=None, lt=1000)
    tint: Stated[Literal["dark_red", "blue"]] | None = None
    title: str | None = Field(default=None, max_length=20)
    tags: list[Literal["warm", "cold"]] = []
    loud: bool = False


class Point(BaseModel):
    x: Stated[int]
    y: Stated[int] | None = None


class Mark(BaseModel):
    """Mark places."""

    where: Point
    also: list[Point] = Field(default=[], max_length=2)
    note: str = Field(min_length=3)
    level: int | None


def answer(wanted: BaseModel) -> str:
    return wanted.model_dump_json()


def gives(made: object) -> Callable[[object], object]:
    """A function that always returns the same."""

    def give(wanted: object) -> object:
        del wanted
        return made

    return give


CROP = custom_tool(Crop, crop)
LOOK = custom_tool(Look, gives(RED), output="image")
MARK = custom_tool(Mark, answer)
TOOLS = (CROP, LOOK, MARK)


def written(tool: str, arguments: Mapping[str, object], then: object = None) -> str:
    document = {"tool": tool, "arguments": arguments, **({} if then is None else {"then": then})}
    return json.dumps(document, separators=(",", ":"))


def reads(asked: Request, text: str, tools: Sequence[CustomTool] = TOOLS) -> bool:
    """Whether the text is read as a plan."""
    try:
        read_plan(asked, text, tools=tools)
    except PlanningError:
        return False
    return True


def agent(*texts: Mapping[str, object] | str, tools: Sequence[CustomTool] = TOOLS) -> Unison:
    return Unison(Planner(ScriptedWriter(*texts), tools=tools), Router([], custom=tools))


def cropping(width: int = 32, height: int = 16, image: str = "image_1") -> dict[str, Any]:
    return {"tool": "crop", "arguments": {"image": image, "width": width, "height": height}}


# --- definitions -------------------------------------------------------------------------------------


def test_a_tool_is_read_off_its_model_and_its_function() -> None:
    assert (CROP.name, CROP.description, CROP.output) == (
        "crop",
        "Cut a region out of an image.",
        "image",
    )
    assert [(one.name, one.required) for one in CROP.parameters.arguments] == [
        ("image", True),
        ("width", True),
        ("height", True),
        ("shape", False),
    ]
    assert (MARK.output, LOOK.output) == ("text", "image")
    assert custom_tool(Crop, crop, name="cut", description="Cuts.").name == "cut"

    class HTTPFetchPage(BaseModel):
        url: str

    def fetch(wanted: HTTPFetchPage) -> list[Video]:
        """Fetch a page."""
        del wanted
        return []

    tool = custom_tool(HTTPFetchPage, fetch)
    assert (tool.name, tool.description, tool.output) == (
        "http_fetch_page",
        "Fetch a page.",
        "video",
    )


def test_types_of_python_become_fields() -> None:
    class Size(Enum):
        small = "small"
        large = "large"

    class Everything(BaseModel):
        size: Size = Size.small
        kind: Literal["only"] = "only"
        number: int | float = 1
        level: Annotated[Stated[int], Field(gt=2, le=9)] = 3
        big: int = Field(default=0, ge=2_000_000_000)
        clips: list[VideoHandle] = Field(default=[], min_length=1)

    tool = custom_tool(Everything, answer, description="All.")
    fields = {one.name: one.field for one in tool.parameters.arguments}
    assert fields["size"] == FreeField('{"enum": ["small", "large"]}')
    assert fields["kind"] == FreeField('{"enum": ["only"]}')
    assert fields["level"] == NumberField(whole=True, above=2, highest=9)
    assert cast("ListField", fields["clips"]).least == 1
    big = json.loads(cast("FreeField", fields["big"]).schema)
    assert big["minimum"] < big["maximum"]
    assert admits(
        request("x"), written("everything", {"number": 2.5, "big": 2_000_000_001}), (tool,)
    )
    assert not admits(request("x"), written("everything", {"big": 1}), (tool,))


def test_a_bare_schema_does_as_well() -> None:
    schema = {
        "title": "Resize image",
        "description": "Make an image smaller.",
        "type": "object",
        "properties": {
            "picture": {"type": "string", "x-media": "image"},
            "to": {"$ref": "#/$defs/side"},
            "how": {"enum": ["fit", "fill"]},
            "mode": {"type": ["string", "null"]},
        },
        "required": ["picture", "to", "mode"],
        "additionalProperties": False,
        "$defs": {"side": {"type": "integer", "minimum": 1, "x-stated": True}},
    }
    got: list[dict[str, JsonValue]] = []

    def resize(wanted: dict[str, JsonValue], media: MediaSet) -> Image:
        got.append(wanted)
        return media.image(cast("str", wanted["picture"]))

    tool = custom_tool(schema, resize)
    assert tool.name == "resize_image"
    fit = {"picture": "image_1", "to": 32, "how": "fit"}
    call = {"tool": "resize_image", "arguments": fit}
    result = agent(call, tools=[tool]).run("fit this into 32", [RED])
    assert result.image == Image.from_pil(RED)
    assert got == [{"picture": "image_1", "to": 32, "how": "fit", "mode": None}]
    with pytest.raises(PlanningError, match="how: 'crop' is not one of"):
        read_plan(
            request("32", "image"), written("resize_image", {**fit, "how": "crop"}), tools=[tool]
        )


NOT_CLOSED: list[tuple[dict[str, object], str]] = [
    ({"a": {"type": "string", "pattern": "^x$"}}, "arguments.a uses pattern"),
    ({"a": {"type": "string", "format": "date"}}, "uses format"),
    ({"a": {"oneOf": [{"type": "integer"}]}}, "uses oneOf"),
    ({"a": {"type": "object", "additionalProperties": {"type": "string"}}}, "does not list"),
    ({"a": {"type": "array"}}, "what its items are"),
    ({"a": {"type": "array", "prefixItems": [{}]}}, "uses prefixItems"),
    ({"a": {"type": "array", "items": {"type": "integer"}, "minItems": 9}}, "minItems 9"),
    ({"a": {}}, "the type None"),
    ({"a": {"type": "null"}}, "the type 'null'"),
    ({"a": {"enum": []}}, "an enum without values"),
    ({"a": {"enum": [1, 2], "x-stated": True}}, "not all of its values are words"),
    ({"a": {"type": "string", "x-media": "sound"}}, "x-media 'sound'"),
    ({"a": {"type": "string", "x-stated": True}}, "uses x-stated"),
    ({"a": {"type": "string", "maxLength": 0}}, "no words"),
    ({"a": {"type": "integer", "x-stated": True, "multipleOf": 8}}, "multipleOf"),
    ({"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}, "several types"),
    ({"a": {"$ref": "#/$defs/none"}}, "not in the schema"),
    ({"a": {"$ref": "http://example.org/a"}}, "not in the schema"),
    ({"a": {"$ref": "#/properties/a"}}, "refers to itself"),
    ({"a b": {"type": "boolean"}}, "other signs"),
]


@pytest.mark.parametrize(("properties", "said"), NOT_CLOSED)
def test_what_no_grammar_can_be_closed_over_is_refused_at_once(
    properties: dict[str, object], said: str
) -> None:
    schema = {"type": "object", "properties": properties}
    with pytest.raises(ToolError) as caught:
        custom_tool(schema, answer, name="tool", description="A tool.", output="text")
    assert said in str(caught.value)
    assert str(caught.value).startswith("tool: arguments")


class Tree(BaseModel):
    """A tree."""

    left: "Tree | None" = None


class Pixels(BaseModel, arbitrary_types_allowed=True):
    """Pixels."""

    image: Image


def test_definitions_that_lack_something() -> None:
    def nothing(wanted: object) -> None: ...
    def either(wanted: object) -> Image | Video: ...
    def three(wanted: object, media: object, more: object) -> str: ...
    def in_words(wanted: object) -> None: ...
    def unknown(wanted: object) -> None: ...

    in_words.__annotations__["return"] = "an image"
    unknown.__annotations__["return"] = "PIL.Nothing"
    for wrong, said in (
        (
            lambda: custom_tool({"type": "object"}, answer, name="t"),
            "description",
        ),
        (lambda: custom_tool({"type": "string"}, answer, name="t", description="x"), "object"),
        (lambda: custom_tool({"type": 3}, answer), "not valid"),
        (lambda: custom_tool(cast("Any", "Crop"), crop), "pydantic model or a JSON Schema"),
        (lambda: custom_tool(Crop, crop, name="Crop it"), "'Crop it'"),
        (lambda: custom_tool(Crop, crop, name="image_editing"), "the name of a task"),
        (lambda: custom_tool(Crop, crop, description="x" * 201), "1 to 200 characters"),
        (lambda: custom_tool(Crop, nothing), "what it makes"),
        (lambda: custom_tool(Crop, either), "what it makes"),
        (lambda: custom_tool(Crop, in_words), "what it makes"),
        (lambda: custom_tool(Crop, unknown), "what it makes"),
        (lambda: custom_tool(Crop, three), "(arguments, media)"),
        (lambda: custom_tool(Tree, answer), "nested deeper"),
        (lambda: custom_tool(Pixels, answer), "has no JSON Schema"),
        (
            lambda: custom_tool(
                {"type": "object", "properties": {}, "required": ["a"]},
                answer,
                name="t",
                description="x",
            ),
            "requires a",
        ),
    ):
        with pytest.raises(ToolError) as caught:
            wrong()
        assert said in str(caught.value)


def test_names_are_unique() -> None:
    with pytest.raises(ToolError, match="Two tools are named crop"):
        check_names([CROP, LOOK, CROP])
    for make in (lambda: Router([], custom=[CROP, CROP]), lambda: agent({}, tools=[CROP, CROP])):
        with pytest.raises(ToolError, match="named crop"):
            make()


# --- planning ----------------------------------------------------------------------------------------


def test_the_prompt_lists_the_tools() -> None:
    asked = request("crop this to 32 by 16", "image")
    assert prompt_text(asked, (CROP, MARK)) == (
        "attachments: image_1\ntools: crop: Cut a region out of an image.; mark: Mark places.\n"
        "crop this to 32 by 16"
    )
    assert prompt_text(asked) == "attachments: image_1\ncrop this to 32 by 16"


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("crop", {"image": "image_1", "width": 32, "height": 16}, True),
        ("crop", {"image": "image_2", "width": 16, "height": 16, "shape": "round"}, True),
        ("crop", {"image": "image_3", "width": 32, "height": 16}, False),
        ("crop", {"image": "video_1", "width": 32, "height": 16}, False),
        ("crop", {"image": "step_1", "width": 32, "height": 16}, False),
        ("crop", {"image": "image_1", "width": 33, "height": 16}, False),
        ("crop", {"image": "image_1", "width": 2.5, "height": 16}, False),
        ("crop", {"image": "image_1", "width": 32}, False),
        ("crop", {"image": "image_1", "width": 32, "height": 16, "shape": "star"}, False),
        ("crop", {"image": "image_1", "width": 32, "height": 16, "colour": "red"}, False),
        ("look", {"media": []}, True),
        ("look", {"media": ["image_1", "image_2", "video_1"]}, True),
        ("look", {"media": ["image_1", "image_1"]}, False),
        ("look", {"media": [], "strength": 0.25}, True),
        ("look", {"media": [], "strength": 1.5}, False),
        ("look", {"media": [], "amount": 2.5}, True),
        ("look", {"media": [], "amount": 3}, False),
        ("look", {"media": [], "tint": "dark_red"}, True),
        ("look", {"media": [], "tint": "blue"}, False),
        ("look", {"media": [], "title": 'my "dog"'}, True),
        ("look", {"media": [], "title": "my"}, True),
        ("look", {"media": [], "title": "y"}, False),
        ("look", {"media": [], "title": "your dog"}, False),
        ("look", {"media": [], "title": "with dark red light on"}, False),
        ("look", {"media": [], "tags": ["warm", "cold"], "loud": True}, True),
        ("look", {"media": [], "tags": ["hot"]}, False),
        ("look", {"media": [], "loud": "very"}, False),
        ("mark", {"where": {"x": 32}, "note": 'my "dog"'}, True),
        (
            "mark",
            {"where": {"x": 32, "y": 16}, "also": [{"x": 16}], "note": "with", "level": 7},
            True,
        ),
        ("mark", {"where": {"x": 31}, "note": "with"}, False),
        ("mark", {"where": {}, "note": "with"}, False),
        ("mark", {"where": {"x": 32}, "also": [{"x": 32}] * 3, "note": "with"}, False),
        ("mark", {"where": {"x": 32}, "note": "my"}, False),
        ("erase", {}, False),
    ],
)
def test_grammar_and_reader_hold_arguments_to_the_request(
    tool: str, arguments: dict[str, object], expected: bool
) -> None:
    asked = request(
        'my "dog" as 32 by 16 with dark red light on for 2.5 seconds', "image", "image", "video"
    )
    text = written(tool, arguments)
    assert admits(asked, text, TOOLS) is expected
    assert reads(asked, text) is expected


def test_a_tool_is_offered_only_where_the_request_holds_what_it_needs() -> None:
    call = json.dumps(cropping(), separators=(",", ":"))
    assert admits(request("crop to 32 by 16", "image"), call, TOOLS)
    assert not admits(request("crop to 32 by 16"), call, TOOLS)
    assert not admits(request("crop this", "image"), call, TOOLS)
    assert not admits(request("crop to 32 by 16", "image"), call, ())
    grammar = request_grammar("crop this", (), (CROP,))
    assert '\\"arguments\\"' not in grammar
    blank = custom_tool({"title": "blank", "type": "object", "properties": {}}, str, description="Nothing.", output="text")  # fmt: skip
    assert '\\"needs_input\\":\\"' not in request_grammar("crop this", (), (blank,))


@pytest.mark.parametrize(
    ("text", "kinds", "expected"),
    [
        ('{"task":"text_to_image","prompt":"a cat","then":CROP1}', (), True),
        ('{"task":"text_to_video","prompt":"a cat","then":CROP1}', (), False),
        ('{"task":"text_to_image","prompt":"a cat","then":CROP2}', (), False),
        ('{"task":"text_to_image","then":{"task":"text_to_image","then":CROP2}}', (), True),
        (written("mark", {"where": {"x": 32}, "note": "a cat"}, "CROP1"), (), False),
        (written("mark", {"where": {"x": 32}, "note": "a cat"}, "CROP0"), ("image",), True),
        ('{"tool":"look","arguments":{"media":[]},"then":CROP1}', (), True),
        (written("look", {"media": []}, {"task": "image_editing", "source": "step_1"}), (), True),
        (written("look", {"media": []}, {"task": "video_editing", "source": "step_1"}), (), False),
        (
            written("look", {"media": []}, {"tool": "look", "arguments": {"media": ["step_1"]}}),
            (),
            True,
        ),
        (written("look", {"media": ["step_1"]}), (), False),
    ],
)
def test_steps_go_from_and_to_tools_by_what_they_make(
    text: str, kinds: tuple[MediaKind, ...], expected: bool
) -> None:
    for number, name in enumerate(("image_1", "step_1", "step_2")):
        call = json.dumps(cropping(image=name), separators=(",", ":"))
        text = text.replace(f'"CROP{number}"', call).replace(f"CROP{number}", call)
    asked = request("draw a cat, then crop it to 32 by 16", *kinds)
    assert admits(asked, text, TOOLS) is expected
    assert reads(asked, text) is expected


def test_three_handles_of_which_two_are_needed() -> None:
    class Pair(BaseModel):
        """Two or more."""

        images: list[ImageHandle] = Field(min_length=2, max_length=3)

    pair = custom_tool(Pair, answer)
    asked = request("pair them", "image", "image", "image", "image")
    for images, expected in (
        (["image_1", "image_2"], True),
        (["image_3", "image_4"], True),
        (["image_1", "image_2", "image_4"], True),
        (["image_1", "image_2", "image_3", "image_4"], False),
        (["image_4"], False),
        (["image_2", "image_1"], False),
    ):
        assert admits(asked, written("pair", {"images": images}), (pair,)) is expected
    assert not admits(
        request("pair them", "image"), written("pair", {"images": ["image_1"]}), (pair,)
    )


def scribble(asked: Request, seed: int) -> str:
    """Write under the grammar by chance, byte by byte."""
    chance = random.Random(seed)
    matcher = LLMatcher(TOKENS, request_grammar(asked.text, asked.attachments, TOOLS))
    # Straight to the tools: the tasks have tests of their own.
    matcher.consume_tokens(TOKENS.tokenize_str('{"tool":"'))
    out = bytearray(b'{"tool":"')
    while not matcher.is_stopped():
        bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.flatnonzero(np.unpackbits(bits, bitorder="little")).tolist()
        assert allowed, bytes(out)
        ends = [token for token in allowed if token >= 256 or token in b'}]"']
        token = chance.choice(ends if ends and chance.random() < 0.3 else allowed)
        if token >= 256:
            break
        matcher.consume_tokens([token])
        out.append(token)
        assert len(out) < 20_000
    return out.decode()


def test_whatever_the_grammar_lets_through_is_read() -> None:
    asked = request(
        'crop "it" to 32 by 16, then mark 7 dark red cats at 2.5', "image", "image", "video"
    )
    tools: set[str] = set()
    for seed in range(150):
        plan = read_plan(asked, scribble(asked, seed), tools=TOOLS)
        tools |= {call.tool for call in plan.steps if isinstance(call, CustomCall)}
        for call in plan.steps:
            if isinstance(call, CustomCall):
                assert CustomCall.model_validate_json(call.model_dump_json()) == call
    assert tools == {"crop", "look", "mark"}


def test_evidence_says_where_values_come_from() -> None:
    text = 'crop "it" to 32 by 32, dark red'
    call = {"where": {"x": 32}, "note": '"it"', "level": None}
    plan = read_plan(request(text), written("mark", call), tools=TOOLS)
    assert plan.steps == (CustomCall(tool="mark", arguments={"where": {"x": 32}, "note": '"it"'}),)
    assert {(one.field, text[one.start : one.end]) for one in plan.evidence} == {
        ("where.x", "32"),
        ("note", '"it"'),
    }
    plan = read_plan(request(text, "image"), json.dumps(cropping(32, 32)), tools=TOOLS)
    assert [(one.field, one.start) for one in plan.evidence] == [("width", 13), ("height", 19)]
    plan = read_plan(request(text), written("look", {"media": [], "tint": "dark_red"}), tools=TOOLS)
    assert [(one.field, text[one.start : one.end]) for one in plan.evidence] == [
        ("tint", "dark red")
    ]


def test_choices_keep_their_places_beside_letters_that_grow_in_lower_case() -> None:
    stated = read_stated("\u0130ki kedi, Dark Red")
    tints = ChoiceField(("dark_red", "blue", ""))
    assert said_choices(tints, stated) == {"dark_red": ((10, 18),)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"tool":"erase","arguments":{}}',
            "tool must be a tool, got 'erase'; there: crop, look, mark",
        ),
        ('{"tool":["crop"],"arguments":{}}', "tool must be a tool, got ['crop']"),
        ('{"tool":"crop"}', "arguments: Field required"),
        ('{"tool":"crop","arguments":[]}', "arguments"),
        ('{"tool":"crop","arguments":{},"task":"text_to_image"}', "task"),
        (json.dumps(cropping(99)), "crop: width must be what the request says, got 99"),
        (json.dumps(cropping(0)), "crop: width: Input should be greater than or equal to 1"),
        (
            json.dumps(cropping(image="image_2")),
            "image must be the handle of one image, got 'image_2'",
        ),
        ('{"tool":"look","arguments":{"media":"image_1"}}', "media: Input should be a valid list"),
    ],
)
def test_what_is_no_call_is_refused_with_what_was_written(text: str, said: str) -> None:
    with pytest.raises(PlanningError, match="no usable plan") as caught:
        read_plan(request("crop to 32 by 16", "image"), text, tools=TOOLS)
    assert said in str(caught.value)


# --- running -----------------------------------------------------------------------------------------


def test_a_request_is_planned_and_run_on_a_tool(tmp_path: Path) -> None:
    told: list[ProgressEvent] = []
    unison = agent(cropping())
    planned = unison.plan("crop this to 32 by 16", [RED])
    assert repr(planned) == "step_1: crop(image='image_1', width=32, height=16)"
    assert "run crop (image image_1, width 32, height 16)" in str(Explanation(planned.plan))
    result = unison.run(planned, progress=told.append)
    assert (result.image.width, result.image.height) == (32, 16)
    assert [(event.stage, event.done) for event in told] == [("tool", 0), ("tool", 1)]
    assert result.timings.tool_seconds > 0
    assert result.granted == GrantedCustom(output="custom", tool="crop", num_outputs=1)
    assert result.adjustments == ()
    assert result.summary().startswith("1. crop: 32x16")
    record = result.artifacts[0].record
    assert (record.handle, record.weights) == ("step_1", ())
    assert json.loads(result.to_json())["steps"][0]["call"] == cropping()
    path = result.save(tmp_path / "cropped.png")
    assert isinstance(path, Path)
    loaded = Result.load(path)
    assert loaded.plan == result.plan
    assert unison.run(loaded.plan, [RED]).image == result.image
    assert unison.custom_tools() == TOOLS


def test_steps_see_each_other(tmp_path: Path) -> None:
    looked = {"tool": "look", "arguments": {"media": ["image_1"]}, "then": cropping(image="step_1")}
    result = agent(looked).run("make it nice, then crop it to 32 by 16", [RED])
    assert [one.handle for one in result.artifacts] == ["step_1", "step_2"]
    assert [one.handle for one in result.outputs] == ["step_2"]
    assert result.image.width == 32
    assert result.save(tmp_path / "out.png") == tmp_path / "out.png"


class Empty(BaseModel):
    """Do it."""


def clip() -> Video:
    return Video.from_frames([RED, RED], 8)


@pytest.mark.parametrize(
    ("output", "made", "handles", "text"),
    [
        ("text", "hello", [], "hello"),
        ("text", ["a", "b"], [], "a\nb"),
        ("image", RED, ["step_1"], None),
        ("image", Image.from_pil(RED), ["step_1"], None),
        ("image", (RED, "red", RED), ["step_1_1", "step_1_2"], "red"),
        ("video", clip(), ["step_1"], None),
    ],
)
def test_what_a_function_may_return(
    output: Any, made: object, handles: list[str], text: str | None
) -> None:
    tool = custom_tool(Empty, gives(made), output=output)
    result = agent({"tool": "empty", "arguments": {}}, tools=[tool]).run("do it")
    assert [one.handle for one in result.artifacts] == handles
    assert result.text == text


@pytest.mark.parametrize(
    ("output", "made", "said"),
    [
        ("image", None, "returned NoneType; expected an Image, a Pillow image, or several"),
        ("image", "red", "returned only words"),
        ("image", [], "returned nothing"),
        ("image", clip(), "returned Video; expected an Image"),
        ("video", RED, "returned Image; expected a Video, or several"),
        ("text", RED, "returned Image; expected a str"),
        ("text", {"a": 1}, "returned dict"),
    ],
)
def test_what_a_function_may_not_return(output: Any, made: object, said: str) -> None:
    tool = custom_tool(Empty, gives(made), output=output)
    with pytest.raises(GenerationError, match="The tool empty returned") as caught:
        agent({"tool": "empty", "arguments": {}}, tools=[tool]).run("do it")
    assert said in str(caught.value)


def test_a_function_that_fails_or_stops() -> None:
    def fail(wanted: Empty) -> str:
        raise OSError("the disk is full")

    def refuse(wanted: Empty) -> str:
        raise GenerationError("too dark")

    def stop(wanted: Empty) -> str:
        raise RunCancelledError("enough")

    call: dict[str, object] = {"tool": "empty", "arguments": {}}
    with pytest.raises(GenerationError, match="The tool empty failed: OSError: the disk is full"):
        agent(call, tools=[custom_tool(Empty, fail)]).run("do it")
    with pytest.raises(GenerationError, match="The tool empty failed: GenerationError: too dark"):
        agent(call, tools=[custom_tool(Empty, refuse)]).run("do it")
    with pytest.raises(RunCancelledError):
        agent(call, tools=[custom_tool(Empty, stop)]).run("do it")


def test_a_plan_of_ones_own_is_checked_before_anything_runs() -> None:
    ran: list[object] = []

    def note(wanted: Empty) -> str:
        ran.append(wanted)
        return "ran"

    tools = (*TOOLS, custom_tool(Empty, note))
    first = CustomCall(tool="empty", arguments={})

    def run(call: CustomCall, media: Sequence[PIL.Image.Image] = ()) -> None:
        plan = Plan(request=Request(text="do it"), steps=(first, call))
        agent({}, tools=tools).run(plan, media)

    with pytest.raises(RequestError, match="No custom tool erase is registered; registered: crop"):
        run(CustomCall(tool="erase", arguments={}))
    with pytest.raises(
        RequestError, match="crop cannot be called like this: height: Field required"
    ):
        run(CustomCall(tool="crop", arguments={"image": "image_1", "width": 3}))
    call = CustomCall.model_validate(cropping(99, 1))
    with pytest.raises(
        RequestError, match="crop names image_1 as its image; the handles are: none"
    ):
        run(call)
    with pytest.raises(RequestError, match="names step_1 as its image; the handles are: image_1"):
        run(CustomCall.model_validate(cropping(image="step_1")), [RED])
    assert ran == []
    run(call, [RED])  # one's own plan may hold what nobody said
    assert ran == [Empty()]


def test_what_is_missing_is_still_asked_for() -> None:
    with pytest.raises(MissingInputError):
        agent({"needs_input": "source"}).run("crop this to 32 by 16")


def test_fields_are_frozen_and_schemas_are_objects() -> None:
    assert isinstance(CROP.parameters, ObjectField)
    assert CROP.schema["type"] == "object"
    with pytest.raises(AttributeError):
        CROP.name = "other"  # pyright: ignore[reportAttributeAccessIssue]


# --- tools for an agent that is there ------------------------------------------------------------------


def test_an_agent_is_given_more_tools_before_its_model_is_loaded() -> None:
    plain = Unison.from_pretrained("nano")
    helped = plain.with_tools([CROP])
    assert [tool["name"] for tool in helped.tools(format="mcp")][-1] == "crop"
    assert plain.custom_tools() == ()
    with pytest.raises(ToolError, match="Two tools are named crop"):
        helped.with_tools([CROP])


def test_a_planner_that_writes_signal_tokens_is_given_no_tools() -> None:
    with pytest.raises(ToolError, match="signal tokens cannot call 'crop'"):
        Unison.from_pretrained("wan-vace").with_tools([CROP])


async def crop_later(wanted: Point) -> str:
    return str(wanted)


def in_words(wanted: Point) -> str:
    return str(wanted)


def test_what_is_no_tool_is_told_as_such() -> None:
    tool = custom_tool(Point, in_words, name="point", description="A point.", output="text")
    for wrong in (tool, [crop_later], 3):
        with pytest.raises(ToolError, match="tools is a list of what custom_tool returns"):
            check_names(wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ToolError, match="got the async function crop_later"):
        custom_tool(Point, crop_later, output="text")
