"""The signal tokens of the paper's planner (arXiv 2512.07747) as a language: its tokens, its calls, both ways.

It knows no request: what an index stands for, and what a call means as a task, is for `signal_calls`. A
control token is a `Signal` here and never its spelled-out characters, so words can neither make nor end a
call. A call is ``[role] [size] [frames] class``, the class last; no control token at all is an answer in words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NoReturn, TypeAlias

from unison_agent.errors import PlanningError


class Signal(Enum):
    """The 14 tokens that are added to the vocabulary."""

    CFI = "<CFI>"
    CFV = "<CFV>"
    BORES = "<BORES>"
    EORES = "<EORES>"
    BONF = "<BONF>"
    EONF = "<EONF>"
    BOFIDX = "<BOFIDX>"
    EOFIDX = "<EOFIDX>"
    REF = "<REF>"
    CTRL = "<CTRL>"
    BOEDIT = "<BOEDIT>"
    EOEDIT = "<EOEDIT>"
    IMGPAD = "<IMGPAD>"
    VIDPAD = "<VIDPAD>"


Piece: TypeAlias = Signal | str
"""A control token, or the text between two of them."""
FRAMES_PER_SECOND = 24  # at which an asked duration is written as a number of frames


@dataclass(frozen=True, slots=True)
class Reference:
    """The attached images show the subject; which of them is not said."""


@dataclass(frozen=True, slots=True)
class Control:
    """An attached medium gives the structure; which, and of what type, is not said."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A masked part of an attached medium changes.

    Attributes:
        mask: Its place among the attachments, from 0.
        source: Likewise; it stands behind the mask.
    """

    mask: int
    source: int


@dataclass(frozen=True, slots=True)
class Frame:
    """An attached image is a frame of the clip; which image is not said."""

    place: Literal["first", "last"]


Role: TypeAlias = Reference | Control | Edit | Frame


@dataclass(frozen=True, slots=True)
class SignalCall:
    """All that one call can say.

    Attributes:
        output: What is made.
        role: What the attachments are for; None when it is made from words.
        size: Width and height in pixels.
        num_frames: Of a clip.
    """

    output: Literal["image", "video"]
    role: Role | None = None
    size: tuple[int, int] | None = None
    num_frames: int | None = None


def write_pieces(call: SignalCall | None) -> tuple[Piece, ...]:
    """Return a call as the planner writes it; None is an answer in words, without any token."""
    if call is None:
        return ()
    pieces: list[Piece] = []
    match call.role:
        case Reference():
            pieces += [Signal.REF]
        case Control():
            pieces += [Signal.CTRL]
        case Edit(mask, source):
            pieces += [Signal.BOEDIT, f"{mask},{source}", Signal.EOEDIT]
        case Frame(place):
            pieces += [Signal.BOFIDX, "0" if place == "first" else "1", Signal.EOFIDX]
        case None:
            pass
    if call.size is not None:
        width, height = call.size
        pieces += [Signal.BORES, f"{width},{height}", Signal.EORES]
    if call.num_frames is not None:
        pieces += [Signal.BONF, str(call.num_frames), Signal.EONF]
    return (*pieces, Signal.CFI if call.output == "image" else Signal.CFV)


def parse_pieces(pieces: Sequence[Piece]) -> SignalCall | None:
    """Return the call that the pieces say, None for an answer in words.

    Raises:
        PlanningError: They hold control tokens and are no call; it says at which piece.
    """
    if not any(isinstance(piece, Signal) for piece in pieces):
        return None
    return _Reading(tuple(pieces)).call()


_WHOLE = r"(0|[1-9]\d{0,6})"
_ONE = re.compile(_WHOLE, re.ASCII)
_TWO = re.compile(f"{_WHOLE},{_WHOLE}", re.ASCII)


class _Reading:
    """Pieces as they are read, from the first to the last."""

    def __init__(self, pieces: tuple[Piece, ...]) -> None:
        self._pieces = pieces
        self._at = 0

    def call(self) -> SignalCall:
        role = self._role()
        size = self._size()
        num_frames = self._num_frames()
        match self._next():
            case Signal.CFI if isinstance(role, Frame):
                self._refuse("a call without <BOFIDX>, which is for clips")
            case Signal.CFI if num_frames is not None:
                self._refuse("a call without <BONF>, which is for clips")
            case Signal.CFI | Signal.CFV as made:
                self._at += 1
            case _:
                self._refuse("<CFI> or <CFV>")
        if self._at < len(self._pieces):
            self._refuse("nothing behind the class")
        return SignalCall("image" if made is Signal.CFI else "video", role, size, num_frames)

    def _role(self) -> Role | None:
        match self._next():
            case Signal.REF:
                self._at += 1
                return Reference()
            case Signal.CTRL:
                self._at += 1
                return Control()
            case Signal.BOEDIT:
                mask, source = self._between(_TWO, Signal.EOEDIT, "the places of mask and source")
                if mask == source:
                    self._at -= 2
                    self._refuse("different places of mask and source")
                return Edit(mask, source)
            case Signal.BOFIDX:
                (place,) = self._between(
                    re.compile("([01])"), Signal.EOFIDX, "0 (first) or 1 (last)"
                )
                return Frame("last" if place else "first")
            case _:
                return None

    def _size(self) -> tuple[int, int] | None:
        if self._next() is not Signal.BORES:
            return None
        width, height = self._between(_TWO, Signal.EORES, "width and height in pixels")
        if not width or not height:
            self._at -= 2
            self._refuse("sides above 0")
        return width, height

    def _num_frames(self) -> int | None:
        if self._next() is not Signal.BONF:
            return None
        (count,) = self._between(_ONE, Signal.EONF, "a number of frames")
        if not count:
            self._at -= 2
            self._refuse("a number of frames above 0")
        return count

    def _between(self, form: re.Pattern[str], end: Signal, what: str) -> tuple[int, ...]:
        """Read the numbers from the opening token to `end`."""
        self._at += 1
        text = self._next()
        found = form.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            self._refuse(what)
        self._at += 1
        if self._next() is not end:
            self._refuse(end.value)
        self._at += 1
        return tuple(int(number) for number in found.groups())

    def _next(self) -> Piece | None:
        return self._pieces[self._at] if self._at < len(self._pieces) else None

    def _refuse(self, expected: str) -> NoReturn:
        got = self._next()
        shown = "the end" if got is None else got.value if isinstance(got, Signal) else repr(got)
        whole = "".join(p.value if isinstance(p, Signal) else p for p in self._pieces)
        raise PlanningError(
            f"The planner's signal tokens are no call: expected {expected} at piece {self._at + 1}, got"
            f" {shown[:80]}. It wrote: {whole[:200]!r}",
            hint="Say the request in other words, or pass a plan of your own.",
        )
