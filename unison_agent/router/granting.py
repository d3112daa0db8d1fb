"""What each step of a plan would be granted; it loads, makes and changes nothing."""

from collections.abc import Callable, Mapping

from unison_agent.media import MediaSet
from unison_agent.negotiate import Basis
from unison_agent.router.roles import basis, roles
from unison_agent.tasks import (
    CustomCall,
    GrantedAnswer,
    GrantedTask,
    GrantedVideo,
    Plan,
    TaskCall,
)

Grant = Callable[[int, TaskCall, Basis | None], GrantedTask]
"""Returns what a call is granted, by the number of its step, from 0, and what it is made from."""


def grants(plan: Plan, media: MediaSet, grant: Grant) -> tuple[GrantedTask | None, ...]:
    """Return what each step would be granted.

    None stands for a call of a custom tool, which is granted nothing, and for a step that is made from what
    such a tool makes, of which nobody knows the size.

    Args:
        plan: What to do; checked already.
        media: What its handles stand for.
        grant: Grants one call.

    Raises:
        RequestError: As `grant` does.
    """
    granted: list[GrantedTask | None] = []
    made: dict[str, Basis] = {}
    for number, call in enumerate(plan.steps, start=1):
        if isinstance(call, CustomCall) or _of_unknown_size(call, media, made):
            granted.append(None)
            continue
        one = grant(number - 1, call, basis(call, media, made))
        granted.append(one)
        if not isinstance(one, GrantedAnswer):
            clip = (one.num_frames, one.fps) if isinstance(one, GrantedVideo) else (None, None)
            made[f"step_{number}"] = Basis(one.width, one.height, *clip)
    return tuple(granted)


def _of_unknown_size(call: TaskCall, media: MediaSet, made: Mapping[str, Basis]) -> bool:
    return any(role.handle not in made and role.handle not in media for role in roles(call))
