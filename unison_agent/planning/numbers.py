"""The numbers that a text says, in digits and in words, each with its place; knows nothing of their use.

Every reading is generous: "1,024" is 1024 and 1.024, and "2 minutes" is 2 and 120.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from unison_agent.planning.foreign_numbers import read_foreign

_UNITS = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | {"single": 1, "couple": 2, "pair": 2, "twice": 2, "trio": 3, "quartet": 4, "dozen": 12}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
} | {"fourty": 40, "ninty": 90}
# Written as one word: "twentyfour".
_JOINED = {ten + one: _TENS[ten] + _UNITS[one] for ten in _TENS for one in [*_UNITS][1:10]}
_SCALES = {"hundred": 100, "thousand": 1000}
_DIGITS = re.compile(r"\d+(?:[.,\u066b]\d+)*|(?<![\w.])\.\d+")
_WORD = re.compile(r"[^\W\d_]+")
# "4 minimalist logos" are not minutes.
_MINUTES = r"min(?:s|ut(?:e[nrs]?|os?|i|as?))?(?![a-zäöü])"
_SCALED: tuple[tuple[re.Pattern[str], Decimal], ...] = tuple(
    (re.compile(rf"[ -]?(?:{unit})(?!\s?[=:]| \d)", re.IGNORECASE), factor)
    for unit, factor in (
        (r"ms\b|millisecond[a-z]*", Decimal("0.001")),
        (
            rf"m\b|{_MINUTES}|分(?![割解辨之布])[钟鐘]?|분(?![할위의])|мин|دقيق[ةه]|دقا[ئي]ق",
            Decimal(60),
        ),
        (r"h\b|hrs?\b|hours?\b|hour", Decimal(3600)),
    )
)
_PHRASES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"\bhalf an? {_MINUTES}", re.IGNORECASE), "30"),
    (
        re.compile(
            r"\b(?:half an?|(?<!and )a half) sec[a-z]*|\bhalf of a sec[a-z]*", re.IGNORECASE
        ),
        "0.5",
    ),
    (re.compile(r"\b(?:an? )?quarter(?: of an?)? sec[a-z]*", re.IGNORECASE), "0.25"),
    (re.compile(r"\b(?:three|3) quarters of a sec[a-z]*", re.IGNORECASE), "0.75"),
    (re.compile(r"\bone and a half", re.IGNORECASE), "1.5"),
    (re.compile(rf"\ban? {_MINUTES}", re.IGNORECASE), "60"),
    (re.compile(r"\b(?:an?|single) sec[a-z]*", re.IGNORECASE), "1"),
    (re.compile(r"\bhalf[ -](?:a[ -])?dozen", re.IGNORECASE), "6"),
    (re.compile(r"\b(?:an?|one) (?:second|sec) and a half", re.IGNORECASE), "1.5"),
    (re.compile(rf"\b(?:an?|one|1) {_MINUTES} and a half", re.IGNORECASE), "90"),
    (re.compile(r"\b(?:a )?quarter of a minute", re.IGNORECASE), "15"),
)
_AND_A_HALF = re.compile(
    r"\b(\d{1,4})(?: |-)(?:\w+ )?(?:and(?: |-)an?(?: |-)half|1/2)\b|\b(\d{1,4})½", re.IGNORECASE
)
_POINT = re.compile(r"(?:\b(\d{1,4}) )?\bpoint (\d{1,3})\b", re.IGNORECASE)
_TWO_PAIRS = re.compile(r"(?<![\d.])(1[0-9]|20) ([1-9]\d)(?![\d.])")
_MINUTES_SECONDS = re.compile(
    rf"\b(\d{{1,3}}) ?(?:m|{_MINUTES})\.?(?:,? and|,)? ?(\d{{1,2}}) ?s(?:ec[a-z]*)?\b",
    re.IGNORECASE,
)
# Numbers beyond this many would only be noise, and they would make the grammar large.
_MOST_NUMBERS = 64


@dataclass(frozen=True, slots=True)
class Spelled:
    """A text with its English number words as digits: "sixty-four by nine" becomes "64 by 9".

    Attributes:
        text: With digits.
        starts: Where each of its characters begins in the text that was read.
        ends: Where each of its characters ends there.
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return the place, in the text that was read, of some of the characters."""
        return self.starts[start], self.ends[end - 1]


def canonical(value: Decimal | float | str) -> str:
    """Return a number as JSON would write it at its shortest: "2", "2.5", never "2.0" or "1e3"."""
    number = Decimal(str(value))
    whole = number == number.to_integral_value()
    return f"{number.to_integral_value() if whole else number.normalize():f}"


def read_numbers(text: str, spelled: Spelled) -> dict[str, tuple[tuple[int, int], ...]]:
    """Return the places in `text` of every number that it says, by canonical value, in order of value."""
    found: dict[str, dict[tuple[int, int], None]] = {}
    digits = [(value, (start, end)) for value, start, end in _in_digits(text)]
    words = [(value, spelled.origin(start, end)) for value, start, end in _in_digits(spelled.text)]
    compound = [
        (value, spelled.origin(start, end)) for value, start, end in _compound(spelled.text)
    ]
    pairs = [
        (match.group(1) + match.group(2), spelled.origin(*match.span()))
        for match in _TWO_PAIRS.finditer(spelled.text)
    ]
    said = [(value, (a, b)) for value, (a, b) in pairs if not re.search(r"\d", text[a:b])]
    for value, place in (*digits, *words, *compound, *said, *_in_phrases(text)):
        found.setdefault(value, {})[place] = None
    longer = {value: tuple(places) for value, places in found.items()}
    seconds = [(v, spelled.origin(start, end)) for v, start, end in _in_seconds(spelled.text)]
    for value, place in seconds:
        found.setdefault(value, {})[place] = None
    whole = {value: _not_inside_others(value, found[value], longer) for value in found}
    kept = sorted((value for value in found if whole[value]), key=Decimal)[:_MOST_NUMBERS]
    return {value: whole[value] for value in kept}


def _not_inside_others(
    value: str, places: Iterable[tuple[int, int]], longer: Mapping[str, Iterable[tuple[int, int]]]
) -> tuple[tuple[int, int], ...]:
    """Return the places of a value that are no part of a longer number: the 7 of "7 and a half" is none."""
    others = [place for other in longer if other != value for place in longer[other]]
    return tuple(
        sorted(
            (start, end)
            for start, end in places
            if not any(a <= start and end <= b and b - a > end - start for a, b in others)
        )
    )


def _in_digits(text: str) -> Iterator[tuple[str, int, int]]:
    different: set[str] = set()
    for match in _DIGITS.finditer(text):
        for value in _readings(match.group()):
            different.add(canonical(value))
            yield canonical(value), match.start(), match.end()
        if len(different) > _MOST_NUMBERS:
            break


def _in_seconds(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield "2 minutes" as 120."""
    for match in islice(_DIGITS.finditer(text), _MOST_NUMBERS):
        for value in _readings(match.group()):
            for unit, factor in _SCALED:
                if scaled := unit.match(text, match.end()):
                    yield canonical(value * factor), match.start(), scaled.end()
                    break


def _compound(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield "7 and a half" as 7.5 and "1 min 30 s" as 90."""
    for match in _AND_A_HALF.finditer(text):
        yield f"{int(match.group(1) or match.group(2))}.5", *match.span()
    for match in _POINT.finditer(text):
        yield canonical(f"{match.group(1) or 0}.{match.group(2)}"), *match.span()
    for match in _MINUTES_SECONDS.finditer(text):
        yield str(60 * int(match.group(1)) + int(match.group(2))), *match.span()


def _in_phrases(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    for phrase, value in _PHRASES:
        for match in phrase.finditer(text):
            yield value, match.span()
    yield from read_foreign(text)


def _readings(digits: str) -> list[Decimal]:
    """Return the values of "1,024" and "7,5": with the comma grouping, and as a decimal mark."""
    if len(digits) > 32:
        return []
    plain = "".join(str(int(char)) if char.isdigit() else char for char in digits)
    plain = plain.replace("\u066b", ".")
    readings: list[Decimal] = []
    if plain.count(".") <= 1:
        readings.append(Decimal(plain.replace(",", "")))
    if plain.count(",") == 1 and "." not in plain:
        readings.append(Decimal(plain.replace(",", ".")))
    if plain.count(".") > 1:
        readings.append(Decimal(plain.replace(".", "").replace(",", "")))
    return readings


def spell_digits(text: str) -> Spelled:
    """Return `text` with English number words as digits."""
    words = list(_WORD.finditer(text))
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []

    def keep(start: int, end: int) -> None:
        out.append(text[start:end])
        starts.extend(range(start, end))
        ends.extend(range(start + 1, end + 1))

    done = at = 0
    while at < len(words):
        end, value = _number_words(text, words, at)
        if value is None:
            at += 1
            continue
        keep(done, words[at].start())
        digits, done = str(value), words[end - 1].end()
        out.append(digits)
        starts.extend([words[at].start()] * len(digits))
        ends.extend([done] * len(digits))
        at = end
    keep(done, len(text))
    return Spelled("".join(out), tuple(starts), tuple(ends))


def _number_words(text: str, words: list[re.Match[str]], at: int) -> tuple[int, int | None]:
    """Read the number words that begin at word `at`; return the word after them and the value."""
    total: int | None = None
    part, room, end = 0, 10_000, at
    for here in range(at, min(at + 8, len(words))):
        if here > at and not re.fullmatch(
            r"[ -]", text[words[here - 1].end() : words[here].start()]
        ):
            break
        spoken = words[here].group().lower()
        if spoken == "and" and total and part == 0:
            continue
        if spoken in _SCALES and (total is not None or part):
            part = max(part, 1) * _SCALES[spoken]
            total, part, room = (total or 0) + part, 0, _SCALES[spoken]
        elif spoken in _TENS and room > 99:
            total, part, room = total or 0, part + _TENS[spoken], 10
        elif spoken == "dozen" and total is not None and part:
            total, part, room = total + part * 12, 0, 0
        elif spoken in _SCALES and here == at:
            total = room = _SCALES[spoken]
        elif spoken in _JOINED and room > 99:
            total, part, room = total or 0, part + _JOINED[spoken], 0
        elif spoken in _UNITS and _UNITS[spoken] < room and (room != 10 or _UNITS[spoken] > 0):
            total, part, room = total or 0, part + _UNITS[spoken], 0
        else:
            break
        end = here + 1
    return (end, None) if total is None else (end, total + part)
