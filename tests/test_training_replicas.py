"""Processes that train one model average their gradients, and heed the first one's clock."""

import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from unison_agent.training.replicas import average_gradients

ONE_OF_TWO = """
from pathlib import Path
import torch
from accelerate import PartialState
from torch import nn
from unison_agent.training.replicas import agreed, average_gradients
team = PartialState(cpu=True)
used, unused = nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(3))
(used * (team.process_index + 1)).sum().backward()
average_gradients([used, unused])
assert unused.grad is None
found = f"{used.grad.flatten().tolist()} {agreed(team.process_index + 0.25)}"
Path(__file__).with_name(f"{team.process_index}.txt").write_text(found)
team.wait_for_everyone()
team.destroy_process_group()
"""


def test_two_processes_have_the_mean_of_their_gradients(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(ONE_OF_TWO, encoding="utf-8")
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--standalone",
    ]
    command = [*launch, str(tmp_path / "one.py")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = {path.name: path.read_text() for path in tmp_path.glob("*.txt")}
    assert found == dict.fromkeys(("0.txt", "1.txt"), "[1.5, 1.5, 1.5, 1.5] 0.25")


def test_alone_gradients_stay() -> None:
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    average_gradients([parameter])
    assert parameter.grad.tolist() == [1.0, 2.0]
