"""Plans a file of requests into another file and says how it went."""

from pathlib import Path

import typer
from rich.markup import escape

from unison_agent.cli import opening
from unison_agent.cli.bars import Bars
from unison_agent.cli.telling import stderr, stdout
from unison_agent.errors import OutputError, RequestError
from unison_agent.result.saving import check_targets, write_whole


def plan_file(source: Path, target: Path, profile: str) -> None:
    """Plan the lines of `source` into `target`, which appears whole or not at all.

    Raises:
        RequestError: `source` cannot be read.
        OutputError: `target` cannot be written.
        typer.Exit: A line could not be planned; the others were.
    """
    from unison_agent.batch import plan_lines

    check_targets([target], overwrite=True)
    if target.exists() and target.samefile(source):
        msg = f"{target} is the file of the requests."
        raise OutputError(msg, hint="Choose another name for the plans.")
    try:
        data = source.read_bytes()
    except OSError as error:
        raise RequestError(f"{source} cannot be read: {error}.") from error
    with Bars(stderr()) as bars:
        planner, _ = opening.open_planner(profile, bars)
        batch = plan_lines(data, planner, progress=bars)
    write_whole([(target, batch.text.encode("utf-8"))], overwrite=True)
    stdout().print(f"[bold green]saved[/] {escape(str(target))}  {batch.lines} lines")
    if batch.failed:
        stderr().print(f"[bold red]failed[/]: {batch.failed} of {batch.lines} lines hold an error.")
        raise typer.Exit(1)
