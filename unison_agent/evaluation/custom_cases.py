"""Requests that should lead to a custom tool, made of its name, description and arguments; it plans nothing.

They say what the tool says of itself, in a dozen ways. A tool that is not reached by these is reached by none;
whether it is reached by what people say, only requests of one's own can tell.
"""

import random
from collections.abc import Sequence

from unison_agent.batch import request_of
from unison_agent.custom.fields import (
    Argument,
    ChoiceField,
    Field,
    HandleField,
    ListField,
    NumberField,
    TextField,
)
from unison_agent.custom.tool import CustomTool
from unison_agent.evaluation.planning_cases import NEEDS_INPUT, Case, Step
from unison_agent.planning.custom_missing import lacking
from unison_agent.planning.stated import read_stated
from unison_agent.tasks import MediaKind

# {does} is the description as an order, {name} the name in words, {values} what else is stated.
_FORMS = (
    "{does}{values}",
    "please {does}{values}",
    "can you {does}?{values}",
    "I want you to {does}{values}",
    "{name}{values}",
    "use {name}{values}",
    "{name} please{values}",
    "call {name}{values}",
    "hey, could you {does} for me{values}",
    "{does}, thanks{values}",
    "I need {name}{values}",
    "now {does}{values}",
)
_WORDS = ("the blue door", "a walk by the sea", "old town", "winter light")


def custom_cases(tool: CustomTool, *, most: int = 12, seed: int = 0) -> tuple[Case, ...]:
    """Return requests for a tool, with the media it needs; nothing is wanted but that it is chosen.

    Args:
        tool: Which.
        most: How many at most; there are a dozen.
        seed: Chooses the values.
    """
    rng = random.Random(f"{seed}-{tool.name}")
    cases: list[Case] = []
    for form in _FORMS[:most]:
        kinds, values = _given(tool.parameters.arguments, rng)
        said = f": {', '.join(values)}" if values else ""
        text = form.format(does=_order(tool), name=tool.name.replace("_", " "), values=said)
        cases.append(Case(request_of(text, kinds), (Step(tool.name, {}),), place=tool.name))
    return tuple(cases)


def lacking_cases(tool: CustomTool, *, most: int = 12) -> tuple[Case, ...]:
    """Return requests for a tool with nothing attached and no value stated, where it must ask for one.

    Args:
        tool: Which.
        most: How many at most; there are none where it needs nothing.
    """
    cases: list[Case] = []
    for form in _FORMS[:most]:
        text = form.format(does=_order(tool), name=tool.name.replace("_", " "), values="")
        request = request_of(text, ())
        for lack in lacking([tool], read_stated(text), ()):
            step = Step(NEEDS_INPUT, {"slot": lack.slot})
            cases.append(Case(request, (step,), place=tool.name))
    return tuple(cases)


def _order(tool: CustomTool) -> str:
    """Return what a tool does, as an order within a sentence."""
    return tool.description[:1].lower() + tool.description[1:].rstrip(". ")


def _given(arguments: Sequence[Argument], rng: random.Random) -> tuple[list[MediaKind], list[str]]:
    """Return the media that a call needs, and how its other required values are stated."""
    kinds: list[MediaKind] = []
    values: list[str] = []
    for one in arguments:
        if not one.required:
            continue
        inner: Field = one.field
        times = 1
        if isinstance(inner, ListField):
            times, inner = max(1, inner.least), inner.item
        for _ in range(times):
            match inner:
                case HandleField():
                    kinds.append(rng.choice(inner.kinds))
                case NumberField():
                    values.append(f"{one.name.replace('_', ' ')} {_number(inner, rng)}")
                case ChoiceField():
                    values.append(rng.choice(inner.values))
                case TextField():
                    values.append(f'{one.name.replace("_", " ")} "{rng.choice(_WORDS)}"')
                case _:
                    pass
    return kinds, values


def _number(field: NumberField, rng: random.Random) -> str:
    """Return a number that the field admits, a round one where it can be."""
    least = max(field.lowest, field.above, 0)
    for number in rng.sample((2, 3, 5, 8, 12, 20, 64, 100, 320), 9):
        if field.admits(str(number)):
            return str(number)
    between = (least + min(field.highest, field.below, least + 2)) / 2
    return f"{int(between)}" if field.whole else f"{between:g}"
