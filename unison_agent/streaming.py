"""An answer piece by piece, while a run goes on in a thread of its own; it does not know what is run."""

from collections.abc import Iterator
from queue import SimpleQueue
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Protocol, Self

from unison_agent.errors import RunCancelledError
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.result import Result

_BETWEEN = "\n\n"  # answers of several steps


class Runs(Protocol):
    """A run that tells how far it is."""

    def __call__(self, *, progress: Progress) -> Result:
        """Return what it gave."""
        ...


class AnswerStream:
    """The text of an answer as it is written; iterate over it once. Joined, the pieces are the answer.

    A request that makes pictures gives no pieces; `result` holds them. Who stops reading stops the run: within one
    token of an answer, else within one unit of work. Answers of several steps are parted by an empty line.

    Args:
        run: What is run, in a thread that starts when the stream is first read.
        progress: Told every event, in that thread.
    """

    def __init__(self, run: Runs, progress: Progress) -> None:
        self._run = run
        self._progress = progress
        self._pieces: SimpleQueue[str | None] = SimpleQueue()
        self._stop = Event()
        self._starting = Lock()
        self._thread: Thread | None = None
        self._answered = self._parted = False
        self._outcome: Result | BaseException = RunCancelledError("The stream was closed.")

    def __iter__(self) -> Iterator[str]:
        """Yield the pieces as they come.

        Raises:
            UnisonError: As `Unison.run` raises.
        """
        self._start()
        ended = False
        try:
            while (piece := self._pieces.get()) is not None:
                yield piece
            ended = True
        finally:
            if not ended:
                self.close()
        self._pieces.put(None)  # for whoever reads again
        _ = self.result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def result(self) -> Result:
        """What the run gave; waits for its end.

        Raises:
            UnisonError: As `Unison.run` raises; RunCancelledError after `close`.
        """
        self._start().join()
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def close(self) -> None:
        """Stop the run if it still goes on, and wait until it has stopped; the models can be used again then."""
        self._stop.set()
        with self._starting:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _start(self) -> Thread:
        with self._starting:
            if self._thread is None:
                self._thread = Thread(target=self._work, name="unison-answer", daemon=True)
                self._thread.start()
            return self._thread

    def _work(self) -> None:
        try:
            if not self._stop.is_set():
                self._outcome = self._run(progress=self._tell)
        except BaseException as error:  # noqa: BLE001 - raised again where the stream is read
            self._outcome = error
        finally:
            self._pieces.put(None)

    def _tell(self, event: ProgressEvent) -> None:
        if self._stop.is_set():
            raise RunCancelledError("The stream was closed.")
        self._progress(event)
        if event.stage == "answer" and event.done == 0:
            self._parted = self._answered
        if event.text:
            self._pieces.put(f"{_BETWEEN}{event.text}" if self._parted else event.text)
            self._answered, self._parted = True, False
