"""How the commands speak: consoles, and errors as one message and an exit code; it knows no command."""

import functools
import json
from collections.abc import Callable
from typing import ParamSpec

import typer
from rich.console import Console
from rich.markup import escape

from unison_agent.errors import RunCancelledError, UnisonError

P = ParamSpec("P")
CANCELLED = 130


def stdout() -> Console:
    """Return the console of what was asked for."""
    return Console(soft_wrap=True, highlight=False, emoji=False)


def stderr() -> Console:
    """Return the console of everything else."""
    return Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)


def told(command: Callable[P, None]) -> Callable[P, None]:
    """Turn what goes wrong on purpose into a message and an exit code: 1, or 130 for Ctrl-C.

    With ``--json`` standard output tells the error too, as `CallError` does.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (KeyboardInterrupt, RunCancelledError):
            stderr().print("[yellow]cancelled[/]: nothing was written.")
            raise typer.Exit(CANCELLED) from None
        except UnisonError as error:
            console = stderr()
            if kwargs.get("debug"):
                console.print_exception()
            console.print(f"[bold red]error[/]: {escape(error.message)}")
            if error.hint is not None:
                console.print(f"[dim]{escape(error.hint)}[/]")
            if kwargs.get("json"):
                typer.echo(_as_json(error))
            raise typer.Exit(1) from None

    return wrapped


def _as_json(error: UnisonError) -> str:
    from unison_agent.functions.results import CallError

    said = CallError.of(error).model_dump(mode="json", exclude_defaults=True)
    return json.dumps({"error": said}, indent=2, ensure_ascii=False)
