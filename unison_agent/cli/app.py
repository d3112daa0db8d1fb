"""The commands; what they do is done below, here it is asked for and told."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer
from rich.console import Console

from unison_agent.cli import evaluate_tasks, files, functions, mcp, show, upkeep
from unison_agent.cli.asking import request_text
from unison_agent.cli.bars import Bars
from unison_agent.cli.compare import compare
from unison_agent.cli.doctor import doctor
from unison_agent.cli.evaluate import evaluate
from unison_agent.cli.inline import check_inline, show_inline
from unison_agent.cli.options import (
    Also,
    Debug,
    Json,
    Media,
    Profile,
    Quiet,
    Sign,
    Text,
    Tools,
    Use,
)
from unison_agent.cli.planning_files import plan_file
from unison_agent.cli.replay import replay
from unison_agent.cli.speaking import Speaking
from unison_agent.cli.telling import stderr, stdout, told
from unison_agent.errors import NegotiationError
from unison_agent.functions import MediaPolicy
from unison_agent.media import Kind, MediaSet
from unison_agent.progress import Progress
from unison_agent.tasks import Mode

if TYPE_CHECKING:
    from unison_agent.agent import Unison
    from unison_agent.result import Result

app = typer.Typer(
    no_args_is_help=True,
    epilog="Exit codes: 0 done, 1 an error (one message), 2 wrong usage, 130 stopped with Ctrl-C.",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
evaluate.command()(evaluate_tasks.generation)
evaluate.command()(evaluate_tasks.understanding)
app.add_typer(evaluate, name="evaluate")


def open_unison(
    profile: str, progress: Progress, tools: Sequence[str] = (), also: Sequence[str] = ()
) -> "Unison":
    """Load the models of a profile and of other packs, and the custom tools at some places."""
    from unison_agent.agent import Unison
    from unison_agent.custom.finding import find_tools

    own = find_tools(tools)
    return Unison.from_pretrained(profile, also=also, tools=own, progress=progress)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("unison-agent"))
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Text and media in, a plan that is valid by construction, pictures, clips and answers out."""
    del version


@app.command()
@told
def run(
    text: Text,
    media: Media = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file to write.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Where the request names none.")] = None,
    mode: Annotated[Mode, typer.Option(help="When a stated value is not possible.")] = "nearest",
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Where an answer is cut; else as the tool pack says.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be made and its cost; make nothing.")
    ] = False,
    no_text: Annotated[
        bool, typer.Option("--no-text", help="Leave your words out of the file's record.")
    ] = False,
    sign: Sign = None,
    shown: Annotated[
        bool, typer.Option("--show", help="Show pictures in the terminal too, where there is one.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    profile: Profile = "nano",
    also: Also = None,
    use: Use = None,
    tool: Tools = None,
    debug: Debug = False,
) -> None:
    """Run a request: plan it, make it, save it."""
    del debug
    if out is not None:
        files.check_out(out, overwrite=overwrite)
    signer = files.open_signer(sign, out)
    inline_too = shown and not (json or quiet) and check_inline()
    text, attached = request_text(text), MediaSet.of(media or [])
    console = stdout() if not (json or quiet) else Console(file=None, quiet=True)
    with Bars(stderr(), shown=not quiet) as bars:
        unison = open_unison(profile, bars, tool or (), also or ())
        planned = unison.plan(text, attached, progress=bars)
    for line in show.plan_lines(planned.plan):
        console.print(line)
    if dry_run:
        cost = unison.dry_run(planned, mode=mode, seed=seed, tool=use)
        typer.echo(cost.to_json() if json else str(cost))
        return
    if out is not None:
        files.check_fits(out, planned.plan)
    if signer is not None:
        files.check_signable(planned.plan)
    voice = Speaking(
        Bars(stderr(), shown=not quiet), aloud=not console.quiet and console.is_terminal
    )
    run = partial(
        unison.run, planned, seed=seed, tool=use, max_new_tokens=max_new_tokens, progress=voice
    )
    result = _run(run, voice, mode)
    for line in show.result_lines(result):
        console.print(line)
    if result.adjustments:
        console.print(show.adjustments_table(result.adjustments))
    saved = files.save(result, out, overwrite=overwrite, words=not no_text, sign=signer)
    saved += files.save_previews(result, saved, overwrite=overwrite)
    if json:
        typer.echo(result.to_json())
    elif quiet:
        typer.echo("\n".join(map(str, saved)) if saved else result.text or "")
    elif result.text is not None and not voice.spoken:
        typer.echo(result.text)
    for line in show.saved_lines(saved):
        (stderr() if json else console).print(line)
    if inline_too:
        show_inline(output.medium for output in result.outputs)
    console.print(f"[dim]{show.timing_words(result.timings)}[/]")


@app.command()
@told
def plan(
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[REQUEST]", help="What you want, in your words; - reads it from stdin."
        ),
    ] = None,
    media: Media = None,
    kinds: Annotated[
        str | None, typer.Option(help="Instead of files: image and video, e.g. image,video.")
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option(
            help='Instead of a request: JSON lines {"id", "request", "media": [kinds]}.',
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Where the plans of --batch go; replaced when all is done."
        ),
    ] = None,
    json: Json = False,
    profile: Profile = "nano",
    also: Also = None,
    use: Use = None,
    tool: Tools = None,
    debug: Debug = False,
) -> None:
    """Show what a request would be carried out as, or plan a file of requests; run nothing."""
    del debug
    if (text is None) == (batch is None) or (batch is None) != (out is None):
        msg = "Give either a request, or --batch IN.jsonl with --out OUT.jsonl."
        raise typer.BadParameter(msg)
    if batch is not None and out is not None:
        if media or kinds or json or tool or also or use:
            msg = "--batch names the media in its lines and takes no --media, --kinds, --tool, --also, --use or --json."
            raise typer.BadParameter(msg)
        plan_file(batch, out, profile)
        return
    if media and kinds:
        msg = "--media and --kinds exclude each other."
        raise typer.BadParameter(msg)
    attached = MediaSet.of(media or []) if kinds is None else MediaSet.of_kinds(*_kinds(kinds))
    with Bars(stderr()) as bars:
        unison = open_unison(profile, bars, tool or (), also or ())
        planned = unison.plan(request_text(text or ""), attached, progress=bars)
    if json:
        typer.echo(planned.plan.model_dump_json(indent=2, exclude_none=True))
        return
    for line in show.plan_lines(planned.plan):
        stdout().print(line)
    if planned.steps and (also or use):
        # Sizes decide too, and kinds have none.
        known = None if kinds else unison.dry_run(planned, tool=use)
        for line in show.choice_lines(known):
            stdout().print(line)


@app.command()
@told
def call(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of the tools of `tools`.")],
    arguments: Annotated[
        str, typer.Argument(metavar="JSON|-", help="Its arguments; - reads standard input.")
    ] = "{}",
    media: Media = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file to write.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Where the call names none.")] = None,
    mode: Annotated[Mode, typer.Option(help="When a stated value is not possible.")] = "nearest",
    allow_urls: Annotated[
        bool, typer.Option("--allow-urls", help="Fetch media from public https addresses.")
    ] = False,
    root: Annotated[
        list[Path] | None,
        typer.Option(help="A folder below which media may be named; repeat it for several."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    profile: Profile = "nano",
    also: Also = None,
    tool: Tools = None,
    debug: Debug = False,
) -> None:
    """Carry out one call of a tool, as another model would make it."""
    if out is not None:
        files.check_out(out, overwrite=overwrite)
    given = typer.get_text_stream("stdin").read() if arguments == "-" else arguments
    with Bars(stderr(), shown=not quiet) as bars:
        done = open_unison(profile, bars, tool or (), also or ()).call(
            name,
            given,
            media=MediaSet.of(media or []),
            mode=mode,
            seed=seed,
            policy=MediaPolicy(allow_urls=allow_urls, roots=tuple(root or ())),
            raise_errors=debug,
            progress=bars,
        )
    functions.tell(done, out, overwrite=overwrite, json=json, quiet=quiet)


app.command()(functions.tools)
app.command()(mcp.mcp)
app.command()(replay)
app.command()(compare)
app.command()(upkeep.schema)
app.command()(upkeep.pull)
app.command()(doctor)


@app.command()
@told
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0)] = 0,
    profile: Profile = "nano",
    debug: Debug = False,
) -> None:
    """Run one request of each of the 12 tasks and draw a contact sheet of all."""
    del debug
    from unison_agent.demo import SHEET, Outcome, run_demo

    console = stdout()

    def tell(outcome: Outcome) -> None:
        for line in show.outcome_lines(outcome):
            console.print(line)

    with Bars(stderr()) as bars:
        unison = open_unison(profile, bars)
        outcomes = run_demo(unison, out, seed=seed, progress=bars, show=tell)
    failed = sum(outcome.error is not None for outcome in outcomes)
    right = sum(outcome.as_expected for outcome in outcomes)
    console.print(f"[bold]{right} of {len(outcomes)}[/] ran as the task they should be.")
    for line in show.saved_lines([out / SHEET]):
        console.print(line)
    if failed:
        raise typer.Exit(1)


# --- parts of the commands -----------------------------------------------------------------------


def _run(run: "Callable[..., Result]", voice: Speaking, mode: Mode) -> "Result":
    """Run a plan; in mode ask, let the user say yes to the changes."""
    with voice:
        try:
            return run(mode=mode)
        except NegotiationError as error:
            if mode != "ask" or not error.changes:
                raise
            refused = error
    stderr().print(show.changes_table(refused.changes))
    if not typer.confirm("Go on with what is possible?", err=True):
        raise refused
    with voice:
        return run(mode="nearest")


def _kinds(text: str) -> tuple[Kind, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in get_args(Kind):
            msg = f"--kinds takes image and video, separated by commas; got {name!r}."
            raise typer.BadParameter(msg)
    return cast("tuple[Kind, ...]", tuple(names))
