"""Which numbers of a request a field may hold; knows no calls and no grammar.

Only what is certain closes a number off from a field: where the words beside it leave it open, it stays open.
"""

from collections.abc import Iterator
from functools import lru_cache

from unison_agent.planning.call_fields import NumberField, may_hold
from unison_agent.planning.neighbours import certain_fields
from unison_agent.planning.stated import Place, Stated, read_stated


@lru_cache(maxsize=1024)
def numbers_for(name: NumberField, text: str) -> tuple[str, ...]:
    """Return the numbers of `text` that a field of that name may hold, in order of value."""
    stated = read_stated(text)
    return tuple(
        number
        for number, places in stated.numbers.items()
        if may_hold(name, number) and any(_can_state(name, place, stated) for place in places)
    )


@lru_cache(maxsize=1024)
def plain_numbers(name: NumberField, text: str) -> tuple[str, ...]:
    """Return the numbers of `text` that belong to a field of that name and to no other, in order of value."""
    plain = (number for number, _ in plain_places(name, read_stated(text)))
    return tuple(dict.fromkeys(number for number in plain if may_hold(name, number)))


def plain_places(name: NumberField, stated: Stated) -> Iterator[tuple[str, Place]]:
    """Yield the same numbers with their places, those too that no such field may hold."""
    for number, places in stated.numbers.items():
        for place in places:
            if set(certain_fields(place, stated.text)) == {frozenset({name})}:
                yield number, place


def _can_state(name: NumberField, place: Place, stated: Stated) -> bool:
    if any(a <= place[0] and place[1] <= b and (a, b) != place for a, b in _names_of_sizes(stated)):
        return False
    known = list(certain_fields(place, stated.text))
    return not known or any(name in fields for fields in known)


def _names_of_sizes(stated: Stated) -> Iterator[Place]:
    """Yield where numbers are part of a name: "720p", "4K", "16:9"."""
    for places in stated.resolutions.values():
        yield from places
    for places in stated.aspect_ratios.values():
        yield from (place for place in places if ":" in stated.text[slice(*place)])
