"""``unison-agent replay``: makes a saved file again and says whether it is the same; how is known elsewhere."""

import json as json_
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from unison_agent.cli import opening, show
from unison_agent.cli.bars import Bars
from unison_agent.cli.options import Also, Debug, Json, Media, Tools
from unison_agent.cli.telling import stderr, stdout, told
from unison_agent.errors import OutputError
from unison_agent.explain import Explanation
from unison_agent.result.saving import SUFFIXES, check_targets, kind_of, numbered

if TYPE_CHECKING:
    from unison_agent.remake import Match, Remade

_WORDS: "dict[Match, str]" = {
    "bytes": "[bold green]identical[/] byte for byte",
    "pixels": "[bold green]identical[/] in every pixel",
    "different": "[bold red]different[/] pixels",
}


@told
def replay(
    file: Annotated[
        Path,
        typer.Argument(
            help="A picture, clip or .json that was saved.", exists=True, dir_okay=False
        ),
    ],
    media: Media = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write what was made.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    profile: Annotated[
        str | None,
        typer.Option(help="In place of the recorded profile; may be a tool pack's path."),
    ] = None,
    also: Also = None,
    tool: Tools = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a saved file again from its record, and say whether the same came out.

    The files that were attached are named with --media in any order: their hashes tell them apart.
    The exit code is 0 when every pixel is the same, and 1 when not.
    """
    del debug
    from unison_agent.remake import remake
    from unison_agent.saved_files import also_of, profile_of, read_saved

    saved = read_saved(file)
    if out is not None:
        if kind_of(out.suffix.lower()) is None:
            suffixes = ", ".join(suffix for each in SUFFIXES.values() for suffix in each)
            raise OutputError(f"{out} holds no picture or clip.", hint=f"Use {suffixes}.")
        check_targets(numbered(out, len(saved.outputs)), overwrite=overwrite)
    # Who names a profile of their own has other tools in mind than those that are recorded.
    others = also_of(saved) if also is None and profile is None else also or ()
    agent = opening.open_unison(profile or profile_of(saved), tools=tool or (), also=others)
    with Bars(stderr(), shown=not json) as bars:
        remade = remake(saved, media or (), agent=agent, progress=bars)
    targets = () if out is None else numbered(out, len(remade.artifacts))
    written = [
        artifact.save(target, overwrite=overwrite)
        for artifact, target in zip(remade.artifacts, targets, strict=False)
    ]
    if json:
        differences = [asdict(each) for each in remade.differences]
        content = {"file": str(file), "identical": remade.identical, "match": remade.match}
        content |= {"differences": differences, "saved": [str(path) for path in written]}
        typer.echo(json_.dumps(content, indent=2, ensure_ascii=False))
    else:
        _show(remade, written)
    if not remade.identical:
        raise typer.Exit(1)


def _show(remade: "Remade", written: Sequence[Path]) -> None:
    console, record = stdout(), remade.saved.record
    console.print(
        Explanation(record.plan)
    )  # a stranger's words: what would steer the terminal is shown
    console.print(
        f"{_WORDS[remade.match]}  {escape(remade.saved.name)}, made {record.created:%Y-%m-%d}"
    )
    if remade.differences:
        console.print(show.differences_table(remade.differences))
    elif not remade.identical:
        console.print(
            "Nothing that is recorded differs: the file was changed after it was saved, or this machine "
            "computes otherwise (processor, threads)."
        )
    for line in show.saved_lines(written):
        console.print(line)
