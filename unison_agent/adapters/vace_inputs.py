"""How each of the nine generation tasks is put to Wan VACE: video, mask and references; it runs nothing.

In a mask, white is what the model makes. What is given is at the granted size and number of frames, to the
pixel: another size is accepted by the pipeline and misaligns the tokens.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import PIL.Image

from unison_agent.adapters import frames, seams
from unison_agent.adapters.edit_masks import MaskFinder, edit_masks
from unison_agent.errors import GenerationError, RequestError
from unison_agent.media import MediaSet
from unison_agent.result import Preview
from unison_agent.tasks import (
    GenerationCall,
    GrantedImage,
    GrantedVideo,
    ImageControllableGeneration,
    ImageEditing,
    ImageReferenceGeneration,
    ImageToVideo,
    TextToImage,
    TextToVideo,
    VideoControllableGeneration,
    VideoEditing,
    VideoReferenceGeneration,
)

if TYPE_CHECKING:
    from unison_agent.pipelines import LoadedPipeline

_WAN_FRAMES = 4  # every Wan VAE reads 4n + 1 frames, and drops what is over


@dataclass(frozen=True, slots=True)
class VaceInputs:
    """What WanVACEPipeline is given, apart from the prompt and the sampling values.

    Attributes:
        width: Pixels.
        height: Pixels.
        num_frames: Frames to come out; 1 for an image.
        video: RGB, one a frame, at the size; None when nothing is given to start from.
        mask: L, 0 or 255, one a frame of `video`; None makes all of it anew.
        reference_images: RGB on white, at the size; None when there is none.
        keep: One a frame of `video`, L: how much of each pixel is to change. Where it is 0, the pixel must come
            out as it went in; None where nothing is kept.
        notes: What the user should know, in sentences.
        previews: Small pictures that the notes speak of.
    """

    width: int
    height: int
    num_frames: int
    video: tuple[PIL.Image.Image, ...] | None = None
    mask: tuple[PIL.Image.Image, ...] | None = None
    reference_images: tuple[PIL.Image.Image, ...] | None = None
    keep: tuple[PIL.Image.Image, ...] | None = None
    notes: tuple[str, ...] = ()
    previews: tuple[Preview, ...] = ()


def vace_inputs(
    call: GenerationCall,
    granted: GrantedImage | GrantedVideo,
    media: MediaSet,
    find_mask: MaskFinder | None = None,
    blank_ramp: float = 0.0,
) -> VaceInputs:
    """Return what the pipeline needs for `call`.

    Args:
        call: The task and the handles of its media.
        granted: Size and frames.
        media: Where the handles are found.
        find_mask: Finds the mask of an edit that has none.
        blank_ramp: Gray levels a frame of what is still to be made (`frames.blank_levels`).

    Raises:
        MissingInputError: An edit has no mask and none could be found.
        RequestError: A handle is unknown, of the wrong kind, or does not fit.
    """
    num_frames = granted.num_frames if isinstance(granted, GrantedVideo) else 1
    size = (granted.width, granted.height)
    blank = VaceInputs(*size, num_frames)
    match call:
        case TextToImage() | TextToVideo():
            return replace(blank, video=_ramp(blank, blank_ramp))
        case ImageControllableGeneration():
            video = (frames.picture(media.image(call.control), size),)
            return VaceInputs(*size, num_frames, video)
        case VideoControllableGeneration():
            video = frames.clip(media.video(call.control), num_frames, size)
            return VaceInputs(*size, num_frames, video)
        case ImageReferenceGeneration() | VideoReferenceGeneration():
            images = tuple(frames.letterboxed(media.image(h), size) for h in call.references)
            return replace(blank, video=_ramp(blank, blank_ramp), reference_images=images)
        case ImageToVideo():
            return _between(call, blank, media, blank_ramp)
        case ImageEditing():
            video = (frames.picture(media.image(call.source), size),)
            return _edit(call, blank, video, media, find_mask)
        case VideoEditing():
            video = frames.clip(media.video(call.source), num_frames, size)
            return _edit(call, blank, video, media, find_mask)


def _blank_frames(blank: VaceInputs, ramp: float) -> list[PIL.Image.Image]:
    size = (blank.width, blank.height)
    levels = frames.blank_levels(blank.num_frames, ramp)
    return [PIL.Image.new("RGB", size, (level,) * 3) for level in levels]


def _ramp(blank: VaceInputs, ramp: float) -> tuple[PIL.Image.Image, ...] | None:
    """Return a clip to be made whole, None where all its frames are alike: the pipeline makes those itself."""
    return tuple(_blank_frames(blank, ramp)) if ramp and blank.num_frames > 1 else None


def _between(call: ImageToVideo, blank: VaceInputs, media: MediaSet, ramp: float) -> VaceInputs:
    """Given frames keep black masks; the rest is gray under white ones."""
    if blank.num_frames < 1 + _WAN_FRAMES:
        msg = f"{call.task} was granted {blank.num_frames} frame(s); a clip has {1 + _WAN_FRAMES} at least."
        raise RequestError(msg, hint="Ask for a longer clip, or for an image.")
    size = (blank.width, blank.height)
    video = _blank_frames(blank, ramp)
    mask = [PIL.Image.new("L", size, 255)] * blank.num_frames
    for index, handle in ((0, call.first_frame), (-1, call.last_frame)):
        if handle is not None:
            video[index] = frames.picture(media.image(handle), size)
            mask[index] = PIL.Image.new("L", size, 0)
    return VaceInputs(*size, blank.num_frames, tuple(video), tuple(mask))


def _edit(
    call: ImageEditing | VideoEditing,
    blank: VaceInputs,
    video: tuple[PIL.Image.Image, ...],
    media: MediaSet,
    find_mask: MaskFinder | None,
) -> VaceInputs:
    found = edit_masks(call, video, media, find_mask)
    size = (blank.width, blank.height)
    return VaceInputs(
        *size,
        blank.num_frames,
        video,
        tuple(seams.hard(mask) for mask in found.masks),
        keep=found.masks,
        notes=found.notes,
        previews=found.previews,
    )


def check_inputs(inputs: VaceInputs, pipeline: "LoadedPipeline") -> None:
    """Refuse what WanVACEPipeline would crash on or silently change.

    Raises:
        RequestError: There are more references than the clip has room for.
        GenerationError: The granted size or frames do not suit the pipeline, so the tool pack is wrong.
    """
    multiple, count = pipeline.size_multiple, inputs.num_frames
    if inputs.width % multiple or inputs.height % multiple:
        msg = f"{pipeline.name}: sides must be multiples of {multiple}, granted {inputs.width}x{inputs.height}."
        raise GenerationError(msg, hint=f"Set multiple_of = {multiple} in the tool pack.")
    if count % _WAN_FRAMES != 1:
        msg = f"{pipeline.name}: it makes 4n + 1 frames, granted {count}."
        raise GenerationError(msg, hint='Set frame_rule = "4n+1" in the tool pack.')
    room = (count - 1) // pipeline.vae_temporal + 1
    references = len(inputs.reference_images or ())
    if references > room:
        msg = f"{references} references for {count} frame(s): this model takes {room} at most."
        raise RequestError(msg, hint="Leave some out, or ask for a longer clip.")
