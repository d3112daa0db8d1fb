"""The mean of planning LoRAs that were trained one from the other; it trains and measures nothing.

Weights along one run average well (Izmailov et al., arXiv 1803.05407): what the last minutes learned at the cost
of something else is halved, what all parts agree on stays. Factors are averaged as they are, which is only right
where the runs start from one another.

``python -m unison_agent.training.planner_mean runs/a/adapter runs/b/adapter --out runs/planner/adapter``
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unison_agent.training.lora import read_adapter, write_adapter

if TYPE_CHECKING:
    from torch import Tensor


def mean(adapters: Sequence[Path]) -> "dict[str, Tensor]":
    """Return the mean of the adapters in these folders.

    Raises:
        ValueError: There is none, or they have not the same tensors.
    """
    states = [read_adapter(folder) for folder in adapters]
    if not states or any(state.keys() != states[0].keys() for state in states):
        raise ValueError(f"expected adapters of the same tensors, got {[str(a) for a in adapters]}")
    total = {name: tensor.float() for name, tensor in states[0].items()}
    for state in states[1:]:
        for name, tensor in state.items():
            total[name] = total[name] + tensor.float()
    return {name: tensor / len(states) for name, tensor in total.items()}


def main() -> None:
    """Write the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("adapters", type=Path, nargs="+", help="folders of adapters")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    write_adapter(mean(args.adapters), args.out)


if __name__ == "__main__":
    main()
