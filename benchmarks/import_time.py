"""Time what the imports of the library add to a new interpreter.

``python benchmarks/import_time.py``: by turns, in the same run; the compiled files are there already.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

STATEMENTS = (
    "pass",
    "import unison_agent",
    "from unison_agent import Image",
    "from unison_agent import Unison",
    "import unison_agent.cli.app",
)


def seconds(statement: str) -> tuple[float, float]:
    """Return the wall time and the processor time of an interpreter that carries out one statement."""
    before, began = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    wall, after = time.perf_counter() - began, os.times()
    used = after.children_user + after.children_system
    return wall, used - before.children_user - before.children_system


def main() -> None:
    """Print a line for each statement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds: int = parser.parse_args().rounds
    found: dict[str, list[tuple[float, float]]] = {one: [] for one in STATEMENTS}
    for _ in range(rounds + 1):  # the first fills the caches of the disk
        for statement in STATEMENTS:
            found[statement].append(seconds(statement))
    print(f"milliseconds in {rounds} rounds: median, least; median of processor time")
    for statement, pairs in found.items():
        wall, used = ([1000 * one for one in times[1:]] for times in zip(*pairs, strict=True))
        middle = statistics.median
        print(f"{statement:32} {middle(wall):7.0f} {min(wall):7.0f} {middle(used):7.0f}")


if __name__ == "__main__":
    main()
