"""Plans cases one by one and records what it took; it does not judge the plans."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from unison_agent.errors import UnisonError
from unison_agent.evaluation.planning import Outcome
from unison_agent.evaluation.planning_cases import Case, steps_of
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.tasks import Plan, Request

if TYPE_CHECKING:
    from unison_agent.decoding import Turn, Written
    from unison_agent.planning.planner import Writer


class Recorder:
    """A writer that remembers what another one wrote last.

    Attributes:
        last: What was written last, None when nothing was.
    """

    def __init__(self, writer: "Writer") -> None:
        self._writer = writer
        self.last: Written | None = None

    def write(
        self, prompt: str, grammar: str, *, copy_from: str = "", max_new_tokens: int
    ) -> "Written":
        """Return what the other writer writes."""
        self.last = self._writer.write(
            prompt, grammar, copy_from=copy_from, max_new_tokens=max_new_tokens
        )
        return self.last

    def write_batch(self, turns: "Sequence[Turn]", *, max_new_tokens: int) -> "list[Written]":
        """Return what the other writer writes."""
        written = self._writer.write_batch(turns, max_new_tokens=max_new_tokens)
        self.last = written[-1] if written else None
        return written


def run(
    plan: Callable[[Request], Plan],
    cases: Sequence[Case],
    *,
    recorder: Recorder | None = None,
    progress: Progress = silent,
) -> list[Outcome]:
    """Plan each case; what fails on purpose is an outcome too.

    Args:
        plan: Plans a request.
        cases: What to plan.
        recorder: What `plan` writes with, to know passes and the raw confidence.
        progress: Told of every case.
    """
    outcomes: list[Outcome] = []
    if cases:
        _plan(plan, cases[0], None)  # what the first call prepares is not its time
    for done, case in enumerate(cases):
        progress(ProgressEvent("plan", done, len(cases)))
        outcomes.append(_plan(plan, case, recorder))
    progress(ProgressEvent("plan", len(cases), len(cases)))
    return outcomes


def _plan(plan: Callable[[Request], Plan], case: Case, recorder: Recorder | None) -> Outcome:
    if recorder is not None:
        recorder.last = None
    began = time.perf_counter()
    found: Plan | None = None
    error = ""
    try:
        found = plan(case.request)
    except UnisonError as failure:
        error = str(failure)
    seconds = time.perf_counter() - began
    written = recorder.last if recorder is not None else None
    return Outcome(
        case=case,
        steps=() if found is None else steps_of(found),
        error=error,
        confidence=None if found is None else found.confidence,
        raw=None if written is None else written.confidence,
        passes=None if written is None else written.passes,
        seconds=seconds,
        written="" if written is None else written.text,
    )
