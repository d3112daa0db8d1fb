"""What every training run shares: a time budget, checkpoints that resume, a curve, averaged weights.

It does not know what is trained.
"""

import json
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn


def add_run_arguments(
    parser: ArgumentParser, *, out: Path, minutes: float, threads: int = 2, of: str | None = None
) -> None:
    """Let a command be told what every run is: where it goes, how long it takes, its threads and its seed.

    Args:
        parser: Of the command.
        out: The run's folder, unless another is named.
        minutes: Its length, likewise.
        threads: Of the processor, likewise.
        of: What the minutes are of, where it is not plain.
    """
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--minutes", type=float, default=minutes, help=of)
    parser.add_argument("--threads", type=int, default=threads)
    parser.add_argument("--seed", type=int, default=0)


@dataclass
class Budget:
    """A run of a stated length in its own folder; all time is that of training, over all parts of it.

    Attributes:
        folder: Holds last.pt and curve.jsonl.
        minutes: Length of the whole run, earlier parts counted in.
        clock: Seconds; processor time keeps a run on a shared machine as long as on an idle one.
        warmup_steps: Of the learning rate.
        cooldown: Share of the run, at its end, over which the learning rate falls to 3 %.
    """

    folder: Path
    minutes: float
    warmup_steps: int = 100
    cooldown: float = 0.3
    save_every_seconds: float = 120.0
    clock: Callable[[], float] = time.monotonic
    step: int = 0
    samples: int = 0
    spent_seconds: float = 0.0
    _started: float = 0.0
    _saved: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def elapsed_seconds(self) -> float:
        """Training time so far."""
        return self.spent_seconds + self.clock() - self._started

    @property
    def share(self) -> float:
        """Part of the budget that is used up, 0 to 1."""
        return min(1.0, self.elapsed_seconds / (self.minutes * 60))

    @property
    def over(self) -> bool:
        """Whether the budget is used up."""
        return self.share >= 1

    def rate(self, share: float | None = None) -> float:
        """Return the factor of the learning rate: warm-up, constant, linear cool-down.

        Args:
            share: Part of the run that is done, where several processes have agreed on one; their clocks differ.
        """
        warm = min(1.0, (self.step + 1) / self.warmup_steps)
        left = (1 - (self.share if share is None else share)) / self.cooldown
        return warm * max(0.03, min(1.0, left))

    def count(self, samples: int) -> None:
        """Note one optimiser step."""
        self.step += 1
        self.samples += samples

    def log(self, **values: float) -> None:
        """Append a line to the curve and print it."""
        row = {
            "step": self.step,
            "samples": self.samples,
            "seconds": round(self.elapsed_seconds, 1),
            **{k: round(v, 5) for k, v in values.items()},
        }
        line = json.dumps(row)
        with (self.folder / "curve.jsonl").open("a", encoding="utf-8") as curve:
            curve.write(line + "\n")
        print(line, flush=True)

    def save_due(self) -> bool:
        """Return whether it is time for a checkpoint."""
        return time.monotonic() - self._saved > self.save_every_seconds

    def save(self, state: Mapping[str, object]) -> None:
        """Write last.pt atomically."""
        counters = (self.step, self.samples, self.elapsed_seconds)
        temporary = self.folder / "last.pt.tmp"
        torch.save({"counters": counters, **state}, temporary)
        temporary.replace(self.folder / "last.pt")
        self._saved = time.monotonic()

    def resume(self) -> dict[str, Tensor] | None:
        """Return the state of last.pt and take up its counters; None for a fresh run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "last.pt"
        if not path.exists():
            return None
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.step, self.samples, self.spent_seconds = state.pop("counters")
        self._started = self.clock()
        return state


class Average:
    """Exponential moving average of parameters; starts fast, settles at `decay`."""

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float = 0.998) -> None:
        self.parameters = list(parameters)
        self.values = [p.detach().clone() for p in self.parameters]
        self.decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the parameters after optimiser step `step`."""
        decay = min(self.decay, (step + 1) / (step + 12))
        torch._foreach_lerp_(self.values, [p.detach() for p in self.parameters], 1 - decay)  # pyright: ignore[reportPrivateUsage]

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange averaged and live values; call twice around an evaluation or an export."""
        for parameter, value in zip(self.parameters, self.values, strict=True):
            live = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(live)


def set_rate(optimizer: torch.optim.Optimizer, base: float, factor: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = base * factor
