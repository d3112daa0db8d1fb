"""``unison-agent plan``: what a request, or each of a file of them, would be carried out as; it runs nothing."""

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from unison_agent.cli import opening, show
from unison_agent.cli.asking import request_text
from unison_agent.cli.bars import Bars
from unison_agent.cli.options import Also, Debug, Json, Media, Profile, Tools, Use
from unison_agent.cli.planning_files import STDIN, plan_file
from unison_agent.cli.telling import stderr, stdout, told
from unison_agent.media import Kind, MediaSet


def _file_or_stdin(path: Path | None) -> Path | None:
    """Return a path that is there to be read; typer's own check knows no ``-``."""
    if path is not None and path != STDIN and not path.is_file():
        msg = f"there is no file {path}."
        raise typer.BadParameter(msg)
    return path


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
            help='Instead of a request: JSON lines {"id", "request", "media": [kinds]}; - reads them from stdin.',
            callback=_file_or_stdin,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Where the plans of --batch go; replaced when all is done."
        ),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="A plan that is less sure is shown as a question."),
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
        if media or kinds or tool or also or use or min_confidence is not None:
            msg = (
                "--batch names the media in its lines and takes no --media, --kinds, --tool, --also, --use"
                " or --min-confidence."
            )
            raise typer.BadParameter(msg)
        plan_file(batch, out, profile, json=json)
        return
    if media and kinds:
        msg = "--media and --kinds exclude each other."
        raise typer.BadParameter(msg)
    attached = MediaSet.of(media or []) if kinds is None else MediaSet.of_kinds(*_kinds(kinds))
    with Bars(stderr()) as bars:
        unison = opening.open_unison(profile, bars, tool or (), also or ())
        if use is not None:
            unison.check_named(use)
        planned = unison.plan(
            request_text(text or ""), attached, min_confidence=min_confidence, progress=bars
        )
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


def _kinds(text: str) -> tuple[Kind, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in get_args(Kind):
            msg = f"--kinds takes image and video, separated by commas; got {name!r}."
            raise typer.BadParameter(msg)
    return cast("tuple[Kind, ...]", tuple(names))
