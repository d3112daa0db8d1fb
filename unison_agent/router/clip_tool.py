"""The tool of clip pipelines: which pipeline a call runs on; it knows no plans and no other tools."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

from unison_agent.adapters import Output
from unison_agent.adapters.clips import DiffusersClipAdapter
from unison_agent.errors import RequestError
from unison_agent.media import MediaSet
from unison_agent.pipelines import ClipPipelineStore, LoadedClipPipeline
from unison_agent.progress import Progress
from unison_agent.replay import WeightHash
from unison_agent.router.tools import weight_hashes
from unison_agent.specs import ToolSpec
from unison_agent.tasks import GrantedTask, TaskCall

if TYPE_CHECKING:
    from unison_agent.specs import ClipPipelineSpec


class ClipTool:
    """Clips from words and from frames, each task on the pipeline class that the spec names for it.

    Args:
        spec: With the adapter ``"clips"``.
        pipelines: Where its pipelines are kept.
    """

    def __init__(self, spec: ToolSpec, *, pipelines: ClipPipelineStore) -> None:
        self.spec = spec
        # ToolSpec has checked that a tool with the adapter "clips" has one.
        self._models = cast("ClipPipelineSpec", spec.clip_pipeline)
        self._pipelines = pipelines
        self._used: dict[str, str] = {}
        self._sources: dict[str, str | None] = {}

    def run(
        self, call: TaskCall, granted: GrantedTask, media: MediaSet, progress: Progress
    ) -> Output:
        """Make what was granted; see `DiffusersClipAdapter.run`.

        Raises:
            RequestError: The media do not fit, or the spec has no class for the task.
            WeightsError: Weights are missing or damaged, or others than the pack pins.
        """
        kind = self._models.classes().get(call.task)
        if kind is None:
            msg = f"{self.spec.name} does not serve {call.task}."
            raise RequestError(msg, hint=f"It serves {', '.join(self.spec.tasks)}.")

        lent = ExitStack()  # until the adapter is done

        def load(listener: Progress) -> LoadedClipPipeline:
            loaded = lent.enter_context(self._pipelines.lend(self._models, kind, listener))
            self._used |= loaded.hashes
            self._sources |= loaded.sources
            return loaded

        with lent:
            return DiffusersClipAdapter(kind, load).run(call, granted, media, None, progress)

    def weights(self) -> tuple[WeightHash, ...]:
        """Return the hashes of the checkpoint, once it was loaded."""
        return weight_hashes(self._used, self._sources)
