"""The fields of the task calls: their names, the order they are written in, and what each may hold.

It knows the models of the calls alone, no request and no grammar.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, Self, cast

from annotated_types import Ge, Gt, Le

from unison_agent.tasks import Task, VideoGeneration

NumberField = Literal[
    "width",
    "height",
    "num_frames",
    "duration_seconds",
    "fps",
    "seed",
    "steps",
    "guidance_scale",
    "num_outputs",
]
SIZES: tuple[NumberField, ...] = ("width", "height")
TIMES: tuple[NumberField, ...] = ("num_frames", "duration_seconds", "fps")
SETTINGS: tuple[NumberField, ...] = ("seed", "steps", "guidance_scale", "num_outputs")
NUMBER_FIELDS = frozenset[str]((*SIZES, *TIMES, *SETTINGS))
FRACTIONAL: frozenset[NumberField] = frozenset({"duration_seconds", "fps", "guidance_scale"})

SpanField = Literal["target", "negative_prompt", "prompt", "question"]
# Characters, escapes counted as written; they bound what a model that rambles can write.
LONGEST_SPAN: dict[SpanField, int] = {
    "target": 80,
    "negative_prompt": 240,
    "prompt": 2000,
    "question": 2000,
}

# The one order in which a call's fields are written.
FIELD_ORDER: tuple[str, ...] = (
    "source",
    "mask",
    "target",
    "control",
    "control_type",
    "references",
    "first_frame",
    "last_frame",
    *SIZES,
    "resolution",
    "aspect_ratio",
    *TIMES,
    *SETTINGS,
    "negative_prompt",
    "prompt",
    "question",
)
# After the fields of a call: the call that follows it.
THEN = "then"
MOST_STEPS = 3


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What a field of the task calls may hold."""

    lowest: float = -math.inf
    highest: float = math.inf
    without_lowest: bool = False

    @classmethod
    def of(cls, name: NumberField) -> Self:
        """Read the bounds where they are declared, so that they are said only once."""
        bounds = cls()
        for bound in VideoGeneration.model_fields[name].metadata:
            match bound:
                case Ge(ge=lowest):
                    bounds = replace(bounds, lowest=float(cast("float", lowest)))
                case Gt(gt=lowest):
                    bounds = replace(
                        bounds, lowest=float(cast("float", lowest)), without_lowest=True
                    )
                case Le(le=highest):
                    bounds = replace(bounds, highest=float(cast("float", highest)))
                case _:
                    pass
        return bounds

    def admits(self, value: float) -> bool:
        above = value > self.lowest if self.without_lowest else value >= self.lowest
        return above and value <= self.highest


_BOUNDS: dict[NumberField, _Bounds] = {
    name: _Bounds.of(name) for name in (*SIZES, *TIMES, *SETTINGS)
}


def may_hold(name: NumberField, number: str) -> bool:
    """Whether the field of that name may hold the number, by the bounds of the task calls."""
    if "." in number and name not in FRACTIONAL:
        return False
    value = float(number)
    return math.isfinite(value) and _BOUNDS[name].admits(value)


def makes(task: Task) -> Literal["image", "video", "text"]:
    """Return what a task's output is."""
    if task.endswith("_understanding"):
        return "text"
    clip = task == "image_to_video" or task.startswith("video_") or task.endswith("_video")
    return "video" if clip else "image"
