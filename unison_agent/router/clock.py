"""How long each stage took, read off the progress events; it does not know what is done in them."""

from collections import defaultdict
from time import perf_counter

from unison_agent.progress import Progress, ProgressEvent, Stage
from unison_agent.result import Timings


class StageClock:
    """A progress listener that measures and passes on.

    Time belongs to the stage of the last event, until an event says that all of that stage is done.

    Args:
        progress: Told every event.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._start = self._since = perf_counter()
        self._stage: Stage | None = None
        self._spent: defaultdict[Stage | None, float] = defaultdict(float)

    def __call__(self, event: ProgressEvent) -> None:
        """Note the time and pass `event` on."""
        self._note()
        finished = event.total is not None and event.done >= event.total
        self._stage = None if finished else event.stage
        self._progress(event)

    def timings(self) -> Timings:
        """Return the seconds up to now."""
        self._note()
        spent = self._spent
        return Timings(
            plan_seconds=spent["plan"],
            load_seconds=spent["load"] + spent["download"] + spent["release"],
            encode_seconds=spent["encode"],
            denoise_seconds=spent["denoise"],
            decode_seconds=spent["decode"],
            answer_seconds=spent["answer"],
            tool_seconds=spent["tool"],
            total_seconds=self._since - self._start,
        )

    def _note(self) -> None:
        now = perf_counter()
        self._spent[self._stage] += now - self._since
        self._since = now
