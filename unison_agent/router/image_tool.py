"""The tool of image pipelines: which pipeline a call runs on, and what its control and mask are made by.

It does not know plans or other tools.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from unison_agent.adapters import Output
from unison_agent.adapters.controls import Followed, followed
from unison_agent.adapters.image import DiffusersImageAdapter
from unison_agent.errors import MissingInputError, RequestError
from unison_agent.media import MediaSet
from unison_agent.pipeline_specs import Addition, ImagePipelineSpec
from unison_agent.pipelines import ImagePipelineStore, LoadedImagePipeline
from unison_agent.preprocess.control_probe import look
from unison_agent.preprocess.controls import ControlMaker
from unison_agent.preprocess.masks import MaskMaker
from unison_agent.preprocess.target import ClipMasks
from unison_agent.progress import Progress
from unison_agent.router.connected_tool import ConnectedTool
from unison_agent.router.tools import Provider, preprocess_files
from unison_agent.specs import PreprocessSpec, ToolSpec
from unison_agent.tasks import (
    ControlType,
    Generation,
    GrantedTask,
    ImageControllableGeneration,
    ImageReferenceGeneration,
    TaskCall,
    TextToImage,
)

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


class ImageTool(ConnectedTool):
    """The image tasks, each on the pipeline class that the spec names for it.

    Args:
        spec: With the adapter ``"image"``.
        pipelines: Where its pipelines are kept.
        understanding: The model; asked which of several things is meant when a mask is to be found, and read for
            the connector.
        weights_folder: Where the spec's connector lies if the spec names no other place.
    """

    def __init__(
        self,
        spec: ToolSpec,
        *,
        pipelines: ImagePipelineStore,
        understanding: Provider,
        weights_folder: Path = Path(),
    ) -> None:
        super().__init__(spec, understanding, weights_folder)
        # ToolSpec has checked that a tool with the adapter "image" has one.
        self._models = cast("ImagePipelineSpec", spec.image_pipeline)
        self._pipelines = pipelines
        self._understanding = understanding
        self._controls = None if spec.preprocess is None else ControlMaker(spec.preprocess)
        self._masks = MaskMaker(spec.preprocess or PreprocessSpec())

    def run(
        self, call: TaskCall, granted: GrantedTask, media: MediaSet, progress: Progress
    ) -> Output:
        """Make what was granted; see `DiffusersImageAdapter.run`.

        Raises:
            MissingInputError: An edit needs a mask, or it is not known what a control shows.
            RequestError: The media do not fit, or the spec has no class for the task.
            ConnectorMismatchError: The connector was trained for other models.
            WeightsError: Weights are missing or damaged.
        """
        kind = self._models.classes().get(call.task)
        if kind is None or not isinstance(call, Generation):
            msg = f"{self.spec.name} does not serve {call.task}."
            raise RequestError(msg, hint=f"It serves {', '.join(self.spec.tasks)}.")
        self._used, self._sources = {}, {}
        addition: Addition | None = None
        ready = Followed(media)
        notes: tuple[str, ...] = ()
        if isinstance(call, ImageControllableGeneration):
            if call.control_type is None:
                shown = self._shown(call, media)
                call = call.model_copy(update={"control_type": shown})
                notes = (f"No control type was stated; the control was followed as {shown}.",)
            addition = next(
                net for net in self._models.controlnets if net.control_type == call.control_type
            )
            if self._controls is not None:
                ready = followed(call, granted, media, self._controls, progress)
                self._used |= preprocess_files(self._controls.hashes if ready.notes else {})
        elif isinstance(call, ImageReferenceGeneration):
            addition = self._models.ip_adapter

        lent = ExitStack()  # until the adapter is done

        def load(listener: Progress) -> LoadedImagePipeline:
            loaded = lent.enter_context(
                self._pipelines.lend(self._models, kind, addition, listener)
            )
            self._used |= loaded.hashes
            self._sources |= loaded.sources
            return loaded

        def find(frames: "Sequence[Picture]", target: str, /) -> ClipMasks:
            found = self._masks.find(
                frames, target, lambda: self._understanding(progress), progress
            )
            self._used |= preprocess_files(self._masks.hashes)
            return found

        read = self._conditioner.read(call, ready.media, progress)
        self._used |= read.used
        self._sources |= read.sources
        adapter = DiffusersImageAdapter(kind, load, find)
        with lent:
            output = adapter.run(
                cast("TaskCall", call), granted, ready.media, read.conditioning, progress
            )
        notes = (*notes, *ready.notes, *output.notes, *read.notes)
        domain = self.spec.domain
        if domain and isinstance(call, TextToImage) and not domain.knows(call.prompt):
            notes = (*notes, domain.note)
        return replace(output, notes=notes)

    def _shown(self, call: ImageControllableGeneration, media: MediaSet) -> ControlType:
        """Return which of the ControlNets follows a control of which nothing is said."""
        kinds: list[ControlType] = [net.control_type for net in self._models.controlnets]
        if len(kinds) == 1:
            return kinds[0]
        seen = look([media.image(call.control).rgb()])
        fits: list[ControlType] = [kind for kind in kinds if kind in seen.maps]
        if seen.is_raw(None) and "canny" in kinds:
            fits = ["canny"]
        if len(fits) != 1:
            names = " or ".join(kinds)
            raise MissingInputError(
                f"{self.spec.name} cannot tell what the control shows ({seen.why}).",
                slot="control_type",
                question=f"What does the control show: {names}?",
            )
        return fits[0]
