"""The command line; `unison-agent --help` lists its commands."""

import sys

from unison_agent.cli.mcp_start import opened


def main() -> None:
    """Run a command and leave with its exit code: 0, 1 for errors, 2 for usage, 130 for Ctrl-C."""
    try:
        opening = opened(sys.argv[1:])
        if opening is not None and not opening.answer():
            return
        try:
            from unison_agent.cli.app import app
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("unison_agent"):
                raise
            sys.exit(f"error: {error.name} is not installed. Run: pip install unison-agent")
        app(obj=opening)
    except KeyboardInterrupt:  # before a command began
        sys.exit(130)
