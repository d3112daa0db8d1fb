"""Plans a file of requests into another file and says how it went."""

import json as json_
from pathlib import Path

import typer
from rich.markup import escape

from unison_agent.cli import opening
from unison_agent.cli.bars import Bars
from unison_agent.cli.telling import stderr, stdout
from unison_agent.errors import OutputError, RequestError
from unison_agent.result.saving import check_targets, write_whole

STDIN = Path("-")


def plan_file(source: Path, target: Path, profile: str, *, json: bool = False) -> None:
    """Plan the lines of `source` into `target`, which appears whole or not at all.

    Args:
        source: The requests; ``-`` is standard input.
        target: Where the plans go.
        profile: Whose planner plans.
        json: Tell how it went as JSON.

    Raises:
        RequestError: `source` cannot be read.
        OutputError: `target` cannot be written.
        typer.Exit: A line could not be planned; the others were.
    """
    from unison_agent.batch import plan_lines

    check_targets([target], overwrite=True)
    if source != STDIN and target.exists() and target.samefile(source):
        msg = f"{target} is the file of the requests."
        raise OutputError(msg, hint="Choose another name for the plans.")
    data = _read(source)
    with Bars(stderr(), shown=not json) as bars:
        planner, _ = opening.open_planner(profile, bars)
        batch = plan_lines(data, planner, progress=bars)
    write_whole([(target, batch.text.encode("utf-8"))], overwrite=True)
    if json:
        content = {"saved": str(target), "lines": batch.lines, "failed": batch.failed}
        typer.echo(json_.dumps(content, indent=2, ensure_ascii=False))
    else:
        stdout().print(f"[bold green]saved[/] {escape(str(target))}  {batch.lines} lines")
    if batch.failed:
        stderr().print(f"[bold red]failed[/]: {batch.failed} of {batch.lines} lines hold an error.")
        raise typer.Exit(1)


def _read(source: Path) -> bytes:
    if source == STDIN:
        return typer.get_binary_stream("stdin").read()
    try:
        return source.read_bytes()
    except OSError as error:
        raise RequestError(f"{source} cannot be read: {error}.") from error
