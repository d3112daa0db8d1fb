"""``unison-agent doctor``: says what can run here and what to do about the rest; it mends nothing itself."""

import json as json_
import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Annotated

import typer
from rich.markup import escape

from unison_agent.cli.checkup import Checkup, State, check_profile
from unison_agent.cli.options import Debug, Json
from unison_agent.cli.telling import stdout, told
from unison_agent.packs import known_profiles, load_pack

_DEFAULT = "nano"
_COLOURS: dict[State, str] = {"ok": "green", "note": "yellow", "gap": "bold red"}


@told
def doctor(
    profile: Annotated[
        str | None,
        typer.Option(help="Look at this profile or tool pack alone, not at all that ship."),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what is installed, which profile can run here, and what mends the others.

    The exit code is 0 when the profile can run, by default nano, and 1 when it cannot.
    """
    del debug
    names = known_profiles() if profile is None else (profile,)
    checkups = [check_profile(load_pack(name)) for name in names]
    asked = _DEFAULT if profile is None else checkups[0].profile
    ready = next(checkup.ready for checkup in checkups if checkup.profile == asked)
    if json:
        profiles = [asdict(checkup) | {"ready": checkup.ready} for checkup in checkups]
        content = {"ready": ready, "profile": asked, "machine": _machine(), "profiles": profiles}
        typer.echo(json_.dumps(content, indent=2, ensure_ascii=False))
    else:
        _show(checkups)
    if not ready:
        raise typer.Exit(1)


def _machine() -> dict[str, str | int | None]:
    return {
        "unison_agent": version("unison-agent"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }


def _show(checkups: list[Checkup]) -> None:
    console, here = stdout(), _machine()
    console.print(
        f"unison-agent {here['unison_agent']}, Python {here['python']}, {here['system']}, "
        f"{here['cores']} cores"
    )
    for checkup in checkups:
        can = "[green]can run here[/]" if checkup.ready else "[bold red]cannot run here[/]"
        console.print(f"\n[bold]{escape(checkup.profile)}[/] {can}")
        for finding in checkup.findings:
            state = f"[{_COLOURS[finding.state]}]{finding.state:<4}[/]"
            console.print(f"  {state}  [bold]{escape(finding.name)}[/]  {escape(finding.words)}")
            if finding.fix is not None:
                console.print(f"        [cyan]{escape(finding.fix)}[/]")
