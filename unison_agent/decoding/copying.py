"""Guesses how written JSON goes on: a span of the source inside a string, a familiar text elsewhere.

A guess costs next to nothing when it is wrong and saves a forward pass a token when it is right; what is
written never depends on it. This module knows JSON strings, and neither tokens, grammars nor models.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

_QUOTE_OR_ESCAPE = re.compile(rb'\\.|"', re.DOTALL)
_KEY = re.compile(rb'"[^"]*":"$')
_END = b'"}'  # what most often follows when a span runs to the end of the source


@dataclass(frozen=True)
class Guess:
    """How the text may go on.

    Attributes:
        before: The end of what is written, as far as the guess knows it.
        after: What may follow; empty when there is no guess.
    """

    before: bytes
    after: bytes


class Drafter:
    """Guesses what follows.

    Args:
        source: Text whose words the strings may repeat.
        familiar: Texts, or beginnings of texts, like those that are written. The first is the guess
            where nothing fits.
    """

    def __init__(self, source: str = "", familiar: Sequence[str] = ()) -> None:
        self._words = source
        self._familiar = tuple(text.encode() for text in familiar)

    def guess(self, written: bytes) -> Guess:
        """Return how `written`, the beginning of a JSON text, may go on."""
        start = _open_string(written)
        if start is None:
            return self._known(written, beyond=0)
        # A familiar text must know the string's own key, not only that some string begins.
        key = _KEY.search(written, 0, start)
        known = self._known(written, beyond=len(written) - (key.start() + 1 if key else start - 1))
        return known if known.after else self._copied(written[start:])

    @cached_property
    def _source(self) -> bytes:
        spaced = re.sub(r"\s+", " ", self._words).strip()
        return json.dumps(spaced, ensure_ascii=False)[1:-1].encode("utf-8", "replace")

    def _copied(self, begun: bytes) -> Guess:
        """Return the rest of the source from the first good place that has `begun`."""
        if not begun:
            return Guess(b"", b"")
        # Whole words, then beginnings of words, then any place.
        spaced = b" " + self._source + b" "
        for place in (
            spaced.find(b" " + begun + b" "),
            spaced.find(b" " + begun),
            self._source.find(begun),
        ):
            if place >= 0:
                return Guess(begun, self._source[place + len(begun) :] + _END)
        return Guess(b"", b"")

    def _known(self, written: bytes, *, beyond: int) -> Guess:
        """Return the rest of the familiar text that has the longest end of `written`, longer than `beyond`."""
        first = self._familiar[0] if self._familiar and not beyond else b""
        best, length = Guess(b"", first), beyond
        for text in self._familiar:
            while length < len(written) and (end := written[-length - 1 :]) in text[:-1]:
                length += 1
                best = Guess(end, text[text.index(end) + length :])
        return best


def _open_string(written: bytes) -> int | None:
    """Return where the string that is still open begins, after its quote; None outside strings."""
    start = None
    for match in _QUOTE_OR_ESCAPE.finditer(written):
        if match.group() == b'"':
            start = match.end() if start is None else None
    return start
