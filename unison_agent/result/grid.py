"""Several results or media side by side, in a notebook; it runs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from unison_agent.errors import RequestError
from unison_agent.media import Medium
from unison_agent.result import display
from unison_agent.result.types import Result
from unison_agent.tasks import GrantedImage, GrantedVideo

_LONGEST_CAPTION = 80


@dataclass(frozen=True, slots=True, repr=False)
class Grid:
    """What `grid` returns; leave it at the end of a cell.

    Attributes:
        shown: What is shown, row by row.
        captions: One below each.
        columns: How many stand side by side.
    """

    shown: tuple[Result | Medium, ...]
    captions: tuple[str, ...]
    columns: int

    def __repr__(self) -> str:
        return "\n".join(
            f"{number}. {caption}: {_words(one)}"
            for number, (one, caption) in enumerate(
                zip(self.shown, self.captions, strict=True), start=1
            )
        )

    def _repr_html_(self) -> str:
        cells = "".join(
            f'<figure style="margin:0">{_cell(one)}<figcaption><small>{escape(caption)}</small>'
            "</figcaption></figure>"
            for one, caption in zip(self.shown, self.captions, strict=True)
        )
        style = f"display:grid;grid-template-columns:repeat({self.columns},minmax(0,1fr));gap:12px"
        return f'<div style="{style}">{cells}</div>'


def grid(
    shown: Sequence[Result | Medium],
    *,
    columns: int | None = None,
    captions: Sequence[str] | None = None,
) -> Grid:
    """Put results, pictures and clips side by side.

    Args:
        shown: What to show, row by row.
        columns: How many stand side by side; 4 at most by default.
        captions: One below each; by default a result's request and seed, and the size of a medium.

    Raises:
        RequestError: There are not as many captions as things to show, or no columns.
    """
    if captions is not None and len(captions) != len(shown):
        msg = f"{len(shown)} things to show have {len(captions)} captions."
        raise RequestError(msg, hint="Give one for each.")
    wide = min(4, max(1, len(shown))) if columns is None else columns
    if wide < 1:
        raise RequestError(f"columns must be 1 or more, got {wide}.")
    below = [_caption(one) for one in shown] if captions is None else captions
    return Grid(tuple(shown), tuple(below), wide)


def _cell(one: Result | Medium) -> str:
    if isinstance(one, Result):
        return display.html([output.medium for output in one.outputs], one.text)
    return display.medium_html(one)


def _words(one: Result | Medium) -> str:
    if not isinstance(one, Result):
        return display.size(one)
    made = [display.size(output.medium) for output in one.outputs]
    return "; ".join([*made, *([] if one.text is None else [one.text])]) or "nothing"


def _caption(one: Result | Medium) -> str:
    if not isinstance(one, Result):
        return display.size(one)
    text = " ".join(one.plan.request.text.split())
    words = text if len(text) <= _LONGEST_CAPTION else f"{text[: _LONGEST_CAPTION - 3]}..."
    if isinstance(one.granted, GrantedImage | GrantedVideo):
        return f"{words} (seed {one.granted.seed})"
    return words
