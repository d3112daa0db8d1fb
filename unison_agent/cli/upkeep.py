"""Commands that keep an installation in order: its schemas and its weights; they open no agent."""

import importlib.util
import json as json_
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from unison_agent.cli.bars import Bars
from unison_agent.cli.options import Debug, Json
from unison_agent.cli.telling import stderr, stdout, told
from unison_agent.errors import RequestError


@told
def schema(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail on drift.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder to write.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the JSON Schemas of all wire types, or check that they are up to date."""
    del debug
    from unison_agent._resources import data
    from unison_agent.schema import drift, write

    if not check:
        folder = Path(str(data("schemas"))) if out is None else out
        write(folder)
        if json:
            typer.echo(json_.dumps({"saved": str(folder)}))
        else:
            stdout().print(f"[bold green]saved[/] {escape(str(folder))}")
        return
    different = drift()
    if json:
        typer.echo(json_.dumps({"different": different}))
        raise typer.Exit(1 if different else 0)
    for name in different:
        stderr().print(f"[bold red]drift[/]: {name} differs from the models.")
    if different:
        raise typer.Exit(1)
    stdout().print("The schemas match the models.")


@told
def pull(
    profile: Annotated[str, typer.Argument(help="The profile whose weights to fetch.")] = "nano",
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is cached.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Fetch and check the weights of a profile, so that everything works offline afterwards."""
    del debug
    from unison_agent.compose import base_folder
    from unison_agent.packs import load_pack
    from unison_agent.weights import fetch_base

    pack = load_pack(profile)
    if pack.understanding.source != "nano":
        msg = f"The weights of {profile!r} come from the hub and are fetched when first used."
        raise RequestError(msg, hint="Set HF_HOME to choose where they go.")
    with Bars(stderr(), shown=not json) as bars:
        # Without the models extra the file is fetched, and dequantized when it is first used.
        fetch = fetch_base if importlib.util.find_spec("transformers") is None else base_folder
        path = fetch(bars, force=force)
    later = sorted(
        {
            models.repo
            for tool in pack.tools
            if (models := tool.image_pipeline or tool.clip_pipeline) and models.repo
        }
    )
    if json:
        typer.echo(json_.dumps({"ready": str(path), "from_the_hub": later}, indent=2))
        return
    stdout().print(f"[bold green]ready[/] {escape(str(path))}")
    for repo in later:
        note = "comes from the hub when first used; set HF_HOME to choose where it goes."
        stdout().print(f"{escape(repo)} {note}")
