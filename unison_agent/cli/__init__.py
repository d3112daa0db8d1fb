"""The command line: ``unison-agent run``, ``plan``, ``call``, ``tools``, ``mcp``, ``schema``, ``pull``, ``demo``, ``evaluate``."""

import sys


def main() -> None:
    """Run a command and leave with its exit code: 0, 1 for errors, 2 for usage, 130 for Ctrl-C."""
    try:
        from unison_agent.cli.app import app

        app()
    except KeyboardInterrupt:  # before a command began
        sys.exit(130)
