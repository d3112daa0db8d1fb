"""Time a new process of `unison-agent mcp` until its tools are listed, beside the smallest server of the same SDK.

``python benchmarks/mcp_cold_start.py``: both are spoken to in lines of JSON, by turns, in the same run.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

HELLO = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("hello")
@server.tool()
def hello(name: str) -> str:
    "Say hello."
    return f"Hello {name}."
server.run("stdio")
"""
COMMANDS = {
    "python": ["-c", "import sys; [print('{}', flush=True) for _ in sys.stdin]"],
    "unison-agent mcp": ["-m", "unison_agent", "mcp"],
    # What its profile would need without the lines that are answered from a file.
    "unison-agent mcp, by the SDK alone": ["-m", "unison_agent", "mcp", "--granularity", "tasks"],
    "hello world of the SDK": ["-c", HELLO],
}
OPENING = (
    {
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "benchmark", "version": "1"},
        },
    },
    {"method": "notifications/initialized"},
    {"id": 2, "method": "tools/list", "params": {}},
)


def seconds(command: Sequence[str]) -> tuple[float, float]:
    """Return the wall time until the tools are listed, and the processor time of the whole process."""
    before = os.times()
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for message in OPENING:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            process.stdin.flush()
            if "id" in message:
                assert process.stdout.readline(), "The server left."
        wall = time.perf_counter() - began
        process.kill()
    after = os.times()
    used = after.children_user + after.children_system
    return wall, used - before.children_user - before.children_system


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds: int = parser.parse_args().rounds
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for name in COMMANDS:
        seconds(COMMANDS[name])  # fills the caches of the disk
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            found[name].append(seconds(command))
    print(f"seconds to tools/list in {rounds} rounds: median, least; median of processor time")
    for name, pairs in found.items():
        wall, used = zip(*pairs, strict=True)
        middle = statistics.median
        print(f"{name:36} {middle(wall):6.3f} {min(wall):6.3f} {middle(used):6.3f}")


if __name__ == "__main__":
    main()
