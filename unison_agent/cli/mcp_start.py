"""Starts `unison-agent mcp` before the other commands are loaded, so that a client that waits is answered soon.

It knows only those arguments that cannot be wrong; with any others the command starts as all do.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unison_agent.integrations.mcp_opening import Opening


def opened(arguments: Iterable[str]) -> "Opening | None":
    """Take over standard input and output for a command line that serves a shipped profile over them."""
    profile = "nano"
    rest = iter(arguments)
    if next(rest, None) != "mcp":
        return None
    for argument in rest:
        match argument:
            case "--allow-urls" | "--debug":
                pass
            case "--root" | "--profile":
                value = next(rest, "-")
                if value.startswith("-"):
                    return None
                profile = value if argument == "--profile" else profile
            case _:
                return None
    from unison_agent.integrations.mcp_opening import open_stdio

    return open_stdio(profile)
