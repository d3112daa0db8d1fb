"""The commands of the program; each has a module of its own."""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from unison_agent.cli import evaluate_tasks, functions, upkeep
from unison_agent.cli.call import call
from unison_agent.cli.compare import compare
from unison_agent.cli.demo import demo
from unison_agent.cli.doctor import doctor
from unison_agent.cli.evaluate import evaluate
from unison_agent.cli.mcp import mcp
from unison_agent.cli.plan import plan
from unison_agent.cli.replay import replay
from unison_agent.cli.run import run

app = typer.Typer(
    no_args_is_help=True,
    epilog="Exit codes: 0 done, 1 an error (one message), 2 wrong usage, 130 stopped with Ctrl-C.",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


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
    for stream in (sys.stdout, sys.stderr):
        # A pipe on Windows takes a few hundred letters, a request may hold any.
        if isinstance(stream, TextIOWrapper) and stream.encoding.lower().replace("-", "") != "utf8":
            if stream.isatty():
                stream.reconfigure(errors="backslashreplace")
            else:
                stream.reconfigure(encoding="utf-8")


app.command()(run)
app.command()(plan)
app.command()(call)
app.command()(functions.tools)
app.command()(mcp)
app.command()(replay)
app.command()(compare)
app.command()(upkeep.schema)
app.command()(upkeep.pull)
app.command()(doctor)
app.command()(demo)
evaluate.command()(evaluate_tasks.generation)
evaluate.command()(evaluate_tasks.understanding)
app.add_typer(evaluate, name="evaluate")
