"""What the arguments of a custom tool may hold; it knows no JSON Schema, no request and no grammar."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from unison_agent.tasks import MediaKind


@dataclass(frozen=True, slots=True)
class HandleField:
    """The handle of a medium."""

    kinds: tuple[MediaKind, ...]


@dataclass(frozen=True, slots=True)
class NumberField:
    """A number that the request states."""

    whole: bool
    lowest: float = -math.inf
    highest: float = math.inf
    above: float = -math.inf
    below: float = math.inf

    def admits(self, number: str) -> bool:
        """Whether it may hold a canonical number."""
        if self.whole and "." in number:
            return False
        value = float(number)
        return self.lowest <= value <= self.highest and self.above < value < self.below


@dataclass(frozen=True, slots=True)
class TextField:
    """Words of the request."""

    shortest: int
    longest: int


@dataclass(frozen=True, slots=True)
class ChoiceField:
    """One of some words, as far as the request says them."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FreeField:
    """A value that nothing in the request needs to support; `schema` is its JSON Schema."""

    schema: str


@dataclass(frozen=True, slots=True)
class ListField:
    """Several values of one sort."""

    item: "Field"
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Argument:
    """One named argument."""

    name: str
    field: "Field"
    required: bool


@dataclass(frozen=True, slots=True)
class ObjectField:
    """Named arguments in the order of the schema."""

    arguments: tuple[Argument, ...]


Field: TypeAlias = (
    HandleField | NumberField | TextField | ChoiceField | FreeField | ListField | ObjectField
)


_Holding = HandleField | ListField | ObjectField
"""What a handle may stand in."""


def handles_in(
    field: "Field", value: object, at: str = ""
) -> Iterator[tuple[str, str, tuple[MediaKind, ...]]]:
    """Yield for each handle in arguments the name of its argument, the handle, and the kinds it may be."""
    match field, value:
        case HandleField(), str():
            yield at, value, field.kinds
        case ListField(), list() | tuple():
            for item in cast("Sequence[object]", value):
                yield from handles_in(field.item, item, at)
        case ObjectField(), Mapping():
            given = cast("Mapping[str, object]", value)
            for one in field.arguments:
                if one.name in given and isinstance(one.field, _Holding):
                    below = f"{at}.{one.name}" if at else one.name
                    yield from handles_in(one.field, given[one.name], below)
        case _:
            pass


def names_medium(field: "Field", argument: str) -> bool:
    """Whether an argument, ``region.image`` where nested, names a medium or several."""
    match field:
        case ObjectField():
            name, _, below = argument.partition(".")
            return any(
                one.name == name and names_medium(one.field, below) for one in field.arguments
            )
        case ListField():
            return names_medium(field.item, argument)
        case _:
            return isinstance(field, HandleField) and not argument
