"""``unison-agent demo``: one request of each task, told as they are done; what they are is known elsewhere."""

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unison_agent.cli import opening, show
from unison_agent.cli.bars import Bars
from unison_agent.cli.options import Also, Debug, Json, Profile
from unison_agent.cli.telling import stderr, stdout, told
from unison_agent.tasks import LARGEST_SEED

if TYPE_CHECKING:
    from unison_agent.demo import Outcome


@told
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED)] = 0,
    json: Json = False,
    profile: Profile = "nano",
    also: Also = None,
    debug: Debug = False,
) -> None:
    """Run one request of each of the 12 tasks and draw a contact sheet of all."""
    del debug
    from unison_agent.demo import SHEET, run_demo

    console = stdout()

    def tell(outcome: "Outcome") -> None:
        for line in () if json else show.outcome_lines(outcome):
            console.print(line)

    with Bars(stderr(), shown=not json) as bars:
        unison = opening.open_unison(profile, bars, also=also or ())
        outcomes = run_demo(unison, out, seed=seed, progress=bars, show=tell)
    failed = sum(outcome.error is not None for outcome in outcomes)
    right = sum(outcome.as_expected for outcome in outcomes)
    if json:
        content = {"right": right, "sheet": str(out / SHEET)}
        content |= {"outcomes": [_told(outcome) for outcome in outcomes]}
        typer.echo(json_.dumps(content, indent=2, ensure_ascii=False))
        raise typer.Exit(1 if failed else 0)
    console.print(f"[bold]{right} of {len(outcomes)}[/] ran as the task they should be.")
    for line in show.saved_lines([out / SHEET]):
        console.print(line)
    if failed:
        raise typer.Exit(1)


def _told(outcome: "Outcome") -> dict[str, object]:
    """Return an outcome as values of JSON."""
    made = outcome.result
    return {
        "task": outcome.sample.task,
        "request": outcome.sample.text,
        "planned": [] if outcome.plan is None else [call.task for call in outcome.plan.steps],
        "as_expected": outcome.as_expected,
        "answer": None if made is None else made.text,
        "files": [str(path) for path in outcome.files],
        "seconds": round(outcome.seconds, 3),
        "error": None if outcome.error is None else outcome.error.message,
    }
