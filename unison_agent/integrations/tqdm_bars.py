"""Progress events as tqdm's bars, in notebooks and terminals; it does not know what is being done."""

import warnings
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from unison_agent.errors import MissingDependencyError
from unison_agent.progress import STAGE_WORDS, ProgressEvent, Stage

if TYPE_CHECKING:
    pass


class TqdmBars:
    """A progress listener and context manager: one bar a stage, gone when the work is done.

    Raises:
        MissingDependencyError: tqdm is not installed.
    """

    def __init__(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # without ipywidgets tqdm draws its bars in text
                from tqdm.auto import tqdm
        except ImportError as error:
            raise MissingDependencyError("tqdm", extra="models") from error
        self._new = tqdm
        self._bars: dict[Stage, tqdm[NoReturn]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for bar in self._bars.values():
            bar.close()
        self._bars.clear()

    def __call__(self, event: ProgressEvent) -> None:
        """Show one event."""
        bar = self._bars.get(event.stage)
        if bar is None:
            loading = event.stage == "download"
            bar = self._new(
                desc=STAGE_WORDS[event.stage],
                leave=False,
                unit="B" if loading else "",
                unit_scale=loading,
            )
            self._bars[event.stage] = bar
        bar.total = event.total
        bar.n = event.done
        bar.set_postfix_str(event.note, refresh=False)
        bar.refresh()
