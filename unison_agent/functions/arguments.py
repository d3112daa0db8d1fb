"""Reads the arguments of a call as another model wrote them; it opens no media and runs nothing.

Null counts as absent, unknown names are refused, and the rest is held to the same models as a plan. What is
wrong is told with what it may be and what comes nearest to it.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import cast

from pydantic import BaseModel, ValidationError

from unison_agent.errors import ToolCallError
from unison_agent.functions.catalog import Function
from unison_agent.functions.closed import JsonSchema
from unison_agent.functions.dialects import limits_told

Arguments = dict[str, object]
_LONGEST_SHOWN = 80
_SCALARS = (str, int, float)
"""Most arguments are one: nothing is inside to look at, and a Mapping or a Sequence takes long to tell."""
_SORT = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


def find_function(name: str, known: Mapping[str, Function]) -> Function:
    """Return the function of that name.

    Raises:
        ToolCallError: There is none; the nearest names are told.
    """
    if name in known:
        return known[name]
    near = _near(name, known)
    msg = f"There is no tool {shown(name)}."
    hint = f"Did you mean {near[0]}?" if near else None
    raise ToolCallError(msg, got=shown(name), allowed=", ".join(known), nearest=near, hint=hint)


def parse_arguments(arguments: str | Mapping[str, object] | None) -> Arguments:
    """Return arguments as a dict; an empty string and None are none.

    Raises:
        ToolCallError: It is not the JSON of an object.
    """
    if isinstance(arguments, str):
        try:
            arguments = cast("Mapping[str, object]", json.loads(arguments or "{}"))
        except (ValueError, RecursionError) as error:
            why = f": {error}" if isinstance(error, json.JSONDecodeError) else ""
            msg = f"The arguments are no JSON{why}."
            raise ToolCallError(msg, got=shown(arguments), allowed="one JSON object") from error
    if arguments is None:
        return {}
    if not isinstance(arguments, dict | Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - others write it
        msg = f"The arguments are {type(arguments).__name__}; expected an object."
        raise ToolCallError(msg, got=shown(arguments), allowed="one JSON object")
    return dict(arguments)


def tidy(function: Function, arguments: Arguments) -> Arguments:
    """Return arguments without nulls.

    Raises:
        ToolCallError: One is unknown or missing.
    """
    return cast("Arguments", _tidy(function.name, function.schema, arguments, ""))


def _tidy(name: str, schema: JsonSchema, value: object, at: str) -> object:
    if isinstance(value, _SCALARS):
        return value
    several = _items(value)
    fields = None if several is not None else _fields(value)
    if several is not None and "items" in schema:
        inner = cast("JsonSchema", schema["items"])
        return [_tidy(name, inner, one, f"{at}[{i}]") for i, one in enumerate(several)]
    if fields is None or "properties" not in schema:
        return value
    named = cast("Mapping[str, JsonSchema]", schema["properties"])
    given = {key: one for key, one in fields.items() if one is not None}
    for key in given:
        if key not in named:
            near = _near(key, named)
            hint = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(named)}."
            raise ToolCallError(
                f"{name} takes no argument {shown(_below(at, key))}.",
                field=_below(at, key),
                got=shown(given[key]),
                allowed=", ".join(named),
                nearest=near,
                hint=hint,
            )
    for key in cast("Sequence[str]", schema["required"]):
        if key not in given:
            raise ToolCallError(
                f"{name} needs {_below(at, key)}.",
                field=_below(at, key),
                got="nothing",
                allowed=allowed(named[key]),
                hint=str(named[key].get("description") or "") or None,
            )
    return {
        key: one if isinstance(one, _SCALARS) else _tidy(name, named[key], one, _below(at, key))
        for key, one in given.items()
    }


def with_media(
    schema: JsonSchema,
    value: object,
    take: Callable[[str, object, JsonSchema], object],
    at: str = "",
) -> object:
    """Return a value with everything that stands for a medium replaced.

    Args:
        schema: Of the value.
        value: Arguments, or a part of them.
        take: Given the argument's name, what stands there and its schema; returns what shall stand there.
        at: The name of the value.
    """
    if "x-media" in schema:
        return take(at, value, schema)
    several, fields = _items(value), _fields(value)
    if fields is not None and "properties" in schema:
        named = cast("Mapping[str, JsonSchema]", schema["properties"])
        return {
            key: with_media(named[key], one, take, _below(at, key)) if key in named else one
            for key, one in fields.items()
        }
    if several is not None and "items" in schema:
        inner = cast("JsonSchema", schema["items"])
        return [with_media(inner, one, take, f"{at}[{i}]") for i, one in enumerate(several)]
    return value


def check_counts(name: str, schema: JsonSchema, value: object, at: str = "") -> None:
    """Hold lists to their lengths, which a tool may limit more than the models do.

    Raises:
        ToolCallError: One has too few or too many items, or is no list.
    """
    named = cast("Mapping[str, JsonSchema]", schema.get("properties") or {})
    for key, one in (_fields(value) or {}).items() if named else ():
        inner = named.get(key, {})
        if "items" in inner or "properties" in inner:
            check_counts(name, inner, one, _below(at, key))
    if "items" in schema:
        several = _items(value)
        if several is None:
            msg = f"{name}: {at} is {shown(value)}; expected a list."
            raise ToolCallError(msg, field=at, got=shown(value), allowed=allowed(schema))
        count = len(several)
        least, most = schema.get("minItems", 0), schema.get("maxItems", count)
        if not cast("int", least) <= count <= cast("int", most):
            msg = f"{name}: {at} has {count} items."
            raise ToolCallError(msg, field=at, got=f"{count} items", allowed=allowed(schema))


def validated(function: Function, model: type[BaseModel], arguments: Arguments) -> BaseModel:
    """Return the model of some arguments.

    Raises:
        ToolCallError: They do not fit.
    """
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in first["loc"])
        why = first["msg"].removeprefix("Value error, ")
        raise unfit(function, place.removeprefix("."), why, arguments) from error


def unfit(function: Function, place: str, why: str, arguments: Arguments) -> ToolCallError:
    """Return the error of a value that does not fit.

    Args:
        function: What was called.
        place: The argument, such as ``"corner.x"`` or ``"references[0]"``.
        why: In words.
        arguments: All of them.
    """
    schema: JsonSchema = function.schema
    value: object = arguments
    for part in re.findall(r"[^.\[\]]+", place):
        several, fields = _items(value), _fields(value)
        if "items" in schema and part.isdigit() and several is not None:
            schema = cast("JsonSchema", schema["items"])
            value = several[int(part)] if int(part) < len(several) else None
        else:
            named = cast("Mapping[str, JsonSchema]", schema.get("properties") or {})
            if part not in named or fields is None:
                return ToolCallError(f"{function.name}: {place}: {why}.")
            schema, value = named[part], fields.get(part)
    if not place:
        return ToolCallError(f"{why}." if function.name in why else f"{function.name}: {why}.")
    near = nearest(schema, value)
    return ToolCallError(
        f"{function.name}: {place} is {shown(value)}; expected {allowed(schema)}.",
        field=place,
        got=shown(value),
        allowed=allowed(schema),
        nearest=near,
        hint=f"The nearest is {near[0]}." if near else None,
    )


def allowed(schema: JsonSchema) -> str:
    """Return in words what a value may be."""
    if "x-media" in schema:
        return str(schema["description"])
    if "enum" in schema:
        return "one of " + ", ".join(str(one) for one in cast("list[object]", schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(allowed(one) for one in cast("list[JsonSchema]", schema["anyOf"]))
    sort = _SORT.get(str(schema.get("type")), "a value")
    return ", ".join([sort, *limits_told(schema, frozenset({"examples"}))])


def nearest(schema: JsonSchema, value: object) -> tuple[str | float, ...]:
    """Return the allowed values that come nearest to a value; none where that cannot be said."""
    if "enum" in schema:
        words = {str(one): one for one in cast("list[str | float]", schema["enum"])}
        return tuple(words[one] for one in _near(str(value), words))
    if "pattern" in schema:
        guess = f"{value}p"
        return (guess,) if re.search(str(schema["pattern"]), guess) else ()
    if schema.get("type") not in ("integer", "number") or isinstance(value, bool):
        return ()
    try:
        number = float(cast("float", value))
    except (TypeError, ValueError):
        return ()
    least, most = schema.get("minimum"), schema.get("maximum")
    if isinstance(least, int | float):
        number = max(number, least)
    if isinstance(most, int | float):
        number = min(number, most)
    if number != number or abs(number) == float("inf"):
        return ()
    for key, sign in (("exclusiveMinimum", 1), ("exclusiveMaximum", -1)):
        bound = schema.get(key)
        if isinstance(bound, int | float) and (number - bound) * sign <= 0:
            return ()
    return (round(number) if schema["type"] == "integer" else number,)


def shown(value: object) -> str:
    """Return a value as JSON, shortened."""
    if isinstance(value, str):
        value = value[: 2 * _LONGEST_SHOWN]  # it may be a whole file
    text = json.dumps(value, ensure_ascii=False, default=lambda one: f"<{type(one).__name__}>")
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def _near(name: str, known: Iterable[str]) -> tuple[str, ...]:
    names = list(known)
    lower = {one.lower(): one for one in names}
    close = get_close_matches(name.lower().replace("-", "_"), lower, n=3, cutoff=0.55)
    return tuple(lower[one] for one in close)


def _fields(value: object) -> Mapping[str, object] | None:
    # A dict is told at once; Mapping alone takes long to ask.
    return cast("Mapping[str, object]", value) if isinstance(value, dict | Mapping) else None


def _items(value: object) -> Sequence[object] | None:
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else None


def _below(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key
