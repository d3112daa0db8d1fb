"""The tools and the results of calls, told on the command line; it calls nothing."""

import json as json_text
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from unison_agent.cli import files, show
from unison_agent.cli.options import Also, Debug, Json, Profile, Tools
from unison_agent.cli.telling import stderr, stdout, told
from unison_agent.functions import CallError, CallResult, Format, Granularity


@told
def tools(
    format: Annotated[
        Format | None,
        typer.Option(help="Print them as the tools of an API, for another model to call."),
    ] = None,
    granularity: Annotated[
        Granularity,
        typer.Option(help="With --format: one tool that plans by itself, one a task, or both."),
    ] = "tasks",
    json: Json = False,
    profile: Profile = "nano",
    also: Also = None,
    tool: Tools = None,
    debug: Debug = False,
) -> None:
    """List the tools of a profile, and of packs beside it, their tasks and their limits."""
    del debug
    from unison_agent.custom.finding import find_tools
    from unison_agent.functions import functions, in_format
    from unison_agent.packs import load_packs

    packs, own = load_packs(profile, also or ()), find_tools(tool or ())
    if format is not None:
        specs = [spec for pack in packs for spec in pack.tools]
        known = functions(specs, own, granularity)
        listed = [in_format(function, format) for function in known]
        typer.echo(json_text.dumps(listed, indent=2, ensure_ascii=False))
        return
    if json:
        listed = [pack.model_dump(mode="json", exclude_none=True) for pack in packs]
        content = listed if also else listed[0]
        if own:
            named = [
                {"name": one.name, "description": one.description, "parameters": one.schema}
                for one in own
            ]
            content = {"packs": listed, "custom_tools": named}
        typer.echo(json_text.dumps(content, indent=2, ensure_ascii=False))
        return
    for pack in packs:
        stdout().print(f"[bold]{pack.profile}[/]: {escape(pack.description)}")
        Console().print(show.tools_table(pack.tools))
    if own:
        stdout().print("[bold]your own[/]")
        Console().print(show.custom_tools_table(own))


def tell(done: CallResult, out: Path | None, *, overwrite: bool, json: bool, quiet: bool) -> None:
    """Save what a call made, and tell it; an error is told with exit code 1.

    Raises:
        OutputError: What was made cannot be written.
    """
    if done.result is None:
        if json:
            typer.echo(done.to_json())
        if done.error is not None and not json:
            _tell_error(done.error)
        raise typer.Exit(1)
    saved = files.save(done.result, out, overwrite=overwrite)
    console = stderr() if json else stdout()
    if json:
        typer.echo(show.with_saved(done.to_json(), saved))
    elif quiet:
        typer.echo("\n".join(map(str, saved)) if saved else done.text or "")
        return
    elif done.text is not None:
        typer.echo(done.text)
    if done.report.adjustments and not json:
        console.print(show.adjustments_table(done.report.adjustments))
    for line in show.saved_lines(saved):
        console.print(line)


def _tell_error(error: CallError) -> None:
    console = stderr()
    console.print(f"[bold red]error[/]: {escape(error.message)}")
    if error.hint is not None:
        console.print(f"[dim]{escape(error.hint)}[/]")
