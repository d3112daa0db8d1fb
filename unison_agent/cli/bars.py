"""Progress events as bars on a terminal; it does not know what is being done.

Nothing is drawn where nobody watches (a pipe, a file, --quiet).
"""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from unison_agent.progress import STAGE_WORDS, ProgressEvent, Stage


class Bars:
    """A progress listener and context manager: one line a stage, gone when the work is done."""

    def __init__(self, console: Console, *, shown: bool = True) -> None:
        self._bars = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[amount]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            transient=True,
            disable=not (shown and console.is_terminal),
        )
        self._lines: dict[Stage, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def __call__(self, event: ProgressEvent) -> None:
        """Show one event."""
        line = self._lines.get(event.stage)
        if line is None:
            line = self._bars.add_task(STAGE_WORDS[event.stage], amount="", note="", left="")
            self._lines[event.stage] = line
        self._bars.update(
            line,
            completed=event.done,
            total=event.total,
            amount=amount(event),
            note=event.note,
            left=time_left(event),
        )

    def pause(self) -> None:
        """Take the bars off the terminal until they are entered again."""
        self._bars.stop()

    def refresh(self) -> None:
        """Draw now instead of at the next of ten times a second."""
        self._bars.refresh()


def amount(event: ProgressEvent) -> str:
    """Return how far an event is, in megabytes for downloads and in units otherwise."""
    if event.stage == "download":
        done = f"{event.done / 1e6:.1f}"
        return f"{done} MB" if event.total is None else f"{done} of {event.total / 1e6:.1f} MB"
    return f"{event.done}" if event.total is None else f"{event.done} of {event.total}"


def time_left(event: ProgressEvent) -> str:
    """Return how long a stage will take yet, in words; nothing where that is not known or it is over."""
    if not event.seconds_left:
        return ""
    minutes, seconds = divmod(round(event.seconds_left), 60)
    return f"{minutes} min {seconds} s left" if minutes else f"{max(1, seconds)} s left"
