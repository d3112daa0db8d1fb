"""``unison-agent call``: one call of a tool, as another model makes it; what it does is known elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from unison_agent.cli import files, functions, opening
from unison_agent.cli.bars import Bars
from unison_agent.cli.options import (
    AllowUrls,
    Also,
    Debug,
    Json,
    MaxNewTokens,
    Media,
    Profile,
    Quiet,
    Root,
    Seed,
    Tools,
    Use,
)
from unison_agent.cli.telling import stderr, told
from unison_agent.functions import MediaPolicy
from unison_agent.functions.catalog import WHOLE
from unison_agent.media import MediaSet
from unison_agent.tasks import TASKS, Mode


def _names() -> list[str]:
    """Return what a shell may complete a tool's name to, where it is none of one's own."""
    return [WHOLE, *TASKS]


@told
def call(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="One of the tools of `tools`.", autocompletion=_names),
    ],
    arguments: Annotated[
        str, typer.Argument(metavar="JSON|-", help="Its arguments; - reads standard input.")
    ] = "{}",
    media: Media = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file to write.")] = None,
    seed: Seed = None,
    mode: Annotated[Mode, typer.Option(help="When a stated value is not possible.")] = "nearest",
    max_new_tokens: MaxNewTokens = None,
    allow_urls: AllowUrls = False,
    root: Root = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    profile: Profile = "nano",
    also: Also = None,
    use: Use = None,
    tool: Tools = None,
    debug: Debug = False,
) -> None:
    """Carry out one call of a tool, as another model would make it."""
    if out is not None:
        files.check_out(out, overwrite=overwrite)
        files.check_fits_task(out, name)
    given = typer.get_text_stream("stdin").read() if arguments == "-" else arguments
    with Bars(stderr(), shown=not quiet) as bars:
        done = opening.open_unison(profile, bars, tool or (), also or ()).call(
            name,
            given,
            media=MediaSet.of(media or []),
            mode=mode,
            seed=seed,
            tool=use,
            max_new_tokens=max_new_tokens,
            policy=MediaPolicy(allow_urls=allow_urls, roots=tuple(root or ())),
            raise_errors=debug,
            progress=bars,
        )
    functions.tell(done, out, overwrite=overwrite, json=json, quiet=quiet)
