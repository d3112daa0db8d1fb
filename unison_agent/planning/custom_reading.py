"""Arguments of custom tools as they were written, held to the request by the same rules as the grammar.

It knows what arguments may hold, what the request states and which handles there are; no grammar.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from pydantic import JsonValue

from unison_agent.custom.fields import (
    ChoiceField,
    Field,
    FreeField,
    HandleField,
    ListField,
    NumberField,
    ObjectField,
    TextField,
)
from unison_agent.custom.tool import CustomTool
from unison_agent.planning.numbers import canonical
from unison_agent.planning.stated import Place, Stated
from unison_agent.tasks import MediaKind

TOOL_KEY = "tool"
ARGUMENTS_KEY = "arguments"


def without_null(field: ObjectField, arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return arguments in the order of the schema; those that are null are left out."""
    kept: dict[str, JsonValue] = {}
    known = {one.name: one.field for one in field.arguments}
    for name in [*known, *(name for name in arguments if name not in known)]:
        value, below = arguments.get(name), known.get(name)
        if isinstance(value, dict) and isinstance(below, ObjectField):
            kept[name] = without_null(below, value)
        elif (
            isinstance(value, list)
            and isinstance(below, ListField)
            and isinstance(item := below.item, ObjectField)
        ):
            kept[name] = [
                without_null(item, one) if isinstance(one, dict) else one for one in value
            ]
        elif value is not None:
            kept[name] = value
    return kept


class UngroundedError(ValueError):
    """Arguments hold what the request does not."""


def argument_places(
    tool: CustomTool,
    arguments: Mapping[str, object],
    stated: Stated,
    kinds: Mapping[str, MediaKind],
) -> Iterator[tuple[str, tuple[Place, ...]]]:
    """Yield for each argument that the request states its name, ``region.width`` where nested, and places.

    Args:
        tool: The tool.
        arguments: As they were written.
        stated: What the request states.
        kinds: The handles that there are.

    Raises:
        ValueError: They do not fit the tool, or hold what the request does not.
    """
    tool.read(arguments)  # pyright: ignore[reportArgumentType] - JSON, as it was read
    yield from _places(tool.parameters, arguments, "", stated, kinds)


def _places(
    field: Field, value: object, at: str, stated: Stated, kinds: Mapping[str, MediaKind]
) -> Iterator[tuple[str, tuple[Place, ...]]]:
    match field:
        case ObjectField():
            named = {one.name: one.field for one in field.arguments}
            if not isinstance(value, Mapping):
                raise UngroundedError(f"{at or ARGUMENTS_KEY} must be an object, got {value!r}")
            given = cast("Mapping[str, object]", value)
            if given.keys() - named.keys():
                raise UngroundedError(
                    f"{at or ARGUMENTS_KEY} must be an object of {', '.join(named)}"
                )
            for name, one in given.items():
                below = f"{at}.{name}" if at else name
                yield from _places(named[name], one, below, stated, kinds)
        case ListField():
            items = cast("Sequence[object]", value) if isinstance(value, list | tuple) else None
            if items is None or not field.least <= len(items) <= field.most:
                raise UngroundedError(f"{at} must be a list of {field.least} to {field.most}")
            if isinstance(field.item, HandleField) and len(set(items)) != len(items):
                raise UngroundedError(f"{at} must not name a medium twice, got {value!r}")
            for number, item in enumerate(items, start=1):
                yield from _places(field.item, item, f"{at}.{number}", stated, kinds)
        case HandleField():
            if not isinstance(value, str) or kinds.get(value) not in field.kinds:
                wanted, there = " or ".join(field.kinds), ", ".join(kinds) or "nothing"
                raise UngroundedError(
                    f"{at} must be the handle of one {wanted}, got {value!r}; there: {there}"
                )
        case FreeField():
            pass
        case _:
            if not (places := _stating(field, value, stated)):
                raise UngroundedError(f"{at} must be what the request says, got {value!r}")
            yield at, places


def _stating(
    field: NumberField | TextField | ChoiceField, value: object, stated: Stated
) -> tuple[Place, ...]:
    match field, value:
        case NumberField(), bool():
            return ()
        case NumberField(), int() | float():
            number = canonical(value)
            return stated.numbers.get(number, ()) if field.admits(number) else ()
        case ChoiceField(), str():
            return said_choices(field, stated).get(value, ())
        case TextField(), str() if field.shortest <= len(value) <= field.longest:
            return stated.places(value)
        case _:
            return ()


def said_choices(field: ChoiceField, stated: Stated) -> dict[str, tuple[Place, ...]]:
    """Return the words of a choice that the request says, in any case, and where."""
    lower = _lowered(stated.text)
    found: dict[str, tuple[Place, ...]] = {}
    for one in field.values:
        words = _lowered(one).replace("_", " ")
        places: list[Place] = []
        at = lower.find(words) if words else -1  # no request says nothing
        while at >= 0:
            if at in stated.edges and at + len(words) in stated.edges:
                places.append((at, at + len(words)))
            at = lower.find(words, at + 1)
        if places:
            found[one] = tuple(places)
    return found


def _lowered(text: str) -> str:
    """Return a text in lower case, every character in its place: the lower case of "\u0130" has two."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := one.lower()) == 1 else one for one in text)
