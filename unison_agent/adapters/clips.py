"""Clips from words, or from a first and a last frame, on a clip pipeline of diffusers; it knows no packs or other calls."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from unison_agent.adapters import Output, frames
from unison_agent.adapters.image_calls import Sampling, guided
from unison_agent.adapters.running import as_pixels, check_shown, running
from unison_agent.adapters.step_report import StepReport
from unison_agent.adapters.text_tokens import conditioned
from unison_agent.errors import GenerationError, RequestError
from unison_agent.media import MediaSet, Medium, Video
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.tasks import (
    Generation,
    GrantedTask,
    GrantedVideo,
    ImageToVideo,
    TaskCall,
    TextToVideo,
)

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from unison_agent.connector import Conditioning
    from unison_agent.pipeline_specs import ClipClass
    from unison_agent.pipelines.clips import (
        Clips,
        LoadedClipPipeline,
        LtxArguments,
        LtxConditionPipe,
        LtxImagePipe,
        LtxPipe,
    )


@dataclass(frozen=True, slots=True)
class GivenFrames:
    """Frames that a clip starts from or ends with, RGB, at the granted size."""

    first: "Picture | None" = None
    last: "Picture | None" = None


class DiffusersClipAdapter:
    """Runs calls for clips on one class of clip pipeline.

    Args:
        kind: The class.
        load: Returns the pipeline, whose lock is held while it runs; asked for when the media are known to fit.
    """

    def __init__(self, kind: "ClipClass", load: "Callable[[Progress], LoadedClipPipeline]") -> None:
        self._kind: ClipClass = kind
        self._load = load

    def run(
        self,
        call: TaskCall,
        granted: GrantedTask,
        media: MediaSet,
        conditioning: "Conditioning | None",
        progress: Progress,
    ) -> Output:
        """Make the granted clips, with seeds `seed`, `seed + 1`, ...

        The pipeline reads the prompt itself; `conditioning` follows what it read, or replaces it.

        Raises:
            RequestError: The call's media do not fit the task, or the task is another.
            ConnectorMismatchError: The conditioning has another width than the pipeline reads.
            WeightsError: The pipeline cannot be loaded.
            GenerationError: The pipeline failed, or made something else than was granted, or one flat colour.
        """
        if not isinstance(call, TextToVideo | ImageToVideo) or not isinstance(
            granted, GrantedVideo
        ):
            msg = f"{call.task} granted as {granted.output}: this adapter makes clips from words and frames."
            raise RequestError(msg, hint="Give it to a tool with another adapter.")
        given = given_frames(call, self._kind, granted, media)
        loaded = self._load(progress)
        _check_granted(granted, loaded)
        made: list[Medium] = []
        with loaded.lock:
            for index in range(granted.num_outputs):
                pixels = _denoise(loaded, call, given, granted, index, progress, conditioning)
                progress(ProgressEvent("decode", index + 1, granted.num_outputs))
                made.append(Video.from_frames(list(pixels), granted.fps))
        return Output(tuple(made))


def given_frames(
    call: TextToVideo | ImageToVideo, kind: "ClipClass", granted: GrantedVideo, media: MediaSet
) -> GivenFrames:
    """Return the frames that a call gives.

    Raises:
        RequestError: A handle is unknown or no image, or the class takes no such frame.
    """
    if isinstance(call, TextToVideo):
        return GivenFrames()
    if kind == "LTXImageToVideoPipeline" and (call.first_frame is None or call.last_frame):
        msg = f"{kind} starts from a first frame, and takes no last one."
        hint = "Give a first frame alone, or bind image_to_video to LTXConditionPipeline in the tool pack."
        raise RequestError(msg, hint=hint)
    size = (granted.width, granted.height)
    first, last = (
        None if handle is None else frames.picture(media.image(handle), size)
        for handle in (call.first_frame, call.last_frame)
    )
    return GivenFrames(first, last)


def _check_granted(granted: GrantedVideo, loaded: "LoadedClipPipeline") -> None:
    """Refuse what the pipeline would round: the tool pack is wrong."""
    side, count = loaded.size_multiple, loaded.frame_multiple
    if granted.width % side or granted.height % side:
        size = f"{granted.width}x{granted.height}"
        msg = f"{loaded.name}: sides must be multiples of {side}, granted {size}."
        raise GenerationError(msg, hint=f"Set multiple_of = {side} in the tool pack.")
    if granted.num_frames % count != 1 % count:
        msg = f"{loaded.name}: it makes {count}n + 1 frames, granted {granted.num_frames}."
        raise GenerationError(msg, hint="Name a checkpoint that fits frame_rule in the tool pack.")


def _denoise(
    loaded: "LoadedClipPipeline",
    call: Generation,
    given: GivenFrames,
    granted: GrantedVideo,
    index: int,
    progress: Progress,
    conditioning: "Conditioning | None",
) -> NDArray[np.uint8]:
    """Return one clip, uint8 [num_frames, height, width, 3]."""
    report = StepReport(progress, granted.steps, granted.num_outputs, index)
    report.start()
    values = Sampling.of(call, granted, index, report)
    smaller = "Ask for a smaller size or fewer frames."
    read = conditioned(loaded.pipe, "LTX-Video", conditioning, loaded.name)
    with running(loaded.pipe, report, loaded.name, smaller=smaller), read:
        output = _make(loaded, given, values, granted)
    expected = (1, granted.num_frames, granted.height, granted.width, 3)
    pixels = as_pixels(output.frames, expected, loaded.name)[0]
    check_shown(pixels, loaded.name)
    return pixels


def _make(
    loaded: "LoadedClipPipeline", given: GivenFrames, values: Sampling, granted: GrantedVideo
) -> "Clips":
    """Run a pipeline once, for one clip."""
    spec = loaded.spec
    common: LtxArguments = {
        **guided(values),
        "negative_prompt": values.negative_prompt,
        "num_frames": granted.num_frames,
        "frame_rate": granted.fps,
        "decode_timestep": spec.decode_timestep,
        "decode_noise_scale": spec.decode_noise_scale,
    }
    match loaded.kind:
        case "LTXPipeline":
            return cast("LtxPipe", loaded.pipe)(**common)
        case "LTXImageToVideoPipeline":
            return cast("LtxImagePipe", loaded.pipe)(image=cast("Picture", given.first), **common)
        case "LTXConditionPipeline":
            return cast("LtxConditionPipe", loaded.pipe)(
                conditions=_conditions(given, granted.num_frames),
                image_cond_noise_scale=spec.image_cond_noise_scale,
                **common,
            )


def _conditions(given: GivenFrames, num_frames: int) -> list[object] | None:
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    placed = ((given.first, 0), (given.last, num_frames - 1))
    found: list[object] = [
        LTXVideoCondition(image=picture, frame_index=index)
        for picture, index in placed
        if picture is not None
    ]
    return found or None
