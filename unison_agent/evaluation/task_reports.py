"""The scores of a task as data, as JSON and as a table; it knows neither cases nor models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table

Unit = Literal["%", "IoU", "dB"]
_DECIMALS: Mapping[Unit, int] = {"%": 1, "IoU": 2, "dB": 1}


@dataclass(frozen=True, slots=True)
class Score:
    """The mean of one measure over the cases that it applies to."""

    value: float
    unit: Unit
    cases: int

    def __str__(self) -> str:
        return f"{self.value:.{_DECIMALS[self.unit]}f}"


@dataclass(frozen=True, slots=True)
class TaskReport:
    """The scores of one task, by name, and how many requests ended in an error."""

    task: str
    scores: Mapping[str, Score]
    failed: int = 0


def document(reports: Sequence[TaskReport]) -> dict[str, object]:
    """Return the reports for JSON."""
    return {
        report.task: {
            "failed": report.failed,
            "scores": {
                name: {"value": round(s.value, 3), "unit": s.unit, "cases": s.cases}
                for name, s in report.scores.items()
            },
        }
        for report in reports
    }


def table(reports: Sequence[TaskReport]) -> "Table":
    """Return the reports for people."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for heading in ("task", "measure", "score", "", "cases"):
        shown.add_column(heading, justify="right" if heading in ("score", "cases") else "left")
    for report in reports:
        task = report.task
        for name, score in report.scores.items():
            shown.add_row(task, name, str(score), score.unit, str(score.cases))
            task = ""
        if report.failed:
            shown.add_row(task, "failed", str(report.failed), "", "")
    return shown
