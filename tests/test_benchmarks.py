"""The scripts that measure run to their end on a machine without a GPU, and say what it cannot do."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "benchmarks"


def test_costs_of_switches_are_measured_or_their_lack_is_told() -> None:
    command = [sys.executable, str(SCRIPTS / "switch_costs.py"), "--tiny", "--device", "cpu"]
    command += ["--steps", "3", "--only", "plain", "int8", "leaf offload, stream"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=True)
    rows = [line.split(" | ") for line in done.stdout.splitlines()[2:]]
    named = [row[0].removeprefix("| ") for row in rows]
    assert named[:3] == ["plain"] * 3
    assert set(named) == {"plain", "int8", "leaf offload, stream"}
    assert all(float(row[3]) > 0 for row in rows[:3])
    assert "failed" not in done.stdout
