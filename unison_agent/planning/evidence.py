"""Which characters of a request state the values of a call; it does not judge the call.

Where the same value stands in several places, those are kept whose neighbouring words fit the field ("8" in
"8 fps" for fps). Where none fits, or several do, all of them are the evidence: one of several equal places is
never picked. That goes for spans too: all exact places count, but a target counts inside its prompt, and a
negative prompt after a negation, where there are such places.
"""

import re
from collections.abc import Iterable, Iterator
from typing import cast

from unison_agent.planning.call_fields import FIELD_ORDER, NumberField
from unison_agent.planning.numbers import canonical
from unison_agent.planning.stated import Place, Stated
from unison_agent.tasks import Evidence, TaskCall

# What stands right before a value, what in it, and what right after it.
_NEIGHBOURS: dict[NumberField, tuple[str, str, str]] = {
    "width": (
        r"(?:width|wide|breite|largeur|ancho|larghezza)[\s:=#(-]{0,3}(?:of |is |von |de )?",
        "",
        r"\s*(?:[x\u00d7*]|by\b)\s*\w|\s*-?\s*(?:px|pixels?)?\s*wide|\s*(?:px|pixels?)?\s*(?:in )?width",
    ),
    "height": (
        r"\w\s*(?:[x\u00d7*]|by)\s*|(?:height|high|tall|h\u00f6he|hauteur|alto|altezza)[\s:=#(-]{0,3}(?:of |is |von |de )?",
        "",
        r"\s*-?\s*(?:px|pixels?)?\s*(?:high|tall)|\s*(?:px|pixels?)?\s*(?:in )?height",
    ),
    "num_frames": (
        r"(?:frames|frame count|num_frames)[\s:=#(-]{0,3}(?:of |is )?",
        "",
        r"\s*-?\s*(?:frames?\b(?!\s*(?:per\b|an?\b|/|each|every))|bilder\b(?! pro| je)|fotogramas|帧(?!每)|コマ|フレーム|프레임)",
    ),
    "duration_seconds": (
        r"(?:duration|length|lasting|dauer|dur\u00e9e|duraci\u00f3n)[\s:=#(-]{0,3}(?:of |is )?",
        r"(?:s|sec[a-z]*|ms|millisec[a-z]*|m|min[a-z]*|h|hrs?|hours?|分[钟鐘]?)",
        r"\s*-?\s*(?:s\b|secs?\b|seconds?\b|sek|segund|second[ie]|秒|초|ثان|ثوا|सेकंड)",
    ),
    "fps": (
        r"(?:fps|frame ?rate|frames per second)[\s:=#(-]{0,3}(?:of |is |at )?",
        "",
        r"\s*-?\s*(?:fps\b|f/s|hz\b|(?:frames?|bilder|images|fotogramas)\s*(?:per|an?|/|each|every|pro|par|por)|帧每秒|帧/秒)",
    ),
    "seed": (
        r"(?:seed|zufallszahl|graine|semilla|种子)[\s:=#(-]{0,3}(?:of |is |number |no\.? |to |value )?",
        "",
        r"\s*(?:as |for )?(?:the )?seed",
    ),
    "steps": (
        r"(?:steps|schritte)[\s:=#(-]{0,3}(?:of |is |to )?",
        "",
        r"\s*-?\s*(?:[\w-]+ )?(?:steps?\b|iterations?\b|schritte|\u00e9tapes|pasos|passaggi|步|ステップ)",
    ),
    "guidance_scale": (
        r"(?:cfg|guidance|scale|strength)[\s:=#(-]{0,3}(?:scale )?(?:of |is |at |to )?",
        "",
        r"\s*(?:for )?(?:the )?(?:cfg|guidance)",
    ),
    "num_outputs": (
        r"(?:outputs|images|pictures|versions|num_outputs)[\s:=#-]{1,3}",
        "",
        r"\s*(?:[\w-]+ ){0,2}(?:images?|pictures?|pics|photos?|versions?|variations?|variants?|options?|outputs?"
        r"|copies|clips?|videos?|takes|results?|samples?|alternatives?|drawings?|bilder|im\u00e1genes|张|枚|本|장)",
    ),
}
_FITS = {
    name: (
        re.compile(rf"(?:{before})$", re.IGNORECASE),
        re.compile(rf"{inside}$", re.IGNORECASE) if inside else None,
        re.compile(after, re.IGNORECASE),
    )
    for name, (before, inside, after) in _NEIGHBOURS.items()
}
_NEAR = 28
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
        case _, int() | float() if name in _FITS:
            return fitting_places(name, stated.numbers.get(canonical(value), ()), stated)
        case _:
            return ()


def fitting_places(name: str, places: tuple[Place, ...], stated: Stated) -> tuple[Place, ...]:
    """Return those of a number's places whose neighbouring words fit a field of that name, or else all."""
    if name not in _FITS:
        return places
    return tuple(_fitting(cast("NumberField", name), places, stated.text)) or places


def _fitting(name: NumberField, places: Iterable[Place], text: str) -> Iterator[Place]:
    before, inside, after = _FITS[name]
    for start, end in places:
        if (
            before.search(text[max(0, start - _NEAR) : start])
            or after.match(text[end : end + _NEAR])
            or (inside is not None and inside.search(text[start:end]))
        ):
            yield start, end


def _is_negated(place: Place, stated: Stated) -> bool:
    return any(0 <= place[0] - end <= _FAR_FROM_NEGATION for _, end in stated.negations)
