"""Task calls as signal calls, and what they lose; it knows no model and no tokenizer.

The language says less than a task call can hold: every field that `signal_calls.fields_of` would not give back
is listed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from unison_agent.errors import PlanningError
from unison_agent.planning.call_fields import makes
from unison_agent.planning.signal_calls import fields_of, frames_in, named_size
from unison_agent.planning.signal_tokens import (
    Control,
    Edit,
    Frame,
    Piece,
    Reference,
    Role,
    SignalCall,
    write_pieces,
)
from unison_agent.tasks import (
    TASK_CALL,
    Generation,
    ImageControllableGeneration,
    ImageEditing,
    ImageReferenceGeneration,
    ImageToVideo,
    Request,
    TaskCall,
    VideoControllableGeneration,
    VideoEditing,
    VideoGeneration,
    VideoReferenceGeneration,
)


@dataclass(frozen=True, slots=True)
class Lost:
    """A field of a call that comes back as something else.

    Attributes:
        field: Its name.
        meant: Its value in the call.
        read: What reading gives; None is unstated.
    """

    field: str
    meant: object
    read: object


@dataclass(frozen=True, slots=True)
class SignalText:
    """A written call.

    Attributes:
        pieces: Its tokens and numbers.
        lost: What they do not say, in the order of the call's fields; empty when nothing is lost.
    """

    pieces: tuple[Piece, ...]
    lost: tuple[Lost, ...]


def write_signals(call: TaskCall, request: Request) -> SignalText:
    """Return a task call as signal tokens, with what they cannot say.

    Args:
        call: A call of the plan of `request`.
        request: Whose attachments its handles are.

    Raises:
        PlanningError: The language has no form for it: it works on what another step makes, or edits
            without a mask.
    """
    said = _signal_call(call, request)
    task, fields = fields_of(said, request)
    words = "prompt" if isinstance(call, Generation) else "question"
    read = TASK_CALL.validate_python({"task": task, words: request.text, **fields})
    lost: list[Lost] = []
    for name in type(call).model_fields:
        meant, back = (cast("object", getattr(one, name, None)) for one in (call, read))
        if meant != back:
            lost.append(Lost(name, meant, back))
    return SignalText(write_pieces(said), tuple(lost))


def _signal_call(call: TaskCall, request: Request) -> SignalCall | None:
    if not isinstance(call, Generation):
        return None
    frames = None
    if isinstance(call, VideoGeneration):
        frames = call.num_frames
        if frames is None and call.duration_seconds is not None:
            frames = frames_in(call.duration_seconds)
    made = makes(call.task)
    return SignalCall(
        "video" if made == "video" else "image", _role_of(call, request), _size_of(call), frames
    )


def _role_of(call: TaskCall, request: Request) -> Role | None:
    places = {one.handle: place for place, one in enumerate(request.attachments)}
    match call:
        case ImageEditing() | VideoEditing():
            if call.mask is None:
                msg = f"Signal tokens cannot say {call.task} without a mask."
                raise PlanningError(msg, hint="Attach a mask, or plan in JSON.")
            return Edit(_place(call.mask, places), _place(call.source, places))
        case ImageControllableGeneration() | VideoControllableGeneration():
            _place(call.control, places)
            return Control()
        case ImageReferenceGeneration() | VideoReferenceGeneration():
            for handle in call.references:
                _place(handle, places)
            return Reference()
        case ImageToVideo():
            for handle in (call.first_frame, call.last_frame):
                if handle is not None:
                    _place(handle, places)
            return Frame("last" if call.first_frame is None else "first")
        case _:
            return None


def _place(handle: str, places: Mapping[str, int]) -> int:
    if handle not in places:
        there = ", ".join(places) or "none"
        msg = f"Signal tokens can only name attachments, got {handle}; attached: {there}."
        raise PlanningError(msg, hint="Attach it, or plan in JSON.")
    return places[handle]


def _size_of(call: Generation) -> tuple[int, int] | None:
    if call.width is not None and call.height is not None:
        return call.width, call.height
    if call.width is not None or call.height is not None:
        return None
    return named_size(call.resolution, call.aspect_ratio)
