"""An answer on the terminal as it comes, under the bars of a run; it does not know what is run."""

from types import TracebackType
from typing import Self

import typer

from unison_agent.cli.bars import Bars
from unison_agent.progress import ProgressEvent


class Speaking:
    """A progress listener and context manager: bars, which make way for the words of an answer.

    Args:
        bars: Shown until there are words.
        aloud: Whether words are printed as they come; without it there are bars alone.

    Attributes:
        spoken: Whether any words were printed.
    """

    def __init__(self, bars: Bars, *, aloud: bool) -> None:
        self.spoken = False
        self._bars = bars
        self._aloud = aloud
        self._in_line = False

    def __enter__(self) -> Self:
        self._bars.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end_line()
        self._bars.__exit__(kind, error, traceback)

    def __call__(self, event: ProgressEvent) -> None:
        """Show one event."""
        if event.text and self._aloud:
            if not self._in_line:
                self._bars.pause()
            self.spoken = self._in_line = True
            typer.echo(event.text, nl=False)
        elif not self._in_line:
            self._bars(event)
        elif event.stage != "answer" or event.done == 0:
            self._end_line()
            self._bars.__enter__()
            self._bars(event)

    def _end_line(self) -> None:
        if self._in_line:
            typer.echo()
        self._in_line = False
