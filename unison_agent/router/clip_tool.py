"""The tool of clip pipelines: which pipeline a call runs on; it knows no plans and no other tools."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from unison_agent.adapters import Output
from unison_agent.adapters.clips import DiffusersClipAdapter
from unison_agent.errors import RequestError
from unison_agent.media import MediaSet
from unison_agent.pipelines import ClipPipelineStore, LoadedClipPipeline
from unison_agent.progress import Progress
from unison_agent.router.connected_tool import ConnectedTool
from unison_agent.router.tools import Provider
from unison_agent.specs import ToolSpec
from unison_agent.tasks import Generation, GrantedTask, TaskCall

if TYPE_CHECKING:
    from unison_agent.specs import ClipPipelineSpec


class ClipTool(ConnectedTool):
    """Clips from words and from frames, each task on the pipeline class that the spec names for it.

    Args:
        spec: With the adapter ``"clips"``.
        pipelines: Where its pipelines are kept.
        understanding: The model that is read for the connector.
        weights_folder: Where the spec's connector lies if the spec names no other place.
    """

    def __init__(
        self,
        spec: ToolSpec,
        *,
        pipelines: ClipPipelineStore,
        understanding: Provider,
        weights_folder: Path = Path(),
    ) -> None:
        super().__init__(spec, understanding, weights_folder)
        # ToolSpec has checked that a tool with the adapter "clips" has one.
        self._models = cast("ClipPipelineSpec", spec.clip_pipeline)
        self._pipelines = pipelines

    def run(
        self, call: TaskCall, granted: GrantedTask, media: MediaSet, progress: Progress
    ) -> Output:
        """Make what was granted; see `DiffusersClipAdapter.run`.

        Raises:
            RequestError: The media do not fit, or the spec has no class for the task.
            ConnectorMismatchError: The connector was trained for other models.
            WeightsError: Weights are missing or damaged, or others than the pack pins.
        """
        kind = self._models.classes().get(call.task)
        if kind is None or not isinstance(call, Generation):
            msg = f"{self.spec.name} does not serve {call.task}."
            raise RequestError(msg, hint=f"It serves {', '.join(self.spec.tasks)}.")

        lent = ExitStack()  # until the adapter is done

        def load(listener: Progress) -> LoadedClipPipeline:
            loaded = lent.enter_context(self._pipelines.lend(self._models, kind, listener))
            self._used |= loaded.hashes
            self._sources |= loaded.sources
            return loaded

        read = self._conditioner.read(call, media, progress)
        self._used, self._sources = dict(read.used), dict(read.sources)
        adapter = DiffusersClipAdapter(kind, load)
        with lent:
            output = adapter.run(
                cast("TaskCall", call), granted, media, read.conditioning, progress
            )
        return replace(output, notes=(*output.notes, *read.notes))
