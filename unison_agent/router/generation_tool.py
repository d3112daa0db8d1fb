"""Generation from hidden states: a Wan VACE pipeline, its connector and the understanding model under one spec.

It knows no plans and no other tools.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

from unison_agent.adapters import Output
from unison_agent.adapters.controls import Followed, followed
from unison_agent.adapters.video import WanVaceAdapter
from unison_agent.errors import RequestError
from unison_agent.media import MediaSet
from unison_agent.pipelines import PipelineStore
from unison_agent.pipelines.origin import switched_origin
from unison_agent.preprocess.controls import ControlMaker
from unison_agent.preprocess.masks import MaskMaker
from unison_agent.preprocess.target import ClipMasks
from unison_agent.progress import Progress
from unison_agent.replay import WeightHash
from unison_agent.router.conditioning import Conditioner
from unison_agent.router.tools import Provider, preprocess_files, weight_hashes
from unison_agent.specs import PipelineSpec, PreprocessSpec, ToolSpec
from unison_agent.tasks import Generation, GrantedTask, TaskCall, TextToImage, TextToVideo

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


class GenerationTool:
    """The generation tasks: the understanding model reads, the connector translates, the pipeline draws.

    Args:
        spec: With the adapter ``"video"``.
        pipelines: Where its pipeline is kept.
        understanding: The model.
        weights_folder: Where the spec's connector lies.
    """

    def __init__(
        self,
        spec: ToolSpec,
        *,
        pipelines: PipelineStore,
        understanding: Provider,
        weights_folder: Path,
    ) -> None:
        self.spec = spec
        self._pipelines = pipelines
        self._understanding = understanding
        self._conditioner = Conditioner(spec, weights_folder, understanding)
        self._controls = None if spec.preprocess is None else ControlMaker(spec.preprocess)
        self._masks = MaskMaker(spec.preprocess or PreprocessSpec())
        self._used: dict[str, str] = {}
        self._sources: dict[str, str | None] = {}

    def without_connector(self) -> Self:
        """Return a tool on the same models whose connector is off.

        The pipeline's text encoder reads the prompt then; where there is none, nothing does, and what comes out is
        what the pipeline draws of no prompt. The notes of its outputs say which.
        """
        twin = copy(self)
        twin._conditioner = self._conditioner.off()
        twin._used, twin._sources = {}, {}
        return twin

    def run(
        self, call: TaskCall, granted: GrantedTask, media: MediaSet, progress: Progress
    ) -> Output:
        """Make what was granted; see `WanVaceAdapter.run`.

        A control that is ordinary footage is made a map first, where the spec says by what.

        Raises:
            RequestError: The media do not fit, or no map can be made of the control.
            ConnectorMismatchError: The connector was trained for other models.
            WeightsError: Weights are missing or damaged.
        """
        if not isinstance(call, Generation):
            msg = f"{self.spec.name} does not answer questions, got {call.task}."
            raise RequestError(msg)
        ready = self._followed(call, granted, media, progress)
        media = ready.media
        # ToolSpec has checked that a tool with the adapter "video" has a pipeline.
        spec = cast("PipelineSpec", self.spec.pipeline)

        def find(frames: "Sequence[Picture]", target: str, /) -> ClipMasks:
            found = self._masks.find(
                frames, target, lambda: self._understanding(progress), progress
            )
            self._used |= preprocess_files(self._masks.hashes)
            return found

        with self._pipelines.lend(spec, progress) as pipeline:
            files = _weight_files(pipeline.hashes, "pipeline/")
            self._used |= files
            self._sources |= dict.fromkeys(files, pipeline.source)
            for name, (digest, source) in switched_origin(spec).items():
                self._used[name], self._sources[name] = digest, source
            read = self._conditioner.read(call, media, progress, pipeline)
            self._used |= read.used
            self._sources |= read.sources
            adapter = WanVaceAdapter(pipeline, find)  # it tells the notes of what was read
            output = adapter.run(
                cast("TaskCall", call), granted, media, read.conditioning, progress
            )
        output = replace(output, notes=(*ready.notes, *output.notes))
        domain = self.spec.domain
        # Other tasks get their things from media, and need not name them.
        if domain and isinstance(call, TextToImage | TextToVideo) and not domain.knows(call.prompt):
            return replace(output, notes=(*output.notes, domain.note))
        return output

    def weights(self) -> tuple[WeightHash, ...]:
        """Return the hashes of pipeline, connector, understanding model and the LoRA that was on."""
        return weight_hashes(self._used, self._sources)

    def _followed(
        self, call: Generation, granted: GrantedTask, media: MediaSet, progress: Progress
    ) -> Followed:
        if self._controls is None:
            return Followed(media)
        ready = followed(call, granted, media, self._controls, progress)
        if ready.notes:
            self._used |= preprocess_files(self._controls.hashes)
        return ready


def _weight_files(hashes: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {prefix + name: sha for name, sha in hashes.items() if name.endswith(".safetensors")}
