"""The commands that measure what nano makes and answers; figures are made in `evaluation`, here they are shown."""

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unison_agent.cli.bars import Bars
from unison_agent.cli.options import Debug, Json, Profile
from unison_agent.cli.telling import stderr, stdout, told
from unison_agent.errors import RequestError
from unison_agent.tasks import GENERATION_TASKS, UNDERSTANDING_TASKS

if TYPE_CHECKING:
    from unison_agent.evaluation.generation_cases import Case
    from unison_agent.evaluation.task_reports import TaskReport
    from unison_agent.media import Medium

_FAILURES_A_TASK = 2
Count = Annotated[int, typer.Option("--count", "-n", min=1, help="Requests of each task.")]
Tasks = Annotated[list[str] | None, typer.Argument(metavar="[TASK]...", help="All by default.")]


@told
def generation(
    tasks: Tasks = None,
    count: Count = 20,
    profile: Profile = "nano",
    truth: Annotated[
        bool,
        typer.Option("--truth", help="Score the renderer's pictures: what the judge sees right."),
    ] = False,
    swapped: Annotated[
        bool,
        typer.Option("--swapped", help="Give each request the words of another, as a control."),
    ] = False,
    connector_off: Annotated[
        bool,
        typer.Option("--connector-off", help="Draw with no words at all, as another control."),
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=1, max=50, help="Of denoising; the tool pack's by default.")
    ] = None,
    connector: Annotated[
        Path | None, typer.Option(help="A connector that you trained, instead of the profile's.")
    ] = None,
    failures: Annotated[
        Path | None,
        typer.Option(help="Write a picture of the first cases of each task that came out wrong."),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make pictures and clips of scenes that training held out, and measure what is in them.

    `all` counts requests of which every yes-or-no measure is right. Names are what nano's own vision tower
    sees; run it with --truth for what that is worth.
    """
    del debug
    from unison_agent.agent import Unison
    from unison_agent.evaluation import generation as measures
    from unison_agent.evaluation import pairs
    from unison_agent.evaluation.task_reports import TaskReport
    from unison_agent.sheet import Cell, contact_sheet

    chosen = _chosen(tasks, GENERATION_TASKS)
    if sum((truth, swapped, connector_off)) > 1:
        raise RequestError("--truth, --swapped and --connector-off exclude one another.")
    if truth and steps is not None:
        raise RequestError("--truth makes nothing that --steps could be of.")
    if connector_off and connector is not None:
        raise RequestError("--connector-off leaves nothing of --connector to measure.")
    reports: list[TaskReport] = []
    unison = Unison.from_pretrained(profile, connector=connector)
    wrong: list[Cell] = []

    def watch(case: "Case", made: "Medium", missed: tuple[str, ...]) -> None:
        if missed and sum(cell.task == case.task for cell in wrong) < _FAILURES_A_TASK:
            footer = f"wrong: {', '.join(missed)}"
            wrong.append(Cell(case.task, case.said.text, case.media, (made,), footer=footer))

    with Bars(stderr()) as bars:
        for task in GENERATION_TASKS:
            if task not in chosen:
                continue
            if truth:
                reports.append(measures.true_renderings(task, count))
                if task == "text_to_image":
                    reports.append(pairs.true_renderings(count))
                continue
            reports.append(
                measures.evaluate_task(
                    unison,
                    task,
                    count,
                    bars,
                    swapped=swapped,
                    connector=not connector_off,
                    steps=steps,
                    watch=watch,
                )
            )
            if swapped or connector_off:
                continue
            if task == "text_to_image" and steps is None:
                reports.append(pairs.evaluate(unison, count, bars))
            if task.endswith("editing"):
                found = {"masks found from words": measures.found_masks(task, count)}
                reports.append(TaskReport(f"{task}, masks", found))
    if failures is not None and wrong:
        said = f"the first wrong ones of {count} held-out requests of each task; nothing chosen"
        contact_sheet(f"What {profile} gets wrong", said, wrong).save(failures)
    _show(reports, json=json)


@told
def understanding(
    tasks: Tasks = None,
    count: Count = 60,
    profile: Profile = "nano",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Ask about scenes that training held out, and simple questions of general knowledge.

    Answers about scenes must be right to the letter.
    """
    del debug
    from unison_agent.agent import Unison
    from unison_agent.evaluation import understanding as measures

    chosen = _chosen(tasks, UNDERSTANDING_TASKS)
    unison = Unison.from_pretrained(profile)
    with Bars(stderr()) as bars:
        reports = [
            measures.evaluate_task(unison, task, count, bars)
            for task in UNDERSTANDING_TASKS
            if task in chosen
        ]
    _show(reports, json=json)


def _chosen(tasks: list[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tasks to measure; all when none is named."""
    unknown = [task for task in tasks or () if task not in known]
    if unknown:
        raise RequestError(
            f"{unknown[0]!r} is no task that is measured here.",
            hint=f"These are: {', '.join(known)}.",
        )
    return tuple(tasks or known)


def _show(reports: "list[TaskReport]", *, json: bool) -> None:
    from unison_agent.evaluation import task_reports

    if json:
        typer.echo(json_.dumps(task_reports.document(reports), indent=2))
    else:
        stdout().print(task_reports.table(reports))
