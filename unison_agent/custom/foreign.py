"""Makes of a JSON Schema that others wrote one that a plan can be closed over; it knows no server and no grammar.

What a grammar cannot hold is let go, since whoever wrote the schema checks the arguments anyway. Numbers, and words
to choose from that may be left out, come from the request alone, so that nothing is made up.
"""

from collections.abc import Iterable, Mapping
from typing import cast

from unison_agent.custom.schema import KEYWORDS, Schema, read_arguments_schema
from unison_agent.errors import ToolError

_NOTHING: Schema = {}  # a schema over which nothing can be closed
_SAID = ("title", "description")
_MEDIA = {"image/png": "image", "image/*": "image", "video/mp4": "video", "video/*": "video"}


def closable(tool: str, schema: Schema) -> tuple[Schema, Mapping[str, str]]:
    """Return a schema of arguments that `custom_tool` takes, and why which arguments were left out of it.

    A string of base64 (``contentEncoding``) whose ``contentMediaType`` is that of PNG or MP4 becomes the handle of
    a medium.

    Args:
        tool: The tool's name, for messages.
        schema: JSON Schema of an object.

    Raises:
        ToolError: An argument that must be given cannot be held.
    """
    required = list(cast("Iterable[str]", schema.get("required") or ()))
    shared = {key: _each(schema[key]) for key in ("$defs", "definitions") if key in schema}
    kept: dict[str, Schema] = {}
    left_out: dict[str, str] = {}
    for name, given in _named(schema.get("properties")).items():
        part = _loosened(given)
        if name not in required:
            part = _stated_choice(part)
        try:
            read_arguments_schema(tool, {"type": "object", "properties": {name: part}, **shared})
        except ToolError as error:
            if name in required:
                raise
            left_out[name] = error.message
        else:
            kept[name] = part
    closed: Schema = {"type": "object", "properties": kept, "required": required, **shared}
    read_arguments_schema(tool, closed)  # what is required may not be described at all
    return closed, left_out


def _loosened(schema: object) -> Schema:
    """Return a schema without the keywords that a grammar cannot hold."""
    if not isinstance(schema, Mapping):
        return _NOTHING
    given = cast("Schema", schema)
    said = {key: given[key] for key in _SAID if key in given}
    if "contentEncoding" in given:
        kind = _MEDIA.get(str(given.get("contentMediaType")))
        is_medium = given["contentEncoding"] == "base64" and kind is not None
        return {"type": "string", "x-media": kind, **said} if is_medium else _NOTHING
    if "$ref" in given:
        return {"$ref": given["$ref"], **said}
    for union in ("anyOf", "oneOf", "allOf"):
        options = given.get(union)
        if isinstance(options, list):
            several = [_loosened(one) for one in cast("list[object]", options)]
            if len([one for one in several if one != {"type": "null"}]) > 1:
                several = [_without_stated(one) for one in several]
            return {"allOf" if union == "allOf" else "anyOf": several, **said}
    if "enum" in given or "const" in given:
        return {key: given[key] for key in ("type", "enum", "const") if key in given} | said
    kind = given.get("type") or _type(given)
    word = next((one for one in _types(kind) if one != "null"), None)
    known = KEYWORDS.get(str(word), frozenset())
    loose: dict[str, object] = {"type": kind, **said}
    for key in known & given.keys():
        match key:
            case "properties":
                loose[key] = _each(given[key])
            case "items":
                loose[key] = _loosened(given[key])
            case "additionalProperties" if given.get("properties"):
                pass  # more could be given, but nothing says what
            case "multipleOf" | "x-stated" | "x-media":
                pass
            case _:
                loose[key] = given[key]
    if word in ("integer", "number"):
        loose["x-stated"] = True
    return loose


def _each(schemas: object) -> dict[str, Schema]:
    return {name: _loosened(one) for name, one in _named(schemas).items()}


def _named(schemas: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", schemas) if isinstance(schemas, Mapping) else {}


def _type(schema: Schema) -> str | None:
    return "object" if "properties" in schema else "array" if "items" in schema else None


def _types(kind: object) -> list[object]:
    return cast("list[object]", kind) if isinstance(kind, list) else [kind]


def _without_stated(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "x-stated"}


def _stated_choice(schema: Schema) -> Schema:
    """Return a schema whose words to choose from must be said in the request."""
    options = schema.get("anyOf")
    if isinstance(options, list):
        several = cast("list[Schema]", options)
        if len(several) == 2 and {"type": "null"} in several:
            return {**schema, "anyOf": [_stated_choice(one) for one in several]}
    words = schema.get("enum")
    if isinstance(words, list):
        known = [one for one in cast("list[object]", words) if one is not None]
        if known and all(isinstance(one, str) for one in known):
            return {**schema, "x-stated": True}
    return schema
