"""Reads from a JSON Schema what the arguments of a custom tool may hold; it knows no request and no grammar.

Two keywords of our own say what must come from the request: ``"x-media": "image" | "video" | "any"`` on a
string makes it the handle of a medium, ``"x-stated": true`` on a number or an enum leaves only values that the
request says. Any other string is a span of the request.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from unison_agent.custom.fields import (
    Argument,
    ChoiceField,
    Field,
    FreeField,
    HandleField,
    ListField,
    NumberField,
    ObjectField,
    TextField,
)
from unison_agent.errors import ToolError
from unison_agent.tasks import MediaKind

Schema: TypeAlias = Mapping[str, object]

# What a list holds at most where its schema does not say.
MOST_ITEMS = 8
_LONGEST_TEXT = 2000  # characters
_DEEPEST = 4
_LARGEST = (
    999_999_999  # of a number that the model may choose freely, where its schema does not say
)
_SMALLEST_PART = 1e-6
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_MEDIA: dict[str, tuple[MediaKind, ...]] = {
    "image": ("image",),
    "video": ("video",),
    "any": ("image", "video"),
}
_SAYS_NOTHING = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
    | {"$comment", "$schema", "$id", "$defs", "definitions"}
)
_NUMBER = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
KEYWORDS: Mapping[str, frozenset[str]] = {  # what a schema may say of each type
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength", "x-media"}),
    "integer": _NUMBER | {"x-stated"},
    "number": _NUMBER | {"x-stated"},
    "boolean": frozenset(),
}


def read_arguments_schema(tool: str, schema: Schema) -> ObjectField:
    """Return what the arguments of a tool may hold.

    Args:
        tool: Its name, for messages.
        schema: JSON Schema of an object.

    Raises:
        ToolError: It is no object, or uses what a grammar cannot be closed over.
    """
    field = _Reader(tool, schema).read(schema, "arguments", 0)
    if not isinstance(field, ObjectField):
        raise ToolError(
            f"{tool}: the arguments of a tool are an object.",
            hint='Use a pydantic model, or a schema with "type": "object".',
        )
    return field


class _Reader:
    """Reads the parts of one schema."""

    def __init__(self, tool: str, root: Schema) -> None:
        self._tool = tool
        self._root = root

    def read(self, schema: Schema, at: str, depth: int) -> "Field":
        if depth > _DEEPEST:
            raise self._wrong(at, f"is nested deeper than {_DEEPEST} levels")
        schema = self._resolved(schema, at)
        if "enum" in schema or "const" in schema:
            return self._choice(schema, at)
        if "anyOf" in schema:
            return self._union(schema, at, depth)
        kind = schema.get("type")
        if isinstance(kind, list) and "null" in kind and len(cast("list[object]", kind)) == 2:
            (kind,) = (one for one in cast("list[object]", kind) if one != "null")
        if kind is None:
            self._check_keywords(schema, frozenset({"type"}), at)
        if not isinstance(kind, str) or kind not in KEYWORDS:
            raise self._wrong(at, f"has the type {kind!r}; expected one of {', '.join(KEYWORDS)}")
        self._check_keywords(schema, KEYWORDS[kind] | {"type"}, at)
        match kind:
            case "object":
                return self._object(schema, at, depth)
            case "array":
                return self._list(schema, at, depth)
            case "string":
                return self._text(schema, at)
            case "boolean":
                return _free({"type": "boolean"})
            case _:
                return self._number(schema, kind, at)

    def _resolved(self, schema: object, at: str) -> Schema:
        """Follow references and take away the wrapping of an optional value."""
        for _ in range(16):
            if not isinstance(schema, Mapping):
                raise self._wrong(at, f"is no schema, but {schema!r}")
            found = cast("Schema", schema)
            options = _without_null(found)
            if isinstance(reference := found.get("$ref"), str):
                schema = self._referred(reference, at)
            elif options is not None and len(options) == 1:
                schema = options[0]
            else:
                return found
        raise self._wrong(at, "refers to itself")

    def _referred(self, reference: str, at: str) -> object:
        target: object = self._root if reference.startswith("#/") else None
        for part in reference.removeprefix("#/").split("/"):
            target = cast("Schema", target).get(part) if isinstance(target, dict) else None
        if target is None:
            raise self._wrong(at, f"refers to {reference!r}, which is not in the schema")
        return target

    def _choice(self, schema: Schema, at: str) -> "Field":
        self._check_keywords(schema, frozenset({"type", "enum", "const", "x-stated"}), at)
        values = [schema["const"]] if "const" in schema else schema["enum"]
        if not isinstance(values, list) or not values:
            raise self._wrong(at, "has an enum without values")
        values = [one for one in cast("list[object]", values) if one is not None]
        if not schema.get("x-stated"):
            return _free({"enum": values})
        if not all(isinstance(one, str) for one in values):
            raise self._wrong(at, "is Stated, but not all of its values are words")
        return ChoiceField(tuple(cast("list[str]", values)))

    def _union(self, schema: Schema, at: str, depth: int) -> "Field":
        self._check_keywords(schema, frozenset({"anyOf"}), at)
        options = [self.read(one, at, depth + 1) for one in _without_null(schema) or ()]
        free = [json.loads(one.schema) for one in options if isinstance(one, FreeField)]
        if not options or len(free) != len(options):
            hint = "Only enums, booleans and numbers that are not Stated can be mixed."
            raise self._wrong(at, "may be of several types", hint)
        return _free({"anyOf": free})

    def _object(self, schema: Schema, at: str, depth: int) -> ObjectField:
        properties: object = schema.get("properties") or {}
        extra = schema.get("additionalProperties", False)
        if not isinstance(properties, Mapping) or isinstance(extra, Mapping):
            raise self._wrong(at, "has names that the schema does not list (additionalProperties)")
        named = cast("Mapping[str, Schema]", properties)
        required = set(cast("Sequence[str]", schema.get("required") or ()))
        if unknown := required - set(named):
            raise self._wrong(
                at, f"requires {', '.join(sorted(unknown))}, which it does not describe"
            )
        if strange := [name for name in named if not _NAME.fullmatch(name)]:
            raise self._wrong(
                at, f"has a name of other signs than letters, digits, _ and -: {strange}"
            )
        return ObjectField(
            tuple(
                # A value that may be null can be left out: null is never written.
                Argument(
                    name,
                    self.read(part, f"{at}.{name}", depth + 1),
                    name in required and not may_be_null(part),
                )
                for name, part in named.items()
            )
        )

    def _list(self, schema: Schema, at: str, depth: int) -> ListField:
        items = schema.get("items")
        if items is None:
            raise self._wrong(at, "does not say what its items are")
        least, most = self._range(schema, "minItems", "maxItems", MOST_ITEMS, at)
        return ListField(self.read(cast("Schema", items), f"{at}[]", depth + 1), least, most)

    def _text(self, schema: Schema, at: str) -> HandleField | TextField:
        if "x-media" in schema:
            kinds = _MEDIA.get(cast("str", schema["x-media"]))
            if kinds is None:
                raise self._wrong(at, f"has x-media {schema['x-media']!r}; expected {list(_MEDIA)}")
            return HandleField(kinds)
        least, most = self._range(schema, "minLength", "maxLength", _LONGEST_TEXT, at)
        if most == 0:
            raise self._wrong(at, "may hold no words (maxLength 0)")
        return TextField(max(least, 1), most)

    def _number(self, schema: Schema, kind: str, at: str) -> NumberField | FreeField:
        limits = {key: value for key, value in schema.items() if key in _NUMBER}
        if not all(isinstance(value, int | float) for value in limits.values()):
            raise self._wrong(at, "has limits that are no numbers")
        bounds = cast("dict[str, float]", limits)
        if not schema.get("x-stated"):
            # Without limits a model that rambles would write digits for ever.
            least = max(bounds.get(key, -math.inf) for key in ("minimum", "exclusiveMinimum"))
            most = min(bounds.get(key, math.inf) for key in ("maximum", "exclusiveMaximum"))
            if math.isinf(least):
                bounds["minimum"] = -_LARGEST if math.isinf(most) else min(0, most) - _LARGEST
            if math.isinf(most):
                bounds["maximum"] = _LARGEST if math.isinf(least) else max(0, least) + _LARGEST
            finest = {} if kind == "integer" else {"multipleOf": _SMALLEST_PART}
            return _free({"type": kind, **finest, **bounds})
        if "multipleOf" in bounds:
            raise self._wrong(at, "is Stated and has multipleOf", "Check it in the function.")
        return NumberField(
            kind == "integer",
            bounds.get("minimum", -math.inf),
            bounds.get("maximum", math.inf),
            bounds.get("exclusiveMinimum", -math.inf),
            bounds.get("exclusiveMaximum", math.inf),
        )

    def _range(
        self, schema: Schema, low: str, high: str, otherwise: int, at: str
    ) -> tuple[int, int]:
        least, most = schema.get(low, 0), schema.get(high, otherwise)
        if not isinstance(least, int) or not isinstance(most, int) or not 0 <= least <= most:
            raise self._wrong(at, f"has {low} {least!r} and {high} {most!r}")
        return least, most

    def _check_keywords(self, schema: Schema, known: frozenset[str], at: str) -> None:
        if unknown := schema.keys() - known - _SAYS_NOTHING:
            got = ", ".join(sorted(unknown))
            hint = f"Known here: {', '.join(sorted(known))}. Check the rest in the function."
            raise self._wrong(at, f"uses {got}, over which no grammar can be closed", hint)

    def _wrong(self, at: str, reason: str, hint: str | None = None) -> ToolError:
        return ToolError(f"{self._tool}: {at} {reason}.", hint=hint)


def may_be_null(schema: object) -> bool:
    """Whether a schema lists null among what it allows."""
    if not isinstance(schema, Mapping):
        return False
    found = cast("Schema", schema)
    kind, options = found.get("type"), found.get("anyOf")
    listed = isinstance(kind, list) and "null" in kind
    return listed or (isinstance(options, list) and {"type": "null"} in options)


def _without_null(schema: Schema) -> "list[Schema] | None":
    """Return the options of a union, or of a wrapping around one schema; None when it is neither."""
    options = schema.get("anyOf", schema.get("allOf"))
    if not isinstance(options, list):
        return None
    kept = [one for one in cast("list[Schema]", options) if one != {"type": "null"}]
    return kept if "anyOf" in schema or len(kept) == 1 else None


def _free(schema: Schema) -> FreeField:
    return FreeField(json.dumps(schema, ensure_ascii=False))
