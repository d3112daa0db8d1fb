"""One function's schema as each API wants it; it knows neither tools nor calls.

- ``json_schema``: the schema itself (2020-12), with the name as its title.
- ``openai``, ``openai_responses``: strict tools of Chat Completions and of Responses. Every argument is required
  and one that may be left out may be null; no keyword that a strict schema forbids somewhere.
- ``anthropic``: a tool of Messages. It is not marked strict: an API takes few optional arguments in all its
  strict tools together, and these have more.
- ``gemini``: a function declaration, in the part of OpenAPI 3.0 that it takes.
- ``mcp``: a tool as ``tools/list`` of the Model Context Protocol lists it.
"""

from collections.abc import Callable, Mapping
from typing import Literal, cast, get_args

from unison_agent.errors import RequestError
from unison_agent.functions.catalog import Function
from unison_agent.functions.closed import JsonSchema

Format = Literal["openai", "openai_responses", "anthropic", "gemini", "mcp", "json_schema"]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "above {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matching {}",
    "examples": "e.g. {}",
}
_OURS = frozenset({"x-media"})
_LENGTHS = frozenset({"minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength"})
_UNTOLD = {"minLength": 1, "minItems": 0}  # what needs no words


def in_format(function: Function, format: Format) -> JsonSchema:
    """Return a function as an API lists its tools.

    Raises:
        RequestError: No such format.
    """
    name, said, schema = function.name, function.description, function.schema
    match format:
        case "openai":
            strict = {"name": name, "description": said, "parameters": _strict(schema)}
            return {"type": "function", "function": {**strict, "strict": True}}
        case "openai_responses":
            head: JsonSchema = {"type": "function", "name": name, "description": said}
            return {**head, "parameters": _strict(schema), "strict": True}
        case "anthropic":
            return {"name": name, "description": said, "input_schema": _told(schema)}
        case "gemini":
            return {"name": name, "description": said, "parameters": _openapi(schema)}
        case "mcp":
            return {"name": name, "description": said, "inputSchema": _without(schema, _OURS)}
        case "json_schema":
            return {"$schema": DIALECT, "title": name, "description": said, **schema}
        case _:  # pyright: ignore[reportUnnecessaryComparison] - users are untyped
            msg = f"format must be one of {', '.join(get_args(Format))}, got {format!r}."
            raise RequestError(msg)


def _parts(schema: JsonSchema, change: Callable[[JsonSchema], JsonSchema]) -> JsonSchema:
    """Return a schema with each of its parts changed."""
    changed = dict(schema)
    if "properties" in schema:
        named = cast("Mapping[str, JsonSchema]", schema["properties"])
        changed["properties"] = {name: change(one) for name, one in named.items()}
    if "items" in schema:
        changed["items"] = change(cast("JsonSchema", schema["items"]))
    if "anyOf" in schema:
        changed["anyOf"] = [change(one) for one in cast("list[JsonSchema]", schema["anyOf"])]
    return changed


def _without(schema: JsonSchema, names: frozenset[str]) -> JsonSchema:
    kept = {key: value for key, value in schema.items() if key not in names}
    return _parts(kept, lambda one: _without(one, names))


def limits_told(schema: JsonSchema, kept: frozenset[str] = frozenset()) -> list[str]:
    """Return the limits of a schema in words, but for the keywords that are `kept`."""
    return [
        words.format(_shown(schema[key]))
        for key, words in _LIMITS.items()
        if key in schema and key not in kept and schema[key] != _UNTOLD.get(key)
    ]


def _limits_in_words(schema: JsonSchema, kept: frozenset[str] = frozenset()) -> JsonSchema:
    """Return a schema whose limits are told in its description, but for those to be kept as keywords."""
    told = limits_told(schema, kept)
    rest = {k: v for k, v in schema.items() if k not in _OURS and (k not in _LIMITS or k in kept)}
    if told:
        said = str(schema.get("description", ""))
        told_words = ", ".join(told)
        rest["description"] = f"{said} ({told_words})" if said else told_words.capitalize()
    return rest


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in cast("list[object]", value))
    return str(value)


def _told(schema: JsonSchema) -> JsonSchema:
    return _parts(_limits_in_words(schema), _told)


def _strict(schema: JsonSchema) -> JsonSchema:
    strict = _parts(_limits_in_words(schema), _strict)
    if "properties" in strict:
        named = cast("Mapping[str, JsonSchema]", strict["properties"])
        required = cast("list[str]", strict["required"])
        strict["properties"] = {
            name: one if name in required else _or_null(one) for name, one in named.items()
        }
        strict["required"] = list(named)
    return strict


def _or_null(schema: JsonSchema) -> JsonSchema:
    said = {"description": schema["description"]} if "description" in schema else {}
    match schema:
        case {"anyOf": list()}:
            options = cast("list[JsonSchema]", schema["anyOf"])
            return {**schema, "anyOf": [*options, {"type": "null"}]}
        case {"type": "string" | "integer" | "number" | "boolean" as kind, **rest}:
            words = rest.get("enum")
            enum = {"enum": [*cast("list[object]", words), None]} if words is not None else {}
            return {**rest, "type": [kind, "null"], **enum}
        case _:
            inner = {key: value for key, value in schema.items() if key != "description"}
            return {"anyOf": [inner, {"type": "null"}], **said}


def _openapi(schema: JsonSchema) -> JsonSchema:
    """Return the schema with what OpenAPI 3.0 and Gemini know; enums there are of strings only."""
    known = _limits_in_words(schema, _LENGTHS)
    known.pop("additionalProperties", None)
    words = cast("list[object]", known.get("enum", []))
    if words and not all(isinstance(one, str) for one in words):
        del known["enum"]
        said = str(known.get("description", ""))
        known["description"] = f"{said} One of {_shown(words)}.".strip()
        known.setdefault("type", "boolean" if isinstance(words[0], bool) else "number")
    if not known.get("required", True):
        del known["required"]
    return _parts(known, _openapi)
