import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast, get_args

import jsonschema
import pytest
from pydantic import BaseModel, Field, TypeAdapter

from unison_agent.custom.tool import CustomTool, ImageHandle, Stated, custom_tool
from unison_agent.errors import RequestError, ToolError
from unison_agent.functions import Format, Granularity, functions, in_format
from unison_agent.packs import load_pack
from unison_agent.tasks import TASKS

FORMATS: tuple[Format, ...] = get_args(Format)
PACK = load_pack("nano")


class Corner(BaseModel):
    x: int = Field(ge=0, multiple_of=2)
    y: Stated[int] | None


class Stamp(BaseModel):
    """Put a stamp on an image."""

    image: ImageHandle
    corner: Corner
    others: list[Corner] = []
    words: str | None = Field(default=None, max_length=20)
    look: Literal["round", "square"] | None = "round"
    turns: Literal[1, 2] = 1
    strength: float | bool = 0.5
    default: str = "x"


def stamp(wanted: Stamp) -> str:
    return wanted.default


STAMP = custom_tool(Stamp, stamp)


def tools(
    format: Format, granularity: Granularity = "both", *custom: CustomTool
) -> list[dict[str, Any]]:
    found = functions(PACK.tools, custom or (STAMP,), granularity)
    return [in_format(function, format) for function in found]


def schema_of(tool: Mapping[str, Any]) -> dict[str, Any]:
    inner = tool.get("function", tool)
    for key in ("parameters", "input_schema", "inputSchema"):
        if key in inner:
            return inner[key]
    return dict(inner)


def parts(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield schema
    for one in (*schema.get("properties", {}).values(), *schema.get("anyOf", ())):
        yield from parts(one)
    if "items" in schema:
        yield from parts(schema["items"])


@pytest.mark.parametrize("format", FORMATS)
def test_every_tool_of_every_format_is_a_valid_schema(format: Format) -> None:
    for tool in tools(format):
        schema = schema_of(tool)
        jsonschema.Draft202012Validator.check_schema(schema)
        for part in parts(schema):
            assert not part.keys() & {"default", "$ref", "$defs", "x-stated", "allOf"}
            assert ("x-media" in part) <= (format == "json_schema")


@pytest.mark.parametrize("format", FORMATS)
def test_schemas_are_the_same_in_every_process(format: Format) -> None:
    code = (
        "import json; from unison_agent.functions import *; from unison_agent.packs import load_pack;"
        f"print(json.dumps([in_format(f, {format!r}) for f in functions(load_pack('nano').tools)]))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = [in_format(one, format) for one in functions(PACK.tools)]
    assert said.stdout.strip() == json.dumps(ours)


def test_the_caller_chooses_how_many_tools_there_are() -> None:
    names = {
        granularity: [tool["title"] for tool in tools("json_schema", granularity)]
        for granularity in get_args(Granularity)
    }
    assert names["one"] == ["unison"]
    assert names["tasks"] == [*TASKS, "stamp"]
    assert names["both"] == ["unison", *TASKS, "stamp"]


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(RequestError, match="granularity must be"):
        functions(PACK.tools, (), cast("Granularity", "few"))
    with pytest.raises(RequestError, match="format must be one of openai"):
        in_format(functions(PACK.tools)[0], cast("Format", "yaml"))
    with pytest.raises(ToolError, match="name of the whole agent"):
        functions(PACK.tools, [custom_tool(Stamp, stamp, name="unison")])


def test_the_canonical_schema_says_what_the_models_and_the_tools_say() -> None:
    named = {tool["title"]: tool for tool in tools("json_schema", "tasks")}
    editing = named["image_editing"]
    assert editing["required"] == ["prompt", "source"]
    assert editing["additionalProperties"] is False
    assert "task" not in editing["properties"]
    assert editing["properties"]["source"]["x-media"] == "image"
    assert named["video_editing"]["properties"]["source"]["x-media"] == "video"
    assert named["video_editing"]["properties"]["mask"]["x-media"] == "any"
    assert named["image_understanding"]["required"] == ["question", "media"]
    width = editing["properties"]["width"]
    assert (width["type"], width["minimum"], width["maximum"]) == ("integer", 1, 1_000_000)
    assert width["description"] == "Pixels. Possible here: 64."
    assert named["image_reference_generation"]["properties"]["references"]["maxItems"] == 1
    for tool in named.values():
        assert all(one.get("description") for one in tool["properties"].values()) or (
            tool["title"] == "stamp"
        )


def test_a_custom_tool_keeps_its_own_schema() -> None:
    (own,) = [tool for tool in tools("json_schema", "tasks") if tool["title"] == "stamp"]
    assert own["required"] == ["image", "corner"]
    assert own["properties"]["corner"]["required"] == ["x"]
    assert own["properties"]["look"] == {"enum": ["round", "square"], "type": "string"}
    assert own["properties"]["default"] == {"type": "string"}
    assert "handle" in own["properties"]["image"]["description"]


@pytest.mark.parametrize("format", ["openai", "openai_responses"])
def test_strict_means_everything_required_and_nothing_forbidden(format: Format) -> None:
    for tool in tools(format):
        assert tool.get("function", tool)["strict"] is True
        for part in parts(schema_of(tool)):
            assert part.keys() <= {
                *("type", "description", "enum", "anyOf"),
                *("properties", "required", "additionalProperties", "items"),
            }
            if "properties" in part:
                assert part["required"] == list(part["properties"])
                assert part["additionalProperties"] is False
    (own,) = [one for one in tools("openai") if one["function"]["name"] == "stamp"]
    given = own["function"]["parameters"]["properties"]
    assert given["words"] == {"type": ["string", "null"], "description": "At most 20 characters"}
    assert given["look"]["enum"] == ["round", "square", None]
    assert given["corner"]["properties"]["x"]["description"] == "At least 0, a multiple of 2"
    assert given["others"]["anyOf"][1] == {"type": "null"}


def test_strict_schemas_are_what_the_openai_package_itself_would_send() -> None:
    from openai.lib._pydantic import _ensure_strict_json_schema
    from openai.types.chat import ChatCompletionFunctionToolParam
    from openai.types.responses import FunctionToolParam

    chat, responses = tools("openai"), tools("openai_responses")
    TypeAdapter(list[ChatCompletionFunctionToolParam]).validate_python(chat)
    TypeAdapter(list[FunctionToolParam]).validate_python(responses)
    for tool in (*chat, *responses):
        schema = schema_of(tool)
        copy = json.loads(json.dumps(schema))
        assert _ensure_strict_json_schema(copy, path=(), root=copy) == schema


def test_anthropic_takes_the_tools_and_would_change_nothing_in_their_limits() -> None:
    anthropic = pytest.importorskip("anthropic")
    from anthropic.types import ToolParam

    ours = tools("anthropic")
    TypeAdapter(list[ToolParam]).validate_python(ours)
    for tool in ours:
        theirs = anthropic.transform_schema(json.loads(json.dumps(tool["input_schema"])))
        for mine, other in zip(parts(tool["input_schema"]), parts(theirs), strict=True):
            assert mine.get("description") == other.get("description")
            assert mine.get("required") == other.get("required")
            assert mine.keys() - other.keys() <= {"type"}


def test_gemini_takes_the_declarations() -> None:
    types = pytest.importorskip("google.genai.types")
    for tool in tools("gemini"):
        declared = types.FunctionDeclaration.model_validate(tool)
        assert declared.name == tool["name"]
        for part in parts(tool["parameters"]):
            types.Schema.model_validate(part)
            assert "additionalProperties" not in part
            assert all(isinstance(word, str) for word in part.get("enum", ()))
    (own,) = [tool for tool in tools("gemini") if tool["name"] == "stamp"]
    assert own["parameters"]["properties"]["turns"]["description"] == "One of 1, 2."
