"""A planning report as tables for people and as one document for programs; it computes no figures."""

from collections.abc import Iterable, Mapping

from rich import box
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from unison_agent.evaluation.planning import FieldScore, Outcome, Report, Scores
from unison_agent.evaluation.planning_cases import NEEDS_INPUT, WORDS, Step

_COLUMNS = (
    "requests",
    "valid",
    "task",
    "steps",
    "exact",
    "span F1",
    "precision",
    "recall",
    "passes",
    "ms",
    "ECE",
)


def tables(report: Report, *, mistakes: int = 0) -> list[RenderableType]:
    """Return the figures, and then so many mistakes, to be printed one after the other."""
    shown: list[RenderableType] = [
        _scores_table(report),
        _fields_table(report.fields),
        _confusion_table(report),
    ]
    for outcome in report.mistakes[:mistakes]:
        shown += [*_mistake_lines(outcome), ""]
    return shown


def document(report: Report) -> dict[str, object]:
    """Return all figures and mistakes as JSON values."""
    return {
        "total": _scores(report.total),
        "tasks": {name: _scores(scores) for name, scores in report.tasks.items()},
        "slices": {name: _scores(scores) for name, scores in report.slices.items()},
        "fields": {name: _field(field) for name, field in report.fields.items()},
        "confusions": [
            {"wanted": pair.wanted, "found": pair.found, "count": pair.count}
            for pair in report.confusions
        ],
        "mistakes": [
            {
                "place": outcome.case.place,
                "request": outcome.case.request.text,
                "media": [attachment.kind for attachment in outcome.case.request.attachments],
                "wanted": _steps(outcome.case.steps),
                "found": _steps(outcome.steps),
                "error": outcome.error or None,
                "confidence": outcome.confidence,
                "written": outcome.written or None,
            }
            for outcome in report.mistakes
        ],
    }


def _scores(scores: Scores) -> dict[str, object]:
    return {
        "requests": scores.requests,
        "valid": scores.valid,
        "task": scores.task,
        "steps": scores.steps,
        "exact": scores.exact,
        "span_f1": scores.span_f1,
        "spans": scores.spans,
        "stated": _field(scores.stated),
        "passes": scores.passes,
        "milliseconds": round(scores.milliseconds, 2),
        "calibration_error": scores.calibration_error,
    }


def _field(field: FieldScore) -> dict[str, object]:
    return {
        "wanted": field.wanted,
        "found": field.found,
        "right": field.right,
        "precision": field.precision,
        "recall": field.recall,
    }


def _steps(steps: Iterable[Step]) -> list[dict[str, object]]:
    return [{"task": step.task, "fields": dict(step.fields)} for step in steps]


def _scores_table(report: Report) -> Table:
    table = _table("", *_COLUMNS)
    _add_rows(table, {"all": report.total})
    _add_rows(table, report.slices)
    _add_rows(table, report.tasks)
    return table


def _add_rows(table: Table, groups: Mapping[str, Scores]) -> None:
    for name, scores in groups.items():
        table.add_row(
            escape(name),
            str(scores.requests),
            _percent(scores.valid),
            _percent(scores.task),
            _percent(scores.steps),
            _percent(scores.exact),
            _percent(scores.span_f1),
            _percent(scores.stated.precision),
            _percent(scores.stated.recall),
            _number(scores.passes),
            f"{scores.milliseconds:.0f}",
            _percent(scores.calibration_error),
        )
    table.add_section()


def _fields_table(fields: Mapping[str, FieldScore]) -> Table:
    table = _table("field", "wanted", "found", "right", "precision", "recall")
    for name, field in fields.items():
        table.add_row(
            f"{name} (to the letter)" if name in WORDS else name,
            str(field.wanted),
            str(field.found),
            str(field.right),
            _percent(field.precision),
            _percent(field.recall),
        )
    return table


def _confusion_table(report: Report) -> RenderableType:
    if not report.confusions:
        return "No task was taken for another.\n"
    wrong: dict[str, list[str]] = {}
    for pair in report.confusions:
        wrong.setdefault(pair.wanted, []).append(f"{pair.found} {pair.count}")
    table = _table("should be", "of", "was taken for", numbers=("of",))
    for name, found in wrong.items():
        table.add_row(name, str(report.tasks[name].requests), ", ".join(found))
    return table


def _mistake_lines(outcome: Outcome) -> list[str]:
    handles = ", ".join(attachment.handle for attachment in outcome.case.request.attachments)
    attached = f" [dim]+ {handles}[/]" if handles else ""
    found = escape(outcome.error) if outcome.error else _steps_words(outcome.steps)
    return [
        f"[bold]{escape(repr(outcome.case.request.text))}[/]{attached} [dim]{escape(outcome.case.place)}[/]",
        f"  [green]wanted[/] {_steps_words(outcome.case.steps)}",
        f"  [red]found[/]  {found}",
    ]


def _steps_words(steps: Iterable[Step]) -> str:
    return ", then ".join(escape(_step_words(step)) for step in steps)


def _step_words(step: Step) -> str:
    if step.task == NEEDS_INPUT:
        return f"{NEEDS_INPUT} {step.fields['slot']}"
    values = ", ".join(f"{name}={value!r}" for name, value in step.fields.items())
    return f"{step.task}({values})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _table(first: str, *headings: str, numbers: tuple[str, ...] | None = None) -> Table:
    """Return an empty table whose columns after the first hold numbers, or those that are named."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column(first, overflow="fold")
    for heading in headings:
        right = numbers is None or heading in numbers
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    return table
