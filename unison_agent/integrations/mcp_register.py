"""Adds the tools of an MCP server to an agent that is there already; how they are reached and called it does not know."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from unison_agent.errors import ToolError
from unison_agent.integrations.mcp_client import ServerTools
from unison_agent.integrations.mcp_connection import Reachable
from unison_agent.tasks import OutputKind

if TYPE_CHECKING:
    from unison_agent.agent import Unison


def register(
    unison: "Unison",
    server: Reachable,
    *,
    prefix: str | None = None,
    outputs: Mapping[str, OutputKind] | None = None,
    timeout_seconds: float = 60,
    connect_timeout_seconds: float = 60,
) -> "Unison":
    """Return an agent that routes requests to the tools of a server too; the one that is given stays as it is.

    The connection ends with the new agent; make `ServerTools` yourself to end it when you want to, or to
    see what was left out.

    Args:
        unison: Whose tools they join.
        server: As for `ServerTools`.
        prefix: As for `ServerTools`.
        outputs: As for `ServerTools`.
        timeout_seconds: As for `ServerTools`.
        connect_timeout_seconds: As for `ServerTools`.

    Raises:
        ToolError: The server cannot be reached, has no tool that can be used, or the planner can call none.
        MissingDependencyError: jsonschema is not installed.
    """
    found = ServerTools(
        server,
        prefix=prefix,
        taken=[tool.name for tool in unison.custom_tools()],
        outputs=outputs,
        timeout_seconds=timeout_seconds,
        connect_timeout_seconds=connect_timeout_seconds,
    )
    try:
        return unison.with_tools(found.tools)
    except ToolError:
        found.close()
        raise
