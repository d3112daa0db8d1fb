"""What a plan will cost, from a table of measured runs; it loads no model and makes nothing.

`benchmarks/costs.py` measures the table, tools/costs.json. Between two measured sizes the cost goes with the
number of pixels of all frames; above the largest in proportion, below the smallest it is that of the smallest.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pydantic import Field, TypeAdapter

from unison_agent._resources import data
from unison_agent.tasks import (
    Call,
    CustomCall,
    GrantedAnswer,
    GrantedTask,
    GrantedVideo,
    Plan,
    Wire,
    granted_json,
)
from unison_agent.wording import adjustment_words, choice_words, granted_words

FILE = "costs.json"


class Cost(Wire):
    """One measured run.

    Attributes:
        tool: Name of the tool in its pack.
        machine: What it ran on, as `machine_name` says it.
        task: What was measured; others of the tool cost the same for as many pixels. Empty for a row of all.
        switches: What the pipeline was switched to, as `Switches.switched` says it.
        width: Pixels.
        height: Pixels.
        num_frames: 1 for an image, 0 for an answer.
        step_seconds: Of one denoising step with guidance; 0 for an answer.
        other_seconds: All else: reading the prompt, decoding, saving; the whole of an answer.
        peak_gib: Most memory that the process held, models included; on a GPU most of its memory.
    """

    tool: str
    machine: str
    task: str = ""
    switches: str = ""
    width: int = 0
    height: int = 0
    num_frames: int = 0
    step_seconds: float = Field(default=0.0, ge=0)
    other_seconds: float = Field(ge=0)
    peak_gib: float = Field(gt=0)

    @property
    def volume(self) -> int:
        """Pixels of all frames."""
        return self.width * self.height * self.num_frames


@dataclass(frozen=True, slots=True)
class StepForecast:
    """What one step will be and cost.

    Attributes:
        task: Or the name of a custom tool.
        granted: What would be done; None where a custom tool has a say.
        seconds: None where nothing like it was measured.
        peak_gib: Memory in GiB, models included; likewise.
        measured_on: The machine of the table; empty where there is none.
    """

    task: str
    granted: GrantedTask | None
    seconds: float | None = None
    peak_gib: float | None = None
    measured_on: str = ""

    def __str__(self) -> str:
        """Return it in words."""
        what = "not known before it runs" if self.granted is None else granted_words(self.granted)
        cost = "its cost was not measured"
        if self.seconds is not None and self.peak_gib is not None:
            cost = f"about {self.seconds:.1f} s and {self.peak_gib:.1f} GiB"
            cost += f", as measured on {self.measured_on}"
        changes = () if self.granted is None else self.granted.adjustments
        changed = [f"{adjustment_words(change)}: {change.reason}" for change in changes]
        why = () if self.granted is None else choice_words(self.granted)
        return "\n  ".join([f"{self.task}: {what}; {cost}", *changed, *why])


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a plan will be and cost, loading not counted."""

    steps: tuple[StepForecast, ...]

    @property
    def seconds(self) -> float | None:
        """Of all steps; None where one was not measured."""
        known = [step.seconds for step in self.steps if step.seconds is not None]
        return sum(known) if len(known) == len(self.steps) else None

    @property
    def peak_gib(self) -> float | None:
        """Of the largest step; None where one was not measured."""
        known = [step.peak_gib for step in self.steps if step.peak_gib is not None]
        return max(known, default=0.0) if len(known) == len(self.steps) else None

    def __str__(self) -> str:
        """Return a line a step, what it changes, and why its tool was chosen where there was a choice."""
        return "\n".join(map(str, self.steps))

    def to_json(self) -> str:
        """Return it as JSON."""
        steps = [
            {
                "task": step.task,
                "granted": None if step.granted is None else granted_json(step.granted),
                "seconds": step.seconds,
                "peak_gib": step.peak_gib,
                "measured_on": step.measured_on or None,
            }
            for step in self.steps
        ]
        whole = {"seconds": self.seconds, "peak_gib": self.peak_gib, "steps": steps}
        return json.dumps(whole, indent=2)


def forecast(
    plan: Plan,
    granted: Sequence[GrantedTask | None],
    *,
    switches: Mapping[str, str] = MappingProxyType({}),
    machine: str | None = None,
    costs: Sequence[Cost] | None = None,
) -> Forecast:
    """Return what a plan will cost.

    Args:
        plan: What is to be done.
        granted: What each of its steps would be granted.
        switches: What the pipelines of tools are switched to, by the tool's name; see `ToolSpec.switched`.
        machine: As `machine_name` says it; this one when left out.
        costs: The table; the one that ships when left out.
    """
    table = shipped_costs() if costs is None else costs
    here = machine_name() if machine is None else machine
    steps: list[StepForecast] = []
    for call, one in zip(plan.steps, granted, strict=True):
        if one is None or isinstance(call, CustomCall):
            steps.append(StepForecast(_name(call), one))
            continue
        of_tool = _measured(table, one.tool, switches.get(one.tool, ""))
        same = [cost for cost in of_tool if cost.machine == here]
        known = same or [cost for cost in of_tool if cost.machine == of_tool[0].machine]
        steps.append(_step(call.task, one, known))
    return Forecast(tuple(steps))


def seconds_here(
    granted: GrantedTask,
    *,
    switches: str = "",
    machine: str | None = None,
    costs: Sequence[Cost] | None = None,
) -> float | None:
    """Return how long it takes on a machine; None where its tool was not measured on one like it.

    Args:
        granted: What would be done.
        switches: What the pipeline of its tool is switched to; see `ToolSpec.switched`.
        machine: As `machine_name` says it; this one when left out.
        costs: The table; the one that ships when left out.
    """
    table = shipped_costs() if costs is None else costs
    of_tool = _measured(table, granted.tool, switches)
    here = machine or machine_name() if of_tool else ""
    return _step("", granted, [cost for cost in of_tool if cost.machine == here]).seconds


def _measured(table: Sequence[Cost], tool: str, switches: str) -> list[Cost]:
    return [cost for cost in table if (cost.tool, cost.switches) == (tool, switches)]


def _name(call: Call) -> str:
    return call.tool if isinstance(call, CustomCall) else call.task


def _step(task: str, granted: GrantedTask, known: Sequence[Cost]) -> StepForecast:
    if not known:
        return StepForecast(task, granted)
    machine = known[0].machine
    if isinstance(granted, GrantedAnswer):
        cost = known[0]
        return StepForecast(task, granted, cost.other_seconds, cost.peak_gib, machine)
    frames = granted.num_frames if isinstance(granted, GrantedVideo) else 1
    volume = granted.width * granted.height * frames
    step_seconds = _between(known, volume, lambda cost: cost.step_seconds)
    other_seconds = _between(known, volume, lambda cost: cost.other_seconds)
    seconds = granted.num_outputs * (granted.steps * step_seconds + other_seconds)
    peak_gib = _between(known, volume, lambda cost: cost.peak_gib)
    return StepForecast(task, granted, seconds, peak_gib, machine)


def _between(known: Sequence[Cost], volume: int, of: Callable[[Cost], float]) -> float:
    values = sorted((cost.volume, of(cost)) for cost in known)
    below = [pair for pair in values if pair[0] <= volume]
    above = [pair for pair in values if pair[0] >= volume]
    if not above:
        largest, value = below[-1]
        return value * volume / largest  # of memory this is more than it will be
    if not below:
        return above[0][1]
    (low, at_low), (high, at_high) = below[-1], above[0]
    share = 0.0 if low == high else (volume - low) / (high - low)
    return at_low + share * (at_high - at_low)


def machine_name() -> str:
    """Return the class of this machine: its GPU, or how many cores it has."""
    if Path("/proc/driver/nvidia/version").exists():
        import torch

        if torch.cuda.is_available():
            return torch.cuda.get_device_name()
    return f"{os.cpu_count() or 1} CPU cores"


@cache
def shipped_costs() -> tuple[Cost, ...]:
    """Return the table that ships with the library."""
    text = data("tools").joinpath(FILE).read_text(encoding="utf-8")
    return TypeAdapter(tuple[Cost, ...]).validate_json(text)
