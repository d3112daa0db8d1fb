"""Which field a number of a request can belong to, by the words beside it; knows no calls and no grammar.

"24 fps" states a frame rate and nothing else, "85mm" no field at all, and a bare "24" could be anything. Only
what is certain closes a field off: where the words leave it open, it stays open.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from unison_agent.planning.call_fields import NumberField, may_hold
from unison_agent.planning.stated import Place, Stated, read_stated

_SIZE = frozenset[NumberField]({"width", "height"})
_NONE = frozenset[NumberField]()
_SECOND = (
    r"(?:s\b|secs?\b|seconds?\b|sek\w*|second[ie]\b|segundos?\b|secondes?\b|秒|초|ثوان|ثانية|सेकंड)"
)
_A_SECOND = r"(?:per|an?|/|each|every|pro|je|par|por|al)"
# A text that ends right before the number, a text that begins right after it, and what the number then is.
_BESIDE: tuple[tuple[str, str, frozenset[NumberField]], ...] = (
    (
        r"(?:\d|px|pixels?)(?:[x\u00d7*]| (?:[x\u00d7*]|by) )|(?<!in )\b(?:width|height)\s*[:=]?\s*(?:(?:of|is) )?",
        r"(?:px|pixels?)?(?:[x\u00d7*]| (?:[x\u00d7*]|by) )\d|\s?-?(?:px|pixels?)\b",
        _SIZE,
    ),
    (
        r"(?<!\d )(?<!\d)\b(?:fps|frame ?rate|frames per second)(?:\s*[:=]\s*| (?:of|is|at) )",
        rf"\s?-?(?:fps\b|f/s|hz\b|(?:frames?|bilder|images?|im[áa]genes?|imagens|immagini|fotogramas|fotogrammi|quadros) ?{_A_SECOND}\b|帧每秒|帧/秒|コマ/秒)",
        frozenset({"fps"}),
    ),
    (
        r"\b(?:num_frames|frame count|frames)\s*[:=]\s*",
        rf"\s?-?frames?\b(?!\s*{_A_SECOND}\b|\s*/)",
        frozenset({"num_frames"}),
    ),
    (
        r"\b(?:duration|duration_seconds)\s*[:=]\s*",
        rf"[ -]?{_SECOND}",
        frozenset({"duration_seconds"}),
    ),
    (r"\b(?:seed|graine|semilla)\s*[:=#]?\s*(?:(?:of|is|number|no\.) )?", r"(?!)", frozenset({"seed"})),
    (
        r"\bsteps\s*[:=]\s*",
        r"\s?-?(?:(?:sampling|inference|denoising|diffusion) )?(?:steps?\b(?!\s*[:=])|schritte\b|pasos\b)",
        frozenset({"steps"}),
    ),
    (
        r"\b(?:cfg|guidance)(?:[ _]scale)?\s*[:=]?\s*(?:(?:of|is|at) )?",
        r"(?!)",
        frozenset({"guidance_scale"}),
    ),
    (r"(?!)", r"\s?(?:mm|cm|km|kg|mph|kmh|km/h)\b|\s?[%°]|[ -]years?\b|[ -]?min[a-z]*\b|[ -]hours?\b", _NONE),
)  # fmt: skip
_PATTERNS = tuple(
    (re.compile(rf"(?:{before})$", re.IGNORECASE), re.compile(after, re.IGNORECASE), fields)
    for before, after, fields in _BESIDE
)
_NEAR = 28


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
    stated = read_stated(text)
    return tuple(
        number
        for number, places in stated.numbers.items()
        if may_hold(name, number)
        and any(set(_known(place, text)) == {frozenset({name})} for place in places)
    )


def _can_state(name: NumberField, place: Place, stated: Stated) -> bool:
    if any(a <= place[0] and place[1] <= b and (a, b) != place for a, b in _names_of_sizes(stated)):
        return False
    known = list(_known(place, stated.text))
    return not known or any(name in fields for fields in known)


def _known(place: Place, text: str) -> Iterator[frozenset[NumberField]]:
    start, end = place
    for before, after, fields in _PATTERNS:
        if before.search(text[max(0, start - _NEAR) : start]) or after.match(text, end):
            yield fields


def _names_of_sizes(stated: Stated) -> Iterator[Place]:
    """Yield where numbers are part of a name: "720p", "4K", "16:9"."""
    for places in stated.resolutions.values():
        yield from places
    for places in stated.aspect_ratios.values():
        yield from (place for place in places if ":" in stated.text[slice(*place)])
