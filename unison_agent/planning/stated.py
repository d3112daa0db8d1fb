"""What a text states: its numbers, its names of sizes and structure maps, its words, each with its places.

It reads characters only. It does not know which task a value belongs to, nor what a tool can do. Every
reading is generous, because it only serves to close off what the text does not say.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

from unison_agent.planning.numbers import Spelled, read_numbers, spell_digits
from unison_agent.planning.stated_words import (
    CLOCK,
    CLOCK_AFTER,
    CLOCK_BEFORE,
    CLOCK_RATIOS,
    CONTROL_WORDS,
    NEGATION,
    RATIO,
    RESOLUTIONS,
    SHAPES,
    TURN,
)

Place: TypeAlias = tuple[int, int]
"""Where something begins and ends in the text."""
Said: TypeAlias = Mapping[str, tuple[Place, ...]]
"""Values, and the places that say them, in order."""

_LARGEST_RATIO_PART = 32
# Scripts without spaces between words: every character is a word of its own.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_PIECES = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|\s+|[^\w\s]")
_LETTERS = re.compile(rf"[^\W\d_{_UNSPACED}]")
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")
# More places of the same words would only make a plan long.
_MOST_PLACES = 32


@dataclass(frozen=True, slots=True)
class Stated:
    """What one text states.

    Attributes:
        text: What was read.
        numbers: Canonical decimals ("64", "2.5"), in order of value.
        resolutions: Lines, e.g. "480p".
        aspect_ratios: "16:9", "square", "portrait" or "landscape".
        control_types: Structure maps that a word supports.
        negations: Where a word could introduce what to leave out.
        several: Whether the words could ask for one thing after another.
        pieces: The text cut into words, marks and single spaces, so that spans begin and end at words.
        edges: Where each piece begins, and the end of the last.
    """

    text: str
    numbers: Said
    resolutions: Said
    aspect_ratios: Said
    control_types: Said
    negations: tuple[Place, ...]
    several: bool
    pieces: tuple[str, ...]
    edges: tuple[int, ...]

    def places(self, words: str) -> tuple[Place, ...]:
        """Return where the text has exactly these words, from word to word; white space counts as one space."""
        joined = "".join(self.pieces)
        if not words or words[0] == " " or words[-1] == " ":
            return ()
        begins: dict[int, int] = {}
        at = 0
        for number, piece in enumerate(self.pieces):
            begins[at] = number
            at += len(piece)
        begins[at] = len(self.pieces)
        found: list[Place] = []
        at = joined.find(words)
        while at >= 0 and len(found) < _MOST_PLACES:
            first, last = begins.get(at), begins.get(at + len(words))
            if first is not None and last is not None:
                # The edge after the last piece: a space that follows is a piece of its own.
                found.append((self.edges[first], self.edges[last]))
            at = joined.find(words, at + 1)
        return tuple(found)


@lru_cache(maxsize=256)
def read_stated(text: str) -> Stated:
    """Return everything that `text` can be said to state."""
    spelled = spell_digits(text)
    pieces: list[str] = []
    edges: list[int] = []
    for match in _PIECES.finditer(text):
        piece = " " if match.group().isspace() else match.group()
        # What is drawn on or with the sign before it is no word of its own.
        after = pieces[-1][-1] if pieces else " "
        if after != " " and (after == "\u200d" or _joins(piece)):
            pieces[-1] += piece
            continue
        pieces.append(piece)
        edges.append(match.start())
    numbers = read_numbers(text, spelled)
    return Stated(
        text=text,
        numbers=MappingProxyType(numbers),
        resolutions=MappingProxyType(_resolutions(text)),
        aspect_ratios=MappingProxyType(_aspect_ratios(spelled, text, numbers)),
        control_types=MappingProxyType(_control_types(text)),
        negations=tuple(_words(match) for match in NEGATION.finditer(text)),
        several=TURN.search(text.strip().strip(".!?")) is not None,
        pieces=tuple(pieces),
        edges=(*edges, len(text)),
    )


def _joins(piece: str) -> bool:
    first = piece[0]
    return not first.isalnum() and (first in _JOINERS or unicodedata.category(first)[0] == "M")


def _resolutions(text: str) -> Said:
    found: dict[str, tuple[Place, ...]] = {}
    digits = re.sub(r"\d", lambda digit: str(int(digit.group())), text)
    for pattern, name in RESOLUTIONS:
        for match in pattern.finditer(digits):
            value = name or f"{next(filter(None, match.groups()))}p"
            found[value] = (*found.get(value, ()), _words(match))
    return found


def _aspect_ratios(spelled: Spelled, text: str, numbers: Said) -> Said:
    found: dict[str, tuple[Place, ...]] = {}
    for pattern, name in SHAPES:
        for match in pattern.finditer(spelled.text):
            found[name] = (*found.get(name, ()), spelled.origin(*_words(match)))
    small = [
        (place, value)
        for value, places in numbers.items()
        if 0 < float(value) <= _LARGEST_RATIO_PART
        for place in places
    ]
    begins: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for (start, end), value in small:
        begins[start].append((end, value))
    for (start, end), width in sorted(small):
        between = RATIO.match(text, end)
        for last, height in begins[between.end()] if between else ():
            name = f"{width}:{height}"
            if not _tells_time(text, (start, last), name):
                found[name] = (*found.get(name, ()), (start, last))
    return found


def _tells_time(text: str, place: Place, name: str) -> bool:
    """Whether a ratio is a time of day: "the clock shows 20:15"."""
    start, end = place
    if CLOCK.fullmatch(text, start, end) is None or name in CLOCK_RATIOS:
        return False
    return bool(CLOCK_BEFORE.search(text, 0, start) or CLOCK_AFTER.match(text, end))


def _control_types(text: str) -> Said:
    return {
        name: places
        for name, words in CONTROL_WORDS.items()
        if (places := tuple(dict.fromkeys(_words(match) for match in words.finditer(text))))
    }


def _words(match: re.Match[str]) -> Place:
    """Return the place of the whole words that a match lies in: "edges" for "edge"."""
    text, (start, end) = match.string, match.span()
    while start > 0 and _LETTERS.match(text, start - 1) and _LETTERS.match(text, start):
        start -= 1
    while end < len(text) and _LETTERS.match(text, end) and _LETTERS.match(text, end - 1):
        end += 1
    return start, end
