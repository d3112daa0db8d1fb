"""Calls and grants in short plain words, for people; it does not know where they are shown."""

from unison_agent.tasks import (
    Adjustment,
    Call,
    CustomCall,
    Granted,
    GrantedAnswer,
    GrantedCustom,
    GrantedImage,
    GrantedVideo,
    Plan,
)

_SAID_ELSEWHERE = {"task", "prompt", "question"}


def call_words(call: Call) -> str:
    """Return what a call states besides its prompt, e.g. ``"source image_1, target the star"``."""
    custom = isinstance(call, CustomCall)
    stated = (
        call.arguments if custom else call.model_dump(exclude_none=True, exclude=_SAID_ELSEWHERE)
    )
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in stated.items())


def unused_words(plan: Plan) -> list[str]:
    """Return what a request states and no step of its plan holds, e.g. ``"num frames 81"``."""
    text = plan.request.text
    return [f"{one.field.replace('_', ' ')} {text[one.start : one.end]}" for one in plan.unused]


def unused_notes(plan: Plan) -> tuple[str, ...]:
    """Return the same as sentences for the notes of a result."""
    return tuple(f"The request states {words}; no step takes it." for words in unused_words(plan))


def granted_words(granted: Granted) -> str:
    """Return what will be done, e.g. ``"64x64, 17 frames at 8 fps, 12 steps, seed 0"``."""
    match granted:
        case GrantedAnswer():
            return f"at most {granted.max_new_tokens} tokens"
        case GrantedCustom():
            made = "words" if granted.num_outputs == 0 else f"{granted.num_outputs} outputs"
            return f"{'1 output' if granted.num_outputs == 1 else made} of {granted.tool}"
        case GrantedImage():
            size = f"{granted.width}x{granted.height}"
        case GrantedVideo():
            size = f"{granted.width}x{granted.height}"
            size += f", {granted.num_frames} frames at {granted.fps:g} fps"
    words = f"{size}, {granted.steps} steps, guidance {granted.guidance_scale:g}"
    words += f", seed {granted.seed}"
    return words if granted.num_outputs == 1 else f"{words}, {granted.num_outputs} outputs"


def choice_words(granted: Granted) -> list[str]:
    """Return why this tool was chosen, and why the others were not; nothing where there was no choice."""
    choice = None if isinstance(granted, GrantedCustom) else granted.choice
    if choice is None:
        return []
    rejected = [f"not {one.tool}: {one.reason}" for one in choice.rejected]
    return [f"{granted.tool}: {choice.reason}", *rejected]


def adjustment_words(adjustment: Adjustment) -> str:
    """Return what was changed, e.g. ``"width 640 -> 64"``."""
    name = adjustment.field.replace("_", " ")
    granted = "left out" if adjustment.granted is None else _value(adjustment.granted)
    return f"{name} {_value(adjustment.asked)} -> {granted}"


def _value(value: object) -> str:
    match value:
        case float():
            return f"{value:g}"
        case tuple() | list():
            return " and ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            return str(value)
