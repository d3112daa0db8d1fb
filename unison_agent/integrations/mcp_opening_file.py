"""Writes what `mcp_opening` answers, as the server itself answers it; it knows no transport but memory.

``python -m unison_agent.integrations.mcp_opening_file`` writes the file, with ``--check`` it fails where it differs.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from unison_agent.errors import MissingDependencyError
from unison_agent.integrations.mcp import UnisonServer
from unison_agent.integrations.mcp_opening import FILE, HANDSHAKE_VERSIONS, MODERN_VERSION
from unison_agent.packs import known_profiles

try:
    import anyio
    import mcp_types as types
    from mcp.shared.message import SessionMessage
except ImportError as error:
    raise MissingDependencyError(error.name or "mcp", extra="mcp") from error

Json = dict[str, Any]
CLIENT: Json = {"name": "client", "version": "1"}
MODERN: Json = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}


def handshake(version: str) -> list[Json]:
    """Return how a client opens with a version that has sessions."""
    hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": CLIENT}
    return [
        _request(1, "initialize", hello),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        _request(2, "ping", {}),
        _request(3, "tools/list", {}),
    ]


def modern() -> list[Json]:
    """Return how a client opens with the version that has none."""
    return [_request(1, "server/discover", MODERN), _request(2, "tools/list", MODERN)]


def _request(number: int, method: str, params: Json) -> Json:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


async def replies(server: UnisonServer, messages: Sequence[Json]) -> list[Json]:
    """Return the results of those messages that are requests, in order, as they go over the wire."""
    to_server, read = anyio.create_memory_object_stream[SessionMessage | Exception](len(messages))
    write, from_server = anyio.create_memory_object_stream[SessionMessage](len(messages))
    found: list[Json] = []
    async with anyio.create_task_group() as group, to_server, from_server:
        group.start_soon(server.run, read, write, server.create_initialization_options())
        for message in messages:
            parsed = types.jsonrpc_message_adapter.validate_python(message)
            await to_server.send(SessionMessage(parsed))
            if "id" in message:
                reply = (await from_server.receive()).message
                found.append(reply.model_dump(mode="json", by_alias=True)["result"])
        group.cancel_scope.cancel()
    return found


def document() -> str:
    """Return the text of the file."""
    tools: Json = {}
    told: Json = {}
    for profile in known_profiles():
        server = UnisonServer(profile=profile)
        hello, _, listed = asyncio.run(replies(server, handshake(HANDSHAKE_VERSIONS[-1])))
        discovered, more = asyncio.run(replies(server, modern()))
        told = {
            "initialize": {k: v for k, v in hello.items() if k != "protocolVersion"},
            "server/discover": discovered,
            "tools/list/modern": {k: v for k, v in more.items() if k != "tools"},
            "outputSchema": listed["tools"][0]["outputSchema"],
        }
        tools[profile] = [
            {k: v for k, v in tool.items() if k != "outputSchema"} for tool in listed["tools"]
        ]
    return json.dumps({**told, "tools/list": tools}, indent=1, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="unison_agent.integrations.mcp_opening_file", description=__doc__
    )
    parser.add_argument("--check", action="store_true", help="fail where the file differs")
    is_check: bool = parser.parse_args(arguments).check
    text = document()
    if not is_check:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if FILE.is_file() and FILE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{FILE.name} differs. Run: python -m {parser.prog}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
