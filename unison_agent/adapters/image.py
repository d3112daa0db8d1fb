"""The four image tasks on an image pipeline of diffusers; it knows no packs, plans or other calls.

What each task gives the pipeline is decided in `image_inputs`, how each class is called in `image_calls`; here
it is run, reported and checked.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unison_agent.adapters import Output, seams
from unison_agent.adapters.edit_masks import MaskFinder
from unison_agent.adapters.image_calls import NO_NEGATIVE, Sampling, draw
from unison_agent.adapters.image_inputs import ImageInputs, image_inputs
from unison_agent.adapters.running import as_pixels, check_shown, running
from unison_agent.adapters.step_report import StepReport
from unison_agent.adapters.text_tokens import conditioned
from unison_agent.errors import GenerationError, RequestError
from unison_agent.media import Image, MediaSet, Medium
from unison_agent.pipeline_specs import ImageClass, family_of
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.tasks import Generation, GrantedImage, GrantedTask, TaskCall

if TYPE_CHECKING:
    from unison_agent.connector import Conditioning
    from unison_agent.pipelines import LoadedImagePipeline

__all__ = ["DiffusersImageAdapter"]


class DiffusersImageAdapter:
    """Runs image calls on one class of image pipeline.

    Args:
        kind: The class.
        load: Returns the pipeline, whose lock is held while it runs; asked for when the media are known to fit.
        find_mask: Finds the mask of edits that name their target; without it a mask must be attached.
    """

    def __init__(
        self,
        kind: ImageClass,
        load: "Callable[[Progress], LoadedImagePipeline]",
        find_mask: MaskFinder | None = None,
    ) -> None:
        self._kind: ImageClass = kind
        self._load = load
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

        The pipeline reads the prompt itself; `conditioning` follows what it read, or replaces it.

        Raises:
            MissingInputError: An edit needs a mask, and none could be found.
            RequestError: The call's media do not fit the task.
            ConnectorMismatchError: The conditioning has another width than the pipeline reads.
            WeightsError: The pipeline cannot be loaded.
            GenerationError: The pipeline failed, or made something else than was granted, or one flat colour.
        """
        if not isinstance(call, Generation) or not isinstance(granted, GrantedImage):
            msg = f"{call.task} granted as {granted.output}: this adapter makes images."
            raise RequestError(msg, hint="Give it to a tool with another adapter.")
        inputs = image_inputs(call, self._kind, granted, media, self._find_mask)
        loaded = self._load(progress)
        _check_size(granted, loaded)
        made: list[Medium] = []
        kept: list[float] = []
        with loaded.lock:
            for index in range(granted.num_outputs):
                pixels = _denoise(loaded, call, inputs, granted, index, progress, conditioning)
                progress(ProgressEvent("decode", index + 1, granted.num_outputs))
                if inputs.keep is None:  # an edit may end with an empty ground
                    check_shown(pixels, loaded.name)
                if inputs.image is not None and inputs.keep is not None:
                    near = seams.kept_db(pixels, (inputs.image,), (inputs.keep,))
                    kept += [] if near is None else [near]
                    pixels = seams.composited(pixels, (inputs.image,), (inputs.keep,))
                made.append(Image.from_array(pixels[0]))
        unread = call.negative_prompt is not None and family_of(self._kind) == "FLUX"
        notes = (*inputs.notes, NO_NEGATIVE) if unread else inputs.notes
        near = min(kept, default=None)
        return Output(tuple(made), notes=notes, kept_db=near, previews=inputs.previews)


def _check_size(granted: GrantedImage, loaded: "LoadedImagePipeline") -> None:
    multiple = loaded.size_multiple
    if granted.width % multiple or granted.height % multiple:
        size = f"{granted.width}x{granted.height}"
        msg = f"{loaded.name}: sides must be multiples of {multiple}, granted {size}."
        raise GenerationError(msg, hint=f"Set multiple_of = {multiple} in the tool pack.")


def _denoise(
    loaded: "LoadedImagePipeline",
    call: Generation,
    inputs: ImageInputs,
    granted: GrantedImage,
    index: int,
    progress: Progress,
    conditioning: "Conditioning | None",
) -> NDArray[np.uint8]:
    """Return one picture, uint8 [1, height, width, 3]."""
    report = StepReport(progress, granted.steps, granted.num_outputs, index)
    report.start()
    values = Sampling.of(call, granted, index, report)
    read = conditioned(loaded.pipe, family_of(loaded.kind), conditioning, loaded.name)
    with running(loaded.pipe, report, loaded.name, smaller="Ask for a smaller size."), read:
        output = draw(loaded, inputs, values)
    return as_pixels(output.images, (1, granted.height, granted.width, 3), loaded.name)
