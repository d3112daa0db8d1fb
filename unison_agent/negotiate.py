"""What is stated meets what a tool can do: a call and a tool's limits in, what is granted out.

It does not know of weights or pixels. Whatever is stated, or given by a source, and not granted as it is
becomes an Adjustment with the limit it met; nothing else does.
"""

from math import inf
from typing import cast, get_args

from unison_agent.adjustments import Basis, RangedValue, size_changes, time_changes
from unison_agent.errors import NegotiationError, RequestError
from unison_agent.sizing import Aspect, SizeWish, nearest_size
from unison_agent.specs import Limits, ToolSpec
from unison_agent.tasks import (
    LARGEST_SEED,
    Adjustment,
    Generation,
    GrantedAnswer,
    GrantedImage,
    GrantedTask,
    GrantedVideo,
    ImageControllableGeneration,
    ImageReferenceGeneration,
    ImageToVideo,
    Mode,
    TaskCall,
    VideoControllableGeneration,
    VideoGeneration,
    VideoReferenceGeneration,
)
from unison_agent.timing import TimeWish, nearest_time

__all__ = ["Basis", "check_values", "negotiate"]

_MODES = get_args(Mode)


def check_values(mode: object, seed: object, max_new_tokens: object = None) -> None:
    """Refuse what no tool could take, before anything is loaded; users are untyped.

    Raises:
        RequestError: A value is of another type, or too large to be recorded.
    """
    if mode not in _MODES:
        msg = f"mode must be one of {', '.join(_MODES)}, got {mode!r}."
        raise RequestError(msg)
    for name, value in (("seed", seed), ("max_new_tokens", max_new_tokens)):
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value > LARGEST_SEED:
            msg = f"{name} must be a whole number of at most {LARGEST_SEED}, got {value!r}."
            raise RequestError(msg)


def negotiate(
    call: TaskCall,
    tool: ToolSpec,
    *,
    mode: Mode = "nearest",
    basis: Basis | None = None,
    default_seed: int = 0,
    max_new_tokens: int | None = None,
) -> GrantedTask:
    """Return what `tool` will do for `call`, every value concrete.

    Args:
        call: What is asked; None means unstated.
        tool: A tool that serves the call's task.
        mode: ``"nearest"`` grants the nearest allowed values, ``"strict"`` and ``"ask"`` refuse to change
            what is stated, the one as an error and the other as a question.
        basis: The size and length of what the output is made from, which decide where nothing is stated.
        default_seed: The seed where none is stated.
        max_new_tokens: Of an answer; the tool's default when left out.

    Raises:
        NegotiationError: A change is needed and `mode` forbids it; or, in every mode, a side is absurd, a
            shape is none, or there are more references than the tool takes.
        RequestError: `tool` does not serve this task.
    """
    if call.task not in tool.tasks:
        msg = f"the tool {tool.name} does not serve {call.task}."
        raise RequestError(msg, hint=f"It serves {', '.join(tool.tasks)}.")
    if default_seed < 0:
        msg = f"seed must be 0 or more, got {default_seed}."
        raise NegotiationError(msg)
    # ToolSpec has checked that a tool states the limits and defaults its tasks need: hence the casts.
    if not isinstance(call, Generation):
        if max_new_tokens is not None and max_new_tokens < 1:
            msg = f"max_new_tokens must be 1 or more, got {max_new_tokens}."
            raise NegotiationError(msg)
        tokens = max_new_tokens or cast("int", tool.defaults.max_new_tokens)
        return GrantedAnswer(output="text", tool=tool.name, max_new_tokens=tokens)
    _refuse_impossible(call, tool, cast("Limits", tool.limits))
    granted = _grant(call, tool, basis, default_seed)
    _respect(mode, tool, granted.adjustments)
    return granted


def _refuse_impossible(call: Generation, tool: ToolSpec, limits: Limits) -> None:
    """Refuse what no change of a value could mend."""
    most = limits.refuse_side_above
    lines = int(call.resolution.removesuffix("p")) if call.resolution else None
    for field, side in (("width", call.width), ("height", call.height), ("resolution", lines)):
        if side is not None and side > most:
            msg = f"{field} {side} is refused: {tool.name} takes no request above {most} pixels."
            raise NegotiationError(msg, hint="State a smaller size, or none.")
    match call:
        case ImageReferenceGeneration() | VideoReferenceGeneration():
            count = len(call.references)
            if count > limits.references:
                msg = (
                    f"{count} references were given, {tool.name} takes at most {limits.references}."
                )
                raise NegotiationError(msg, hint="Attach fewer images, or name the one to use.")
        case ImageControllableGeneration() | VideoControllableGeneration():
            kind = call.control_type
            if kind is not None and kind not in limits.control_types:
                known = ", ".join(limits.control_types) or "none"
                msg = f"control_type {kind} is not one that {tool.name} follows: {known}."
                raise NegotiationError(msg)
        case ImageToVideo():
            for name in ("first_frame", "last_frame"):
                if getattr(call, name) is not None and name not in limits.frames:
                    msg = f"a {name} was given, {tool.name} takes {' and '.join(limits.frames) or 'none'}."
                    raise NegotiationError(msg)
        case _:
            pass


def _respect(mode: Mode, tool: ToolSpec, adjustments: tuple[Adjustment, ...]) -> None:
    if not adjustments or mode == "nearest":
        return
    changes = tuple((item.field, str(item.asked), str(item.granted)) for item in adjustments)
    if mode == "strict":
        told = "; ".join(f"{item.field} {item.asked} ({item.reason})" for item in adjustments)
        msg = f"{tool.name} cannot do this as stated: {told}."
        hint = "State values within these limits, or use the mode 'nearest'."
    else:
        told = ", ".join(
            f"{field} {granted} instead of {asked}" for field, asked, granted in changes
        )
        msg = f"Shall {tool.name} go on with {told}?"
        hint = "If so, use the mode 'nearest'."
    raise NegotiationError(msg, changes=changes, hint=hint)


def _grant(
    call: Generation, tool: ToolSpec, basis: Basis | None, default_seed: int
) -> GrantedImage | GrantedVideo:
    limits, defaults, lora = cast("Limits", tool.limits), tool.usual, tool.distilled
    made_for = None if lora is None else f"{lora.file} is made for"
    default_size = (cast("int", defaults.width), cast("int", defaults.height))
    like = (basis.width, basis.height) if basis else default_size
    wish = SizeWish(
        width=call.width,
        height=call.height,
        lines=int(call.resolution.removesuffix("p")) if call.resolution else None,
        aspect=Aspect.parse(call.aspect_ratio, like) if call.aspect_ratio else None,
        like=like,
    )
    makes = "video" if isinstance(call, VideoGeneration) else "image"
    numbers = [
        RangedValue(
            "steps",
            call.steps,
            cast("int", defaults.steps_for(makes)),
            limits.steps if lora is None else (lora.steps, lora.steps),
            "steps_range",
            why=made_for,
        ),
        RangedValue(
            "guidance_scale",
            call.guidance_scale,
            cast("float", defaults.guidance_scale),
            limits.guidance_scale if lora is None else (lora.guidance_scale, lora.guidance_scale),
            "guidance_range",
            why=made_for,
        ),
        RangedValue(
            "num_outputs",
            call.num_outputs,
            defaults.num_outputs,
            (1, limits.num_outputs),
            "outputs_range",
        ),
    ]
    steps, guidance_scale, num_outputs = (number.granted for number in numbers)
    changes = [change for number in numbers for change in number.changes()]
    seed = default_seed if call.seed is None else call.seed
    if not isinstance(call, VideoGeneration):
        width, height = nearest_size(wish, limits, limits.max_area)
        return GrantedImage(
            output="image",
            tool=tool.name,
            width=width,
            height=height,
            steps=int(steps),
            guidance_scale=guidance_scale,
            seed=seed,
            num_outputs=int(num_outputs),
            adjustments=(*size_changes(wish, limits, (width, height), basis), *changes),
        )
    time = TimeWish(
        num_frames=call.num_frames,
        duration_seconds=call.duration_seconds,
        fps=call.fps,
        like_num_frames=(basis and basis.num_frames) or cast("int", defaults.num_frames),
        like_fps=(basis and basis.fps) or cast("float", defaults.fps),
        source_seconds=basis.seconds if basis else None,
    )
    (width, height), num_frames, fps = _within_volume(wish, time, limits)
    return GrantedVideo(
        output="video",
        tool=tool.name,
        width=width,
        height=height,
        num_frames=num_frames,
        fps=fps,
        steps=int(steps),
        guidance_scale=guidance_scale,
        seed=seed,
        num_outputs=int(num_outputs),
        adjustments=(
            *size_changes(wish, limits, (width, height), basis),
            *time_changes(time, limits, num_frames, fps, basis),
            *changes,
        ),
    )


def _within_volume(
    wish: SizeWish, time: TimeWish, limits: Limits
) -> tuple[tuple[int, int], int, float]:
    """Share the volume between area and frames: what is stated has it first, the size before time."""
    volume = limits.max_volume or inf
    if wish.is_open and (time.num_frames or time.duration_seconds):
        least_area = limits.widths()[0] * limits.heights()[0]
        num_frames, fps = nearest_time(time, limits, volume / least_area)
        size = nearest_size(wish, limits, min(limits.max_area, volume / num_frames))
    else:
        least_count = limits.frame_counts()[0]
        size = nearest_size(wish, limits, min(limits.max_area, volume / least_count))
        num_frames, fps = nearest_time(time, limits, volume / (size[0] * size[1]))
    return size, num_frames, fps
