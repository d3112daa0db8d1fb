"""The calls of custom tools in a request's grammar.

It knows what arguments may hold, what the request states and which handles there are; it does not know the
task calls, nor how handles of earlier steps come about: they are handed in with a condition.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

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
from unison_agent.custom.tool import CustomTool
from unison_agent.planning.custom_reading import ARGUMENTS_KEY, said_choices
from unison_agent.planning.lark import quoted, when
from unison_agent.planning.stated import Stated
from unison_agent.tasks import MediaKind

_OR = "\n    | "
_COMPACT = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}

Handles: TypeAlias = Mapping[MediaKind, Sequence[tuple[str, str]]]
"""Of each kind the handles, with the condition under which each is there; "" means always."""


@dataclass(frozen=True, slots=True)
class CustomRules:
    """The custom tools in a grammar.

    Attributes:
        lines: The rule ``custom::_`` of their calls, and all that it names; none where none can be called.
        first: Whether one can be called with nothing made before.
        after: The kinds of output right after which one can be called, whatever else was made before.
    """

    lines: tuple[str, ...]
    first: bool
    after: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Part:
    """A value in the grammar: the symbol that writes it, and when it can be written."""

    symbol: str
    condition: str = ""
    after: frozenset[str] = frozenset({"text", "image", "video"})


def custom_rules(tools: Sequence[CustomTool], stated: Stated, handles: Handles) -> CustomRules:
    """Return the rules of the tools that the request holds enough for.

    What comes after a call is a rule of the grammar around, named after what the tool makes: ``then_image::_``.

    Args:
        tools: The tools.
        stated: What the request states.
        handles: The media that there are, or may be once earlier steps have run.
    """
    ways: list[str] = []
    lines: list[str] = []
    parts: list[_Part] = []
    for tool in tools:
        rules = _Rules(tool.name, stated, handles)
        if (part := rules.of(tool.parameters)) is not None:
            head = quoted(f'{json.dumps(tool.name)},"{ARGUMENTS_KEY}":')
            ways.append(f"{head} {part.symbol} then_{tool.output}::_{when(part.condition)}")
            lines += rules.lines
            parts.append(part)
    calls = [f"custom::_: {_OR.join(ways)}"] if ways else []
    return CustomRules(
        (*calls, *lines),
        any(not part.condition for part in parts),
        frozenset[str]().union(*(part.after for part in parts)),
    )


class _Rules:
    """Collects the rules of one tool."""

    def __init__(self, name: str, stated: Stated, handles: Handles) -> None:
        self.lines: list[str] = []
        self._known: dict[str, str] = {}
        self._name = name
        self._stated = stated
        self._handles = handles

    def of(self, field: Field) -> _Part | None:
        """Return what writes a value of the field; None when the request holds none."""
        match field:
            case HandleField():
                return self._handle(field)
            case NumberField():
                return self._one_of([n for n in self._stated.numbers if field.admits(n)])
            case ChoiceField():
                said = [
                    json.dumps(one, ensure_ascii=False) for one in said_choices(field, self._stated)
                ]
                return self._one_of(said)
            case TextField():
                return self._text(field)
            case FreeField():
                schema = {**json.loads(field.schema), "x-guidance": _COMPACT}
                return _Part(self._rule([f"%json {json.dumps(schema)}"]))
            case ListField(item=HandleField() as item):
                return self._handle_list(item, field)
            case ListField():
                return self._list(field)
            case ObjectField():
                return self._object(field)

    def _handle(self, field: HandleField) -> _Part | None:
        there = self._there(field)
        if not there:
            return None
        ways = [f"{quoted(json.dumps(one))}{when(condition)}" for one, condition in there]
        return self._where(self._rule(ways), field)

    def _handle_list(self, item: HandleField, field: ListField) -> _Part | None:
        """Handles in order, none twice; those of steps come last."""
        there = self._there(item)
        attached = sum(not condition for _, condition in there)
        least = max(field.least, 1)
        # Of outputs that may not be there none can be counted on, but one where there is nothing else.
        enough = attached >= least or (attached == 0 and least == 1 and there)
        if not enough or field.most == 0:
            return self._empty(field)
        chain = self._chain(there, least, field.most, attached)
        part = self._where(self._rule([f'"[" {chain} "]"']), item)
        if field.least > 0:
            return part
        return _Part(self._rule(['"[]"', f"{part.symbol}{when(part.condition)}"]))

    def _chain(self, there: Sequence[tuple[str, str]], least: int, most: int, attached: int) -> str:
        """Return the symbol of `least` to `most` handles, with a rule for each place and number taken."""
        names: dict[tuple[int, int], str] = {}

        def rule(place: int, taken: int) -> str:
            if (place, taken) in names:
                return names[place, taken]
            ways = ['""'] if place == len(there) and taken >= least else []
            if place < len(there):
                handle, condition = there[place]
                if taken < most:
                    literal = quoted(("," if taken else "") + json.dumps(handle))
                    ways.append(f"{literal} {rule(place + 1, taken + 1)}{when(condition)}")
                enough = taken >= least or taken + attached - place - 1 >= least
                # Before the first of them nothing is written yet that would wait for it.
                if enough or (taken == 0 and least == 1 and place + 1 < len(there)):
                    ways.append(rule(place + 1, taken))
            names[place, taken] = self._rule(ways)
            return names[place, taken]

        return rule(0, 0)

    def _list(self, field: ListField) -> _Part | None:
        item = self.of(field.item) if field.most else None
        if item is None:
            return self._empty(field)
        more = f'("," {item.symbol}){{{max(field.least, 1) - 1},{field.most - 1}}}'
        filled = self._rule([f'"[" {item.symbol} {more} "]"'])
        if field.least > 0:
            return _Part(filled, item.condition, item.after)
        return _Part(self._rule(['"[]"', f"{filled}{when(item.condition)}"]))

    def _empty(self, field: ListField) -> _Part | None:
        return _Part('"[]"') if field.least == 0 else None

    def _object(self, field: ObjectField) -> _Part | None:
        parts = [(one, self.of(one.field)) for one in field.arguments]
        if any(one.required and part is None for one, part in parts):
            return None
        written = [(one, part) for one, part in parts if part is not None]
        needed = [part for one, part in written if one.required]
        first, rest = '""', '""'
        for one, part in reversed(written):
            first, rest = (
                self._fields(one, part, first, rest, comma=""),
                self._fields(one, part, rest, rest, comma=","),
            )
        symbol = self._rule([f'"{{" {first} "}}"'])
        after = frozenset({"text", "image", "video"}).intersection(*(one.after for one in needed))
        return _Part(symbol, _both([one.condition for one in needed]), after)

    def _fields(self, one: Argument, part: _Part, skipped: str, rest: str, *, comma: str) -> str:
        """Return the symbol of an argument and all that come after it."""
        key = quoted(f"{comma}{json.dumps(one.name)}:")
        follows = "" if rest == '""' else f" {rest}"
        ways = [f"{key} {part.symbol}{follows}{when(part.condition)}"]
        return self._rule(ways if one.required else [skipped, *ways])

    def _text(self, field: TextField) -> _Part | None:
        if not any(piece != " " for piece in self._stated.pieces):
            return None
        least, most = field.shortest, field.longest
        # Spans begin and end with no space.
        form = f"[^ ][^\\n]{{{least - 2},{most - 2}}}[^ ]"
        if least == 1:
            form = "[^ ]" if most == 1 else f"[^ ]([^\\n]{{0,{most - 2}}}[^ ])?"
        terminal = f"{self._name.upper()}_{len(self.lines)}"
        self.lines.append(f"{terminal}: PIECES & /{form}/")
        return _Part(f'"\\"" {terminal} "\\""')

    def _one_of(self, literals: Sequence[str]) -> _Part | None:
        return _Part(self._rule([*map(quoted, literals)])) if literals else None

    def _there(self, field: HandleField) -> list[tuple[str, str]]:
        there = [one for kind in field.kinds for one in self._handles[kind]]
        return sorted(there, key=lambda one: bool(one[1]))

    def _where(self, symbol: str, field: HandleField) -> _Part:
        conditions = [condition for _, condition in self._there(field)]
        if "" in conditions:
            return _Part(symbol)
        return _Part(symbol, _either(conditions), frozenset(field.kinds))

    def _rule(self, ways: Sequence[str]) -> str:
        """Return the symbol of a rule; one that holds a condition hands on what was made before."""
        handed_on = "::_" if any("::_" in way or "%if" in way for way in ways) else ""
        body = _OR.join(ways)
        if body not in self._known:
            self._known[body] = f"{self._name}_{len(self.lines)}{handed_on}"
            self.lines.append(f"{self._known[body]}: {body}")
        return self._known[body]


def _both(conditions: Sequence[str]) -> str:
    kept = list(dict.fromkeys(one for one in conditions if one))
    return _joined("and", kept)


def _either(conditions: Sequence[str]) -> str:
    return _joined("or", list(dict.fromkeys(conditions)))


def _joined(how: str, conditions: Sequence[str]) -> str:
    if len(conditions) < 2:
        return conditions[0] if conditions else ""
    return f"{how}({conditions[0]}, {_joined(how, conditions[1:])})"
