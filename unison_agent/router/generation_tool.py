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
from unison_agent.conversation import CHAT_TEMPLATE_SHA256, READ_TEMPLATE_SHA256
from unison_agent.errors import RequestError
from unison_agent.media import MediaSet
from unison_agent.pipelines import LoadedPipeline, PipelineStore
from unison_agent.pipelines.origin import switched_origin
from unison_agent.preprocess.controls import ControlMaker
from unison_agent.preprocess.masks import MaskMaker
from unison_agent.preprocess.target import ClipMasks
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.replay import WeightHash
from unison_agent.router.connectors import check_stated, load_connector
from unison_agent.router.lazy import Lazy
from unison_agent.router.roles import seen_media
from unison_agent.router.tools import Provider, lora_hash, preprocess_files, weight_hashes
from unison_agent.specs import PipelineSpec, PreprocessSpec, ToolSpec
from unison_agent.tasks import Generation, GrantedTask, TaskCall, TextToImage, TextToVideo

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from unison_agent.connector import Conditioning


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
        self._connector = Lazy(lambda progress: load_connector(spec, weights_folder, progress))
        self._controls = None if spec.preprocess is None else ControlMaker(spec.preprocess)
        self._masks = MaskMaker(spec.preprocess or PreprocessSpec())
        self._connected = True
        self._used: dict[str, str] = {}
        self._sources: dict[str, str | None] = {}

    def without_connector(self) -> Self:
        """Return a tool on the same models whose connector is off.

        The pipeline's text encoder reads the prompt then; where there is none, nothing does, and what comes out is
        what the pipeline draws of no prompt. The notes of its outputs say which.
        """
        twin = copy(self)
        twin._connected = False
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
            conditioning = self._condition(call, media, pipeline, progress)
            adapter = WanVaceAdapter(pipeline, find)
            output = adapter.run(cast("TaskCall", call), granted, media, conditioning, progress)
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

    def _condition(
        self, call: Generation, media: MediaSet, pipeline: LoadedPipeline, progress: Progress
    ) -> "Conditioning | None":
        if not self._connected and pipeline.has_text_encoder:
            return None
        loaded, spec = self._connector(progress), self.spec.connector
        if loaded is None or spec is None:
            return None
        from unison_agent.connector import Connector, Contract

        connector, digest, source = loaded
        self._sources["connector"] = source
        own = isinstance(connector, Connector)
        if not self._connected:
            if not isinstance(connector, Connector):
                msg = f"{self.spec.name} draws nothing with its connector off: {pipeline.name} has no text encoder."
                raise RequestError(msg, hint="Set text_encoder = true in the tool pack's pipeline.")
            self._used |= {"connector": digest}  # its tokens for no prompt
            return connector.unprompted()
        model = self._understanding(progress)
        template = READ_TEMPLATE_SHA256 if own else CHAT_TEMPLATE_SHA256
        check_stated(spec, layer=model.layer, template_sha256=template)
        connector.check(Contract(model.fingerprint, model.layer, template, pipeline.text_dim))
        self._used |= {"connector": digest, "understanding": model.fingerprint}
        self._sources["understanding"] = model.source
        if not own:  # the paper's states are read with it
            self._used |= lora_hash(model, "planner")
        progress(ProgressEvent("encode", 0, 1))
        # Where tokens are appended, the text encoder alone reads what to keep away from.
        negative = call.negative_prompt if spec.mode == "replace" else None
        if own:
            prompt = model.read(call.prompt, seen_media(cast("TaskCall", call), media))
            against = None if negative is None else model.read(negative, ())
        else:
            prompt = model.read_chat(call.prompt, media.attachments)
            against = None if negative is None else model.read_chat(negative)
        made = connector.condition(prompt, against)
        progress(ProgressEvent("encode", 1, 1))
        return replace(made, mode=spec.mode, max_sequence_length=spec.max_sequence_length)


def _weight_files(hashes: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {prefix + name: sha for name, sha in hashes.items() if name.endswith(".safetensors")}
