"""What a diffusers pipeline tells of its steps, as progress; it knows no tasks."""

from time import perf_counter

from unison_agent.progress import Progress, ProgressEvent

PIPELINE_ERRORS = (
    RuntimeError, ValueError, TypeError, AssertionError, AttributeError, LookupError, NameError,
    StopIteration, OSError,
)  # fmt: skip
"""What a pipeline of diffusers raises when it fails."""


class StepReport:
    """A ``callback_on_step_end`` that counts the steps of all outputs of a call.

    Args:
        progress: Told of each step; raising in it stops the run before the next.
        steps: Of one output.
        num_outputs: Of the call.
        index: Which of them is being made, from 0.

    Attributes:
        stopped: What `progress` raised.
    """

    def __init__(self, progress: Progress, steps: int, num_outputs: int, index: int) -> None:
        self._progress = progress
        self._steps = steps
        self._num_outputs = num_outputs
        self._index = index
        self.stopped: BaseException | None = None
        self._marks: list[float] = []  # when each step of this output began or ended

    def start(self) -> None:
        """Say that the first step begins."""
        self._tell(0)

    def __call__(
        self, _pipe: object, step: int, _time: object, kept: dict[str, object]
    ) -> dict[str, object]:
        """Say that step `step`, from 0, is done."""
        try:
            self._tell(min(step + 1, self._steps))
            if step + 1 >= self._steps:
                self._progress(ProgressEvent("decode", self._index, self._num_outputs))
        except BaseException as error:
            self.stopped = error
            raise
        return kept

    def _tell(self, steps: int) -> None:
        done, total = self._index * self._steps + steps, self._num_outputs * self._steps
        self._marks.append(perf_counter())
        left = None
        if len(self._marks) > 1:
            # The first step waits for what is encoded before it, and compiles.
            since = 1 if len(self._marks) > 2 else 0
            pace = (self._marks[-1] - self._marks[since]) / (len(self._marks) - 1 - since)
            left = pace * (total - done)
        self._progress(ProgressEvent("denoise", done, total, seconds_left=left))
