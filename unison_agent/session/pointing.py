"""Whether the words of a turn point back at what was seen before, and at which of it; it knows no models.

A text points back when it says it, this, them, the last one ... before it names something new with "a" or a
number. It points at what it names by number or by kind, or else at the latest. English words stand here, those of other
languages in `pointing_words`; a text is not asked which language it is in.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unison_agent.session.pointing_words import LANGUAGES
from unison_agent.tasks import MediaKind

_PICTURE = r"(?:images?|pictures?|photos?|drawings?)"
_CLIP = r"(?:videos?|clips?|animations?)"
_THING = rf"(?:ones?|results?|{_PICTURE}|{_CLIP})"
_NUMBERS = {
    **dict.fromkeys(("first", "1st"), 1),
    **dict.fromkeys(("second", "2nd"), 2),
    **dict.fromkeys(("third", "3rd"), 3),
    **dict.fromkeys(("fourth", "4th"), 4),
    **dict.fromkeys(("last", "latest", "newest"), -1),
    "previous": -2,
}
_ORDINAL = "|".join(_NUMBERS)
# "The second" is a number, "a second" and "2 seconds" are time; "the last frame" is a part of a clip.
_NUMBERED = re.compile(
    rf"\bthe ({_ORDINAL})\b(?! (?:frame|second|step|part))|\b({_ORDINAL}) {_THING}\b", re.IGNORECASE
)
# "Draw the last leaf" asks for something new, "draw the last again" does not.
_DRAWN_ANEW = re.compile(
    rf"(?:(?:please|now|next|then|can you|could you)[ ,]+)*(?:draw|paint|sketch|generate|create|render|illustrate|imagine)"
    rf" (?P<thing>the (?:{_ORDINAL})) (?!{_THING}\b|(?:and|but|to|in|into|with|as|again|once|instead|bigger|smaller|please)\b)\w",
    re.IGNORECASE,
)
_SEVERAL = re.compile(r"\b(?:them|these|those|both|all of it)\b", re.IGNORECASE)
_BACK = re.compile(
    rf"\b(?:it|its|this|that|them|these|those|both|the same|the other)\b|\bthe {_THING}\b",
    re.IGNORECASE,
)
_NEW = re.compile(r"\b(?:an?|another|some|two|three|four|five|[0-9]+)\b\s", re.IGNORECASE)
_WHICH = rf"(?:the(?: same)?|this|that|these|those|{_ORDINAL})"
_OF_KIND: dict[MediaKind, re.Pattern[str]] = {
    "image": re.compile(rf"\b{_WHICH} {_PICTURE}\b", re.IGNORECASE),
    "video": re.compile(rf"\b{_WHICH} {_CLIP}\b", re.IGNORECASE),
}


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for one in words), re.IGNORECASE)


_OTHERS = tuple(LANGUAGES.values())
_PLACES = [
    (re.compile(words, re.IGNORECASE), number)
    for one in _OTHERS
    for words, number in one.places.items()
]
# What is new in one language is not in another: Spanish "a" is a direction.
_BACK_AND_NEW = (
    (re.compile(f"{_BACK.pattern}|{_NUMBERED.pattern}", re.IGNORECASE), _NEW),
    *((_any_of([one.back, *one.places]), _any_of([one.new])) for one in _OTHERS),
)
_ALL_SEVERAL = (_SEVERAL, _any_of(one.several for one in _OTHERS))
_BOTH = _any_of([r"\bboth\b", *(one.both for one in _OTHERS)])
_ALL_OF_KIND: dict[MediaKind, tuple[re.Pattern[str], ...]] = {
    kind: (words, _any_of(one.kinds[kind] for one in _OTHERS)) for kind, words in _OF_KIND.items()
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A medium of an earlier turn.

    Attributes:
        kind: What it is.
        turn: Counted from 1.
    """

    kind: MediaKind
    turn: int


def points_back(text: str) -> bool:
    """Whether a text speaks of something seen before, as far as its words tell."""
    anew = _DRAWN_ANEW.match(text)
    text = text if anew is None else text[anew.end("thing") :]
    return any(_begins(back, text) < _begins(new, text) for back, new in _BACK_AND_NEW)


def _begins(words: re.Pattern[str], text: str) -> int:
    found = words.search(text)
    return len(text) if found is None else found.start()


def pointed_at(text: str, seen: Sequence[Seen], most: int) -> list[int]:
    """Return which media a text means, as indices; at most `most` of them.

    Args:
        text: Of the turn.
        seen: What there is, the oldest first.
        most: How many may be meant.
    """
    kinds = [kind for kind, some in _ALL_OF_KIND.items() if any(one.search(text) for one in some)]
    pool = [index for index, one in enumerate(seen) if one.kind in kinds] or list(range(len(seen)))
    latest = [index for index in pool if seen[index].turn == seen[pool[-1]].turn] if pool else []
    numbers = _numbers(text)
    # Of several pictures made at once a number counts these, of single ones those of all turns.
    counted = latest if len(latest) >= max([2, *numbers]) else pool
    places = [number - 1 if number > 0 else len(counted) + number for number in numbers]
    chosen = [counted[place] for place in places if 0 <= place < len(counted)]
    if chosen:
        return list(dict.fromkeys(chosen))[:most]
    if any(one.search(text) for one in _ALL_SEVERAL):
        several = latest if len(latest) > 1 else pool
        return several[-1 : -1 - (2 if _BOTH.search(text) else most) : -1]
    return pool[-1:]


def _numbers(text: str) -> list[int]:
    """Return the places that a text names, in its order."""
    found = [
        (one.start(), _NUMBERS[(one[1] or one[2]).lower()]) for one in _NUMBERED.finditer(text)
    ]
    found += [(one.start(), number) for words, number in _PLACES for one in words.finditer(text)]
    return [number for _, number in sorted(found)]
