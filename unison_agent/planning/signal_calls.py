"""Signal calls under a request: which task call they mean, and what a task call loses when written as one.

The language says less than a task call can hold. On reading, what it has no word for is taken from the
request where that states it plainly, and left out elsewhere; on writing, every field that reading would not
give back is listed. It knows no model and no tokenizer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import cast

from unison_agent.errors import PlanningError
from unison_agent.planning.call_fields import NumberField, makes
from unison_agent.planning.signal_tokens import (
    FRAMES_PER_SECOND,
    Control,
    Edit,
    Frame,
    Piece,
    Reference,
    Role,
    SignalCall,
    write_pieces,
)
from unison_agent.planning.stated import Stated, read_stated
from unison_agent.planning.units import numbers_for, plain_numbers
from unison_agent.planning.written import FieldValue
from unison_agent.tasks import (
    TASK_CALL,
    Generation,
    ImageControllableGeneration,
    ImageEditing,
    ImageReferenceGeneration,
    ImageToVideo,
    MediaKind,
    Request,
    Task,
    TaskCall,
    VideoControllableGeneration,
    VideoEditing,
    VideoGeneration,
    VideoReferenceGeneration,
)

# Words that name one type of structure and are seldom meant otherwise; others leave it open.
_PLAIN_TYPES = {
    "depth": ("depth",),
    "pose": ("pose", "skeleton"),
    "canny": ("canny", "edge"),
    "scribble": ("scribble", "sketch"),
    "gray": ("gray", "grey"),
    "layout": ("layout",),
    "normal": ("normal",),
}
_NO_WORD_FOR: tuple[NumberField, ...] = ("fps", "seed", "steps", "guidance_scale")
_SHORT_SIDE = 720  # of a shape that is stated without a size
_RATIOS = {"landscape": (16.0, 9.0), "portrait": (9.0, 16.0), "square": (1.0, 1.0)}


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


def fields_of(call: SignalCall | None, request: Request) -> tuple[Task, dict[str, FieldValue]]:
    """Return the task and the fields that a signal call means for a request; None is an answer in words.

    Where the language names no attachment, a reference is every attached image, and a control, a first or a
    last frame the first attachment of its kind. A size and a number of frames are given as what the request
    states: a name, or a duration that makes this number at 24 a second.

    Raises:
        PlanningError: The call needs an attachment that is not there.
    """
    if call is None:
        return _answering(request), {}
    stated = read_stated(request.text)
    task, fields = _task_of(call, request)
    if isinstance(call.role, Control) and (control_type := _control_type(stated)):
        fields["control_type"] = control_type
    if call.size is not None:
        fields |= _size_fields(call.size, stated)
    if call.num_frames is not None:
        fields |= _time_fields(call.num_frames, stated)
    for name in _NO_WORD_FOR:
        numbers = plain_numbers(name, request.text)
        if len(numbers) == 1 and (call.output == "video" or name != "fps"):
            fields[name] = _number(numbers[0])
    return task, fields


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


def named_sizes(stated: Stated) -> Mapping[tuple[int, int], Mapping[str, str]]:
    """Return the sizes that a text names, and by which names; of several, those with most names.

    The paper's planner writes 640x480 for 480p, 1280x720 for 16:9 and for horizontal, and 720x1280 for vertical.
    """
    found: dict[tuple[int, int], Mapping[str, str]] = {}
    names = product((None, *stated.resolutions), (None, *stated.aspect_ratios))
    for resolution, aspect_ratio in names:
        size = _named_size(resolution, aspect_ratio)
        if size is not None:
            both = {"resolution": resolution, "aspect_ratio": aspect_ratio}
            said = {name: value for name, value in both.items() if value is not None}
            if len(said) > len(found.get(size, ())):
                found[size] = said
    return found


def frame_counts(text: str) -> Mapping[int, str]:
    """Return the numbers of frames that a text can mean by a duration, and the seconds of each."""
    counts: dict[int, str] = {}
    for seconds in numbers_for("duration_seconds", text):
        counts.setdefault(_frames(float(seconds)), seconds)
    return counts


def _frames(seconds: float) -> int:
    return max(1, round(FRAMES_PER_SECOND * seconds))


def _named_size(resolution: str | None, aspect_ratio: str | None) -> tuple[int, int] | None:
    if resolution is None and aspect_ratio is None:
        return None
    short = _SHORT_SIDE if resolution is None else int(resolution.removesuffix("p"))
    if aspect_ratio is None:
        wide, high = (4.0, 3.0) if short == 480 else _RATIOS["landscape"]
    elif aspect_ratio in _RATIOS:
        wide, high = _RATIOS[aspect_ratio]
    else:
        wide, high = (float(side) for side in aspect_ratio.split(":"))
    if not wide or not high:
        return None
    long = 2 * round(short * max(wide, high) / min(wide, high) / 2)
    return (long, short) if wide >= high else (short, long)


def _answering(request: Request) -> Task:
    kinds = {one.kind for one in request.attachments}
    if "video" in kinds:
        return "video_understanding"
    return "image_understanding" if "image" in kinds else "text_understanding"


def _task_of(call: SignalCall, request: Request) -> tuple[Task, dict[str, FieldValue]]:
    video = call.output == "video"
    match call.role:
        case None:
            return ("text_to_video" if video else "text_to_image"), {}
        case Reference():
            task = "video_reference_generation" if video else "image_reference_generation"
            return task, {"references": tuple(_handles(request, "image"))}
        case Control():
            task = "video_controllable_generation" if video else "image_controllable_generation"
            return task, {"control": _handles(request, call.output)[0]}
        case Edit(mask, source):
            task = "video_editing" if video else "image_editing"
            return task, {"source": _handle(request, source), "mask": _handle(request, mask)}
        case Frame(place):
            role = "first_frame" if place == "first" else "last_frame"
            return "image_to_video", {role: _handles(request, "image")[0]}


def _handles(request: Request, kind: MediaKind) -> list[str]:
    found = [one.handle for one in request.attachments if one.kind == kind]
    if not found:
        msg = f"The planner's signal tokens need an attached {kind}; there is none."
        raise PlanningError(msg, hint=f"Attach the {kind}, or say the request in other words.")
    return found


def _handle(request: Request, place: int) -> str:
    if place >= len(request.attachments):
        count = len(request.attachments)
        msg = f"The planner's signal tokens name attachment {place} (from 0); there are {count}."
        raise PlanningError(msg, hint="Attach it, or say the request in other words.")
    return request.attachments[place].handle


def _control_type(stated: Stated) -> str | None:
    """Return the one type of structure that the text plainly names."""
    named = [
        name
        for name, places in stated.control_types.items()
        if any(
            stem in stated.text[start:end].lower()
            for start, end in places
            for stem in _PLAIN_TYPES[name]
        )
    ]
    return named[0] if len(named) == 1 else None


def _size_fields(size: tuple[int, int], stated: Stated) -> Mapping[str, FieldValue]:
    """Return how the request states a size; the bare numbers where it does not, which no plan may hold."""
    width, height = size
    numbers = {"width": width, "height": height}
    if all(
        str(value) in numbers_for(cast("NumberField", name), stated.text)
        for name, value in numbers.items()
    ):
        return numbers
    return named_sizes(stated).get(size, numbers)


def _time_fields(num_frames: int, stated: Stated) -> Mapping[str, FieldValue]:
    if str(num_frames) in plain_numbers("num_frames", stated.text):
        return {"num_frames": num_frames}
    seconds = frame_counts(stated.text).get(num_frames)
    return {"num_frames": num_frames} if seconds is None else {"duration_seconds": _number(seconds)}


def _number(text: str) -> FieldValue:
    return float(text) if "." in text else int(text)


def _signal_call(call: TaskCall, request: Request) -> SignalCall | None:
    if not isinstance(call, Generation):
        return None
    frames = None
    if isinstance(call, VideoGeneration):
        frames = call.num_frames
        if frames is None and call.duration_seconds is not None:
            frames = _frames(call.duration_seconds)
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
            for handle in _given(call.first_frame, call.last_frame):
                _place(handle, places)
            return Frame("last" if call.first_frame is None else "first")
        case _:
            return None


def _given(*handles: str | None) -> Iterator[str]:
    yield from (handle for handle in handles if handle is not None)


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
    return _named_size(call.resolution, call.aspect_ratio)
