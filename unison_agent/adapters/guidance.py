"""Guidance for the first steps of a run alone; it knows one pipeline's attribute, and no tasks.

What guidance decides is decided while there is much noise. Without it a step is one call of the denoiser, not two
(Kynkaanniemi and others, "Applying Guidance in a Limited Interval", arXiv 2404.07724).
"""

import math
from collections.abc import Callable

StepEnd = Callable[[object, int, object, dict[str, object]], dict[str, object]]


def guided_for(share: float, steps: int, then: StepEnd) -> StepEnd:
    """Return a ``callback_on_step_end`` that ends guidance after a share of the steps, and calls another.

    A diffusers pipeline asks before each step whether its ``_guidance_scale`` is above 1, and sets it anew when it
    is called.

    Args:
        share: Above 0; at least one step is guided.
        steps: Of the run.
        then: Called at the end of each step.
    """
    guided = max(1, math.ceil(round(share * steps, 6)))

    def ended(pipe: object, step: int, time: object, kept: dict[str, object]) -> dict[str, object]:
        if step + 1 >= guided and guided < steps:
            pipe._guidance_scale = 1.0  # pyright: ignore[reportAttributeAccessIssue]  # as diffusers' own cutoff callbacks do
        return then(pipe, step, time, kept)

    return ended
