"""Marks spans of a request under construction, so that they survive filling and dressing; knows no task.

A span is a pair of private characters around its words, one pair for each step of the plan. They stay
where they are while slots are filled, capitals dropped and settings appended, and are taken out at the end.
"""

import re
from collections.abc import Mapping

_FIRST = 0xE000
_MARK = re.compile("[\ue000-\ue00f]")
_POLITE = re.compile(
    r"\b(?:please|pleas|plese|plz|pls|thanks|thank you|thanks in advance|thx|ty|kindly|bitte|danke|merci"
    r"|s'il (?:te|vous) pla[iî]t|svp|por favor|gracias|per favore|grazie|obrigad[oa])\b",
    re.IGNORECASE,
)
# Two marks that never stand in a request's form: where the words of a step begin and end.
OPEN, CLOSE = "[", "]"


def wrap(words: str, step: int = 0) -> str:
    """Return `words` as the marked span of a step (0-based)."""
    return f"{chr(_FIRST + 2 * step)}{words}{chr(_FIRST + 2 * step + 1)}"


def marked(form: str, step: int = 0) -> str:
    """Return a form with its brackets as the marks of a step."""
    first, last = chr(_FIRST + 2 * step), chr(_FIRST + 2 * step + 1)
    return form.replace(OPEN, first).replace(CLOSE, last)


def mark(text: str, words: str, step: int = 0) -> str:
    """Return `text` with the first place of `words` marked; unmarked where they are not in it.

    Marks of earlier steps may lie inside or around the words.
    """
    plain, places = _without_marks(text)
    start = plain.find(words)
    if start < 0 or not words:
        return text
    end = places[start + len(words) - 1] + 1
    start = places[start]
    return f"{text[:start]}{wrap(text[start:end], step)}{text[end:]}"


def read_marks(text: str) -> tuple[str, Mapping[int, tuple[int, int]]]:
    """Return the text without marks, and the place of each step's span in it."""
    plain, _ = _without_marks(text)
    spans: dict[int, tuple[int, int]] = {}
    opened: dict[int, int] = {}
    at = 0
    for char in text:
        if not _MARK.match(char):
            at += 1
            continue
        step, closes = divmod(ord(char) - _FIRST, 2)
        if closes and step in opened:
            spans[step] = (opened[step], at)
        elif not closes:
            opened[step] = at
    return plain, spans


def strip_end(text: str, chars: str) -> str:
    """Return the text without those characters at its end, marks looked through and kept."""
    kept = ""
    while text and (text[-1] in chars or _MARK.match(text[-1])):
        kept = text[-1] + kept if _MARK.match(text[-1]) else kept
        text = text[:-1]
    return text + kept


def capitalized(text: str) -> str:
    """Return the text with its first letter as a capital, marks looked through."""
    at = next((place for place, char in enumerate(text) if not _MARK.match(char)), 0)
    return text[:at] + text[at : at + 1].upper() + text[at + 1 :]


def span_words(text: str, start: int, end: int) -> str | None:
    """Return the words of a span, with single spaces; None where they are all that the text says."""
    while start < end and text[start] in " \t\n,;:":
        start += 1
    while start < end and text[end - 1] in " \t\n,;:.!":
        end -= 1
    rest = _POLITE.sub("", f"{text[:start]} {text[end:]}")
    if start >= end or not re.search(r"\w", rest):
        return None
    return re.sub(r"\s+", " ", text[start:end])


def _without_marks(text: str) -> tuple[str, list[int]]:
    """Return the text without marks, and where each of its characters stood."""
    places = [place for place, char in enumerate(text) if not _MARK.match(char)]
    return "".join(text[place] for place in places), places
