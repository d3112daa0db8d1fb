"""Progress events as tqdm's bars, in notebooks and terminals; it does not know what is being done."""

import warnings
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from unison_agent.errors import MissingDependencyError
from unison_agent.progress import STAGE_WORDS, ProgressEvent, Stage

if TYPE_CHECKING:
    from tqdm import tqdm


class TqdmBars:
    """A progress listener and context manager: one bar, of the stage that is going on, gone when it is done.

    Without ipywidgets a notebook shows bars as text, where several at once would leave lines behind.

    Raises:
        MissingDependencyError: tqdm is not installed.
    """

    def __init__(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # without ipywidgets tqdm draws its bars in text
                from tqdm import auto
        except ImportError as error:
            raise MissingDependencyError("tqdm", extra="models") from error
        self._new = auto.tqdm
        self._bar: tqdm[NoReturn] | None = None
        self._stage: Stage | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def __call__(self, event: ProgressEvent) -> None:
        """Show one event."""
        if self._bar is None or event.stage != self._stage:
            self._close()
            self._bar, self._stage = self._open(event), event.stage
        self._bar.total = event.total
        self._bar.n = event.done
        self._bar.set_postfix_str(event.note, refresh=False)
        self._bar.refresh()

    def _open(self, event: ProgressEvent) -> "tqdm[NoReturn]":
        loading = event.stage == "download"
        return self._new(
            desc=STAGE_WORDS[event.stage],
            total=event.total,
            leave=False,
            unit="B" if loading else "",
            unit_scale=loading,
        )

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
