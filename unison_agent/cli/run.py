"""``unison-agent run``: a request carried out and saved; how is known elsewhere."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from unison_agent.cli import files, opening, show
from unison_agent.cli.asking import request_text
from unison_agent.cli.bars import Bars
from unison_agent.cli.inline import check_inline, show_inline
from unison_agent.cli.options import (
    Also,
    Debug,
    Json,
    MaxNewTokens,
    Media,
    Profile,
    Quiet,
    Seed,
    Sign,
    Text,
    Tools,
    Use,
)
from unison_agent.cli.speaking import Speaking
from unison_agent.cli.telling import stderr, stdout, told
from unison_agent.errors import NegotiationError
from unison_agent.media import MediaSet
from unison_agent.tasks import Mode

if TYPE_CHECKING:
    from unison_agent.result import Result


@told
def run(
    text: Text,
    media: Media = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file to write.")] = None,
    seed: Seed = None,
    mode: Annotated[Mode, typer.Option(help="When a stated value is not possible.")] = "nearest",
    max_new_tokens: MaxNewTokens = None,
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
        unison = opening.open_unison(profile, bars, tool or (), also or ())
        planned = unison.plan(text, attached, progress=bars)
    for line in show.plan_lines(planned.plan):
        console.print(line)
    if out is not None:
        files.check_fits(out, planned.plan, overwrite=overwrite)
    if dry_run:
        cost = unison.dry_run(planned, mode=mode, seed=seed, tool=use)
        typer.echo(cost.to_json() if json else str(cost))
        return
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
        typer.echo(show.with_saved(result.to_json(), saved))
    elif quiet:
        typer.echo("\n".join(map(str, saved)) if saved else result.text or "")
    elif result.text is not None and not voice.spoken:
        typer.echo(result.text)
    for line in (*show.saved_lines(saved), *show.unsaved_lines(files.unsaved(result, out))):
        (stderr() if json else console).print(line)
    if inline_too:
        show_inline(output.medium for output in result.outputs)
    console.print(f"[dim]{show.timing_words(result.timings)}[/]")


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
    try:
        agreed = typer.confirm("Go on with what is possible?", err=True)
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        agreed = False  # there is nobody to ask
    if not agreed:
        raise refused
    with voice:
        return run(mode="nearest")
