"""Plans and calls without the user's words: what can be shown to people who may not read the request."""

from collections.abc import Mapping
from typing import cast

from unison_agent.tasks.calls import Call, CustomCall
from unison_agent.tasks.plans import Plan

LEFT_OUT = "(left out)"
_WORDS = ("prompt", "question", "negative_prompt", "target")


def wordless_plan(plan: Plan) -> Plan:
    """Return the plan with its request, and all that its calls took from it in words, left out."""
    request = plan.request.model_copy(update={"text": LEFT_OUT})
    steps = tuple(wordless_call(call) for call in plan.steps)
    unsure = tuple(wordless_call(call) for call in plan.unsure)
    return plan.model_copy(
        update={"request": request, "steps": steps, "unsure": unsure, "evidence": ()}
    )


def wordless_call(call: Call) -> Call:
    """Return the call with its words left out; numbers, choices and handles stay."""
    if isinstance(call, CustomCall):
        kept = _without_words(call.arguments, frozenset(call.handles))
        return call.model_copy(update={"arguments": kept})
    stated = {name for name in _WORDS if getattr(call, name, None) is not None}
    return call.model_copy(update=dict.fromkeys(stated, LEFT_OUT))


def _without_words(value: object, handles: frozenset[str]) -> object:
    match value:
        case str():
            return value if value in handles else LEFT_OUT
        case Mapping():
            entries = cast("Mapping[str, object]", value).items()
            return {name: _without_words(one, handles) for name, one in entries}
        case list():
            return [_without_words(one, handles) for one in cast("list[object]", value)]
        case _:
            return value
