"""Which characters of a request state the values of a call; it does not judge the call.

Where the same value stands in several places, those are kept whose neighbouring words fit the field ("8" in
"8 fps" for fps). Where none fits, or several do, all of them are the evidence: one of several equal places is
never picked. That goes for spans too: all exact places count, but a target counts inside its prompt, and a
negative prompt after a negation, where there are such places.
"""

from collections.abc import Iterable
from typing import cast

from unison_agent.planning.call_fields import FIELD_ORDER, NUMBER_FIELDS, NumberField
from unison_agent.planning.neighbours import speaks_for
from unison_agent.planning.numbers import canonical
from unison_agent.planning.stated import Place, Stated
from unison_agent.tasks import Evidence, TaskCall

_FAR_FROM_NEGATION = 24


def find_evidence(step: int, call: TaskCall, stated: Stated) -> tuple[Evidence, ...]:
    """Return where the text states the values of a call, field by field, in the order of the text."""
    return tuple(
        Evidence(step=step, field=name, start=start, end=end)
        for name in FIELD_ORDER
        if (value := getattr(call, name, None)) is not None
        for start, end in _places(name, cast("object", value), call, stated)
    )


def _places(name: str, value: object, call: TaskCall, stated: Stated) -> Iterable[Place]:
    match name, value:
        case "resolution", str():
            return stated.resolutions.get(value, ())
        case "aspect_ratio", str():
            return stated.aspect_ratios.get(value, ())
        case "control_type", str():
            return stated.control_types.get(value, ())
        case (("prompt" | "question"), str()):
            return () if value == stated.text else stated.places(value)
        case "target", str():
            inside = list(_places("prompt", getattr(call, "prompt", ""), call, stated))
            places = stated.places(value)
            return [p for p in places if any(a <= p[0] and p[1] <= b for a, b in inside)] or places
        case "negative_prompt", str():
            places = stated.places(value)
            return [place for place in places if _is_negated(place, stated)] or places
        case _, int() | float() if name in NUMBER_FIELDS:
            return fitting_places(name, stated.numbers.get(canonical(value), ()), stated)
        case _:
            return ()


def fitting_places(name: str, places: tuple[Place, ...], stated: Stated) -> tuple[Place, ...]:
    """Return those of a number's places whose neighbouring words fit a field of that name, or else all."""
    if name not in NUMBER_FIELDS:
        return places
    field = cast("NumberField", name)
    return tuple(place for place in places if speaks_for(field, place, stated.text)) or places


def _is_negated(place: Place, stated: Stated) -> bool:
    return any(0 <= place[0] - end <= _FAR_FROM_NEGATION for _, end in stated.negations)
