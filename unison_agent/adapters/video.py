"""The nine generation tasks on a WanVACEPipeline; it knows no packs, plans or other calls.

What each task gives the pipeline is decided in `vace_inputs`; here it is run, reported and checked.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unison_agent.adapters import Output, seams
from unison_agent.adapters.edit_masks import MaskFinder
from unison_agent.adapters.guidance import guided_for
from unison_agent.adapters.prompts import Prompt, prompt_of
from unison_agent.adapters.running import as_pixels, check_shown, failed, running
from unison_agent.adapters.step_report import PIPELINE_ERRORS, StepReport
from unison_agent.adapters.vace_inputs import VaceInputs, check_inputs, vace_inputs
from unison_agent.errors import RequestError, UnisonError
from unison_agent.media import Image, MediaSet, Medium, Video
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.tasks import (
    Generation,
    GrantedAnswer,
    GrantedImage,
    GrantedTask,
    GrantedVideo,
    TaskCall,
)

if TYPE_CHECKING:
    from unison_agent.connector import Conditioning
    from unison_agent.pipelines import LoadedPipeline

__all__ = [
    "NO_CONNECTOR",
    "MaskFinder",
    "VaceInputs",
    "WanVaceAdapter",
    "check_inputs",
    "vace_inputs",
]

NO_CONNECTOR = "No connector: the pipeline's own text encoder read the prompt and saw no media."
_SMALLER = "Ask for a smaller size or fewer frames."


class WanVaceAdapter:
    """Runs generation calls on one Wan VACE pipeline.

    Args:
        pipeline: Its lock is held while it runs.
        find_mask: Finds the mask of edits that name their target; without it a mask must be attached.
    """

    def __init__(self, pipeline: "LoadedPipeline", find_mask: MaskFinder | None = None) -> None:
        self._pipeline = pipeline
        self._find_mask = find_mask

    def run(
        self,
        call: TaskCall,
        granted: GrantedTask,
        media: MediaSet,
        conditioning: "Conditioning | None",
        progress: Progress,
    ) -> Output:
        """Make the granted outputs, with seeds `seed`, `seed + 1`, ...

        Raises:
            RequestError: The call's media do not fit the task.
            ConnectorMismatchError: The conditioning has another width than the transformer reads.
            WeightsError: There is neither conditioning nor a text encoder.
            GenerationError: The pipeline failed, or made something else than was granted, or one flat colour.
        """
        if not isinstance(call, Generation) or isinstance(granted, GrantedAnswer):
            msg = f"{call.task} granted as {granted.output}: this adapter makes images and clips."
            raise RequestError(msg, hint="Give it to a tool with the answer adapter.")
        inputs = vace_inputs(call, granted, media, self._find_mask, self._pipeline.blank_ramp)
        check_inputs(inputs, self._pipeline)
        made: list[Medium] = []
        kept: list[float] = []
        with self._pipeline.lock:
            prompt = self._encoded(call, conditioning)
            for index in range(granted.num_outputs):
                pixels = self._denoise(prompt, inputs, granted, index, progress)
                progress(ProgressEvent("decode", index + 1, granted.num_outputs))
                if inputs.keep is None:  # an edit may end with an empty ground
                    check_shown(pixels, self._pipeline.name)
                if inputs.keep is not None and inputs.video is not None:
                    near = seams.kept_db(pixels, inputs.video, inputs.keep)
                    kept += [] if near is None else [near]
                    pixels = seams.composited(pixels, inputs.video, inputs.keep)
                made.append(_medium(pixels, granted))
        notes = (NO_CONNECTOR,) if conditioning is None else conditioning.notes
        notes = (*inputs.notes, *notes)
        near = min(kept, default=None)
        return Output(tuple(made), notes=notes, kept_db=near, previews=inputs.previews)

    def _encoded(self, call: Generation, conditioning: "Conditioning | None") -> Prompt:
        try:
            return prompt_of(call, conditioning, self._pipeline)
        except PIPELINE_ERRORS as error:
            if isinstance(error, UnisonError):
                raise
            raise failed(self._pipeline.name, error, smaller=_SMALLER) from error

    def _denoise(
        self,
        prompt: Prompt,
        inputs: VaceInputs,
        granted: GrantedImage | GrantedVideo,
        index: int,
        progress: Progress,
    ) -> NDArray[np.uint8]:
        import torch

        report = StepReport(progress, granted.steps, granted.num_outputs, index)
        report.start()
        pipe, temporal = self._pipeline.pipe, self._pipeline.vae_temporal
        with running(pipe, report, self._pipeline.name, smaller=_SMALLER):
            output = pipe(
                prompt=prompt.text,
                negative_prompt=prompt.negative_text,
                prompt_embeds=prompt.embeds,
                negative_prompt_embeds=prompt.negative_embeds,
                video=None if inputs.video is None else list(inputs.video),
                mask=None if inputs.mask is None else list(inputs.mask),
                reference_images=None
                if inputs.reference_images is None
                else list(inputs.reference_images),
                width=inputs.width,
                height=inputs.height,
                # With a temporal factor of 1 the pipeline rounds every number up by one.
                num_frames=inputs.num_frames - 1 if temporal == 1 else inputs.num_frames,
                num_inference_steps=granted.steps,
                guidance_scale=granted.guidance_scale,
                # On the CPU, so that a seed gives the same noise on every device.
                generator=torch.Generator("cpu").manual_seed(granted.seed + index),
                output_type="np",
                callback_on_step_end=guided_for(self._pipeline.guided_share, granted.steps, report),
            )
        return _checked(output.frames, inputs, self._pipeline.name)


def _checked(made: object, inputs: VaceInputs, name: str) -> NDArray[np.uint8]:
    """Return the pipeline's frames as uint8 [num_frames, height, width, 3]."""
    return as_pixels(made, (1, inputs.num_frames, inputs.height, inputs.width, 3), name)[0]


def _medium(pixels: NDArray[np.uint8], granted: GrantedImage | GrantedVideo) -> Medium:
    if isinstance(granted, GrantedImage):
        return Image.from_array(pixels[0])
    return Video.from_frames(list(pixels), granted.fps)
