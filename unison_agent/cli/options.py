"""The arguments and options that several commands take, each worded once."""

from pathlib import Path
from typing import Annotated

import typer

from unison_agent.tasks import LARGEST_SEED

Text = Annotated[
    str,
    typer.Argument(metavar="REQUEST", help="What you want, in your words; - reads it from stdin."),
]
Media = Annotated[
    list[Path] | None,
    typer.Option(
        "--media",
        "-m",
        help="An image or a clip; repeat it for several.",
        exists=True,
        dir_okay=False,
    ),
]


def _profiles() -> list[str]:
    """Return what a shell may complete a profile's name to."""
    from unison_agent.packs import known_profiles

    return list(known_profiles())


Profile = Annotated[
    str,
    typer.Option(help="A profile's name, or the path of a tool pack.", autocompletion=_profiles),
]
Tools = Annotated[
    list[str] | None,
    typer.Option(
        "--tool", help="A tool of your own, module:name or file.py:name; repeat it for several."
    ),
]
Also = Annotated[
    list[str] | None,
    typer.Option(
        help="Another profile or pack that serves beside it; repeat it for several.",
        autocompletion=_profiles,
    ),
]
Use = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The tool or pack that does it, where several could."),
]
Seed = Annotated[
    int | None, typer.Option(min=0, max=LARGEST_SEED, help="Where the words or the call name none.")
]
MaxNewTokens = Annotated[
    int | None, typer.Option(min=1, help="Where an answer is cut; else as the tool pack says.")
]
AllowUrls = Annotated[
    bool, typer.Option("--allow-urls", help="Fetch media from public https addresses.")
]
Root = Annotated[
    list[Path] | None,
    typer.Option(help="A folder below which media may be named; repeat it for several."),
]
Sign = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        metavar="KEY CHAIN",
        help="Sign what is saved: a private key and its certificates, as PEM files.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the file or the answer only.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error came from.")]
