"""``unison-agent compare``: one request with the connector on and off in one picture; how is known elsewhere."""

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from unison_agent.cli import opening, show
from unison_agent.cli.asking import request_text
from unison_agent.cli.bars import Bars
from unison_agent.cli.options import Debug, Json, Media, Profile, Seed, Text
from unison_agent.cli.telling import stderr, stdout, told
from unison_agent.media import MediaSet
from unison_agent.tasks import Mode

if TYPE_CHECKING:
    from unison_agent.compare import Switch


@told
def compare(
    text: Text,
    media: Media = None,
    connector: Annotated[
        str, typer.Option(metavar="on,off", help="The settings to put side by side.")
    ] = "on,off",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The sheet; the results are saved beside it.")
    ] = Path("compare.png"),
    seed: Seed = None,
    mode: Annotated[Mode, typer.Option(help="When a stated value is not possible.")] = "nearest",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files.")] = False,
    json: Json = False,
    profile: Profile = "nano",
    debug: Debug = False,
) -> None:
    """Run a request with the connector on and off, same seed, and draw both in one picture."""
    del debug
    from unison_agent.compare import check_free
    from unison_agent.compare import compare as compare_both

    check_free(out, overwrite=overwrite)
    wanted = [name.strip() for name in connector.split(",")]
    with Bars(stderr(), shown=not json) as bars:
        made = compare_both(
            opening.open_unison(profile),
            request_text(text),
            MediaSet.of(media or []),
            connector=cast("list[Switch]", wanted),
            mode=mode,
            seed=seed,
            progress=bars,
        )
    saved = made.save(out, overwrite=overwrite)
    if json:
        notes = {switch: list(result.notes) for switch, result in made.results}
        content = {"same": made.same, "notes": notes, "saved": [str(path) for path in saved]}
        typer.echo(json_.dumps(content, indent=2, ensure_ascii=False))
        return
    console = stdout()
    for line in show.plan_lines(made.planned.plan):
        console.print(line)
    for switch, result in made.results:
        console.print(f"[bold]connector {switch}[/]")
        for line in show.result_lines(result):
            console.print(line)
    if changes := made.results[0][1].adjustments:  # the same for all settings
        console.print(show.adjustments_table(changes))
    if made.same and len(made.results) > 1:
        console.print("[yellow]The same pixels came out.[/]")
    for line in show.saved_lines(saved):
        console.print(line)
