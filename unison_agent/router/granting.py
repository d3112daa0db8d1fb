"""What each step of a plan would be granted; it loads, makes and changes nothing."""

from collections.abc import Mapping

from unison_agent.media import MediaSet
from unison_agent.negotiate import Basis, negotiate
from unison_agent.router.roles import CustomTools, basis, check_plan, edited_by_words, roles
from unison_agent.specs import ToolSpec
from unison_agent.tasks import (
    CustomCall,
    GrantedAnswer,
    GrantedTask,
    GrantedVideo,
    Mode,
    Plan,
    Task,
    TaskCall,
)


def grants(
    plan: Plan,
    media: MediaSet,
    serving: Mapping[Task, ToolSpec],
    custom: CustomTools,
    *,
    mode: Mode,
    seed: int,
) -> tuple[GrantedTask | None, ...]:
    """Return what each step would be granted.

    None stands for a call of a custom tool, which is granted nothing, and for a step that is made from what
    such a tool makes, of which nobody knows the size.

    Args:
        plan: What to do.
        media: What its handles stand for.
        serving: The tool of each task of the plan.
        custom: The custom tools by name.
        mode: What to do about values that a tool cannot grant as stated.
        seed: Of steps that state none.

    Raises:
        MissingInputError: The plan lacks something, e.g. a mask.
        RequestError: A step's media or task do not fit.
        NegotiationError: A value would have to change, and `mode` forbids it.
    """
    check_plan(plan, media, custom, by_words=edited_by_words(serving.values()))
    granted: list[GrantedTask | None] = []
    made: dict[str, Basis] = {}
    for number, call in enumerate(plan.steps, start=1):
        if isinstance(call, CustomCall) or _of_unknown_size(call, media, made):
            granted.append(None)
            continue
        from_what = basis(call, media, made)
        one = negotiate(call, serving[call.task], mode=mode, basis=from_what, default_seed=seed)
        granted.append(one)
        if not isinstance(one, GrantedAnswer):
            clip = (one.num_frames, one.fps) if isinstance(one, GrantedVideo) else (None, None)
            made[f"step_{number}"] = Basis(one.width, one.height, *clip)
    return tuple(granted)


def _of_unknown_size(call: TaskCall, media: MediaSet, made: Mapping[str, Basis]) -> bool:
    return any(role.handle not in made and role.handle not in media for role in roles(call))
