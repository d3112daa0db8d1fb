"""Signal calls under a request: which task call they mean; it knows no model and no tokenizer.

The language says less than a task call can hold: what it has no word for is taken from the request where that
states it plainly, and left out elsewhere.
"""

from collections.abc import Mapping
from itertools import product
from typing import cast

from unison_agent.errors import PlanningError
from unison_agent.planning.call_fields import NumberField
from unison_agent.planning.signal_tokens import (
    FRAMES_PER_SECOND,
    Control,
    Edit,
    Frame,
    Reference,
    SignalCall,
)
from unison_agent.planning.stated import Stated, read_stated
from unison_agent.planning.units import numbers_for, plain_numbers
from unison_agent.planning.written import FieldValue
from unison_agent.tasks import (
    MediaKind,
    Request,
    Task,
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


def named_sizes(stated: Stated) -> Mapping[tuple[int, int], Mapping[str, str]]:
    """Return the sizes that a text names, and by which names; of several, those with most names.

    The paper's planner writes 640x480 for 480p, 1280x720 for 16:9 and for horizontal, and 720x1280 for vertical.
    """
    found: dict[tuple[int, int], Mapping[str, str]] = {}
    names = product((None, *stated.resolutions), (None, *stated.aspect_ratios))
    for resolution, aspect_ratio in names:
        size = named_size(resolution, aspect_ratio)
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
        counts.setdefault(frames_in(float(seconds)), seconds)
    return counts


def named_size(resolution: str | None, aspect_ratio: str | None) -> tuple[int, int] | None:
    """Return the width and height of a named size; None where nothing is named, or a ratio has a zero."""
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


def frames_in(seconds: float) -> int:
    """Return how many frames a duration is, one at least."""
    return max(1, round(FRAMES_PER_SECOND * seconds))


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
