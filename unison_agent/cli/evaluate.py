"""The commands that measure planning; the figures are made elsewhere, here they are asked for and shown."""

import json as json_
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from unison_agent.cli import opening, show
from unison_agent.cli.bars import Bars
from unison_agent.cli.options import Debug, Json, Profile, Tools
from unison_agent.cli.telling import stderr, stdout, told
from unison_agent.errors import RequestError

if TYPE_CHECKING:
    from unison_agent.evaluation.planning_cases import Case

_WIDE = 132  # where nobody watches there is no width to fit

evaluate = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="Measure planning, and check tool packs."
)

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FILE.jsonl]...",
        help="Requests with their calls; by default data/planning/evaluation of a checkout.",
        exists=True,
        dir_okay=False,
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many requests.")]
Seed = Annotated[int | None, typer.Option(help="Shuffles them, so that --limit takes a sample.")]


@evaluate.command()
@told
def planning(
    files: Files = None,
    profile: Profile = "nano",
    limit: Limit = None,
    seed: Seed = None,
    mistakes: Annotated[int, typer.Option(min=0, help="Show so many of the wrong plans.")] = 0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Plan requests whose calls are known, and say how often and in what the plans are right.

    Shares are per cent. Exact leaves out prompt and question, which have F1 figures of their own; a plan is
    right for ECE, the expected calibration error of its confidence, when it is exact.
    """
    del debug
    from unison_agent.evaluation.planning import report
    from unison_agent.evaluation.planning_report import document, tables
    from unison_agent.evaluation.planning_run import run

    chosen, cases = _read(files, limit, seed)
    with Bars(stderr()) as bars:
        planner, recorder = opening.open_planner(profile, bars)
        found = report(run(planner.plan, cases, recorder=recorder, progress=bars))
    if json:
        heading = {"profile": profile, "files": [str(path) for path in chosen]}
        typer.echo(json_.dumps(heading | document(found), ensure_ascii=False, indent=2))
        return
    console = _wide_console()
    for part in tables(found, mistakes=mistakes):
        console.print(part, soft_wrap=isinstance(part, str))  # a line to copy stays one line


@evaluate.command()
@told
def tools(
    pack: Annotated[str, typer.Argument(help="A profile's name, or the path of a tool pack.")],
    files: Files = None,
    tool: Tools = None,
    planner: Annotated[
        str | None, typer.Option(help="Plan with the model of another profile.")
    ] = None,
    cases: Annotated[int, typer.Option(min=1, help="Requests of each task.")] = 12,
    fair_share: Annotated[
        float, typer.Option(min=0, max=1, help="Reachable means chosen for at least this share.")
    ] = 0.5,
    seed: Annotated[int, typer.Option(help="Chooses among the requests of the files.")] = 0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check that every tool of a pack can be reached by words, and what it is confused with.

    Tools of your own are asked for in a dozen ways made of their name, description and arguments, and the
    requests for tasks show whether they draw those to themselves. The exit code is 1 when a tool is not
    reached under one of its tasks.
    """
    del debug
    from unison_agent.custom.finding import find_tools
    from unison_agent.evaluation import tool_check
    from unison_agent.evaluation.planning_cases import benchmark_files
    from unison_agent.packs import load_pack

    loaded = load_pack(pack)
    # Outside a checkout the requests that ship must do.
    chosen = files or benchmark_files(required=False)
    own = find_tools(tool or ())
    wanted = tool_check.bindings(loaded, chosen, own, most=cases, seed=seed)
    with Bars(stderr()) as bars:
        plans, _ = opening.open_planner(planner or pack, bars, own)
        reached = tool_check.check(
            wanted, plans.plan, tools=own, fair_share=fair_share, progress=bars
        )
    lost = [reach for reach in reached if not reach.reachable]
    if json:
        rows = [asdict(reach) | {"reachable": reach.reachable} for reach in reached]
        heading = {"profile": loaded.profile, "reachable": not lost}
        typer.echo(json_.dumps(heading | {"bindings": rows}, indent=2))
    else:
        _wide_console().print(show.reach_table(reached, tool_check.served_by(loaded)))
        for reach in lost:
            stderr().print(f"[bold red]unreachable[/]: {reach.tool} as {reach.name}")
    if lost:
        raise typer.Exit(1)


@evaluate.command()
@told
def calibration(
    files: Files = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write slope and intercept.")
    ] = None,
    profile: Profile = "nano",
    limit: Limit = None,
    seed: Annotated[int, typer.Option(help="Cuts the requests into two halves.")] = 0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Fit the planner's confidence on half of the requests, and test it on the other half."""
    del debug
    from unison_agent.evaluation import calibration as fitting
    from unison_agent.evaluation.planning_run import run

    _, read = _read(files, limit, seed)
    with Bars(stderr()) as bars:
        planner, recorder = opening.open_planner(profile, bars)
        outcomes = run(planner.plan, read, recorder=recorder, progress=bars)
    found = fitting.fit([(o.raw, o.right) for o in outcomes if o.raw is not None])
    if out is not None:
        fitting.save(found.calibration, out)
    if json:
        line = found.calibration.model_dump()
        typer.echo(json_.dumps(asdict(found) | {"calibration": line}, indent=2))
        return
    console = stdout()
    line = found.calibration
    console.print(
        f"slope {line.slope:.4f}, intercept {line.intercept:.4f} from {found.fitted} plans"
    )
    console.print(
        f"expected calibration error on {found.tested} others:"
        f" {100 * found.error_before:.1f} % before, {100 * found.error_after:.1f} % after"
    )
    if out is not None:
        console.print(f"[bold green]saved[/] {escape(str(out))}")


def _read(
    files: list[Path] | None, limit: int | None, seed: int | None
) -> "tuple[list[Path], list[Case]]":
    """Return the files that are read, by default the benchmark, and the requests in them."""
    from unison_agent.evaluation.planning_cases import benchmark_files, read_cases

    chosen = files or benchmark_files()
    cases = read_cases(chosen, limit=limit, seed=seed)
    if not cases:
        names = ", ".join(str(path) for path in chosen)
        raise RequestError(f"There is no request in {names}.", hint="One stands on each line.")
    return chosen, cases


def _wide_console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDE)
