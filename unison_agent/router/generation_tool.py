"""Generation from hidden states: a Wan VACE pipeline, its connector and the understanding model under one spec.

It knows no plans and no other tools.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

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
from unison_agent.router.connected_tool import ConnectedTool
from unison_agent.router.tools import Provider, preprocess_files
from unison_agent.specs import PipelineSpec, PreprocessSpec, ToolSpec
from unison_agent.tasks import Generation, GrantedTask, TaskCall, TextToImage, TextToVideo

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


class GenerationTool(ConnectedTool):
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
        super().__init__(spec, understanding, weights_folder)
        self._pipelines = pipelines
        self._understanding = understanding
        self._controls = None if spec.preprocess is None else ControlMaker(spec.preprocess)
        self._masks = MaskMaker(spec.preprocess or PreprocessSpec())

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
        self._used, self._sources = {}, {}
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
