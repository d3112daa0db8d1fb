"""Pipelines of clips as the library uses them: what each class is called with, and where they are kept; it knows no calls."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Protocol, Unpack, cast

from unison_agent.errors import WeightsError
from unison_agent.pipelines.checkpoints import CheckpointStore
from unison_agent.pipelines.image import Guided, Pipe
from unison_agent.pipelines.loading import ignore_advice
from unison_agent.pipelines.origin import hashes_and_sources, origin
from unison_agent.progress import Progress, silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

    from unison_agent.pipeline_specs import ClipClass, ClipPipelineSpec

_SCHEDULER = "diffusers.schedulers.scheduling_flow_match_euler_discrete"


class Clips(Protocol):
    """A pipeline's output: `frames` has shape [1, num_frames, height, width, 3], values 0 to 1."""

    frames: "NDArray[np.float32]"


class LtxArguments(Guided):
    """What the classes of LTX-Video have in common."""

    negative_prompt: str | None
    num_frames: int
    frame_rate: float
    decode_timestep: float
    decode_noise_scale: float | None


class LtxPipe(Protocol):
    """LTXPipeline."""

    def __call__(self, **common: Unpack[LtxArguments]) -> Clips:
        """Run the denoising loop."""
        ...


class LtxImagePipe(Protocol):
    """LTXImageToVideoPipeline."""

    def __call__(self, *, image: "Picture", **common: Unpack[LtxArguments]) -> Clips:
        """Run the denoising loop."""
        ...


class LtxConditionPipe(Protocol):
    """LTXConditionPipeline; a frame goes with the number of the one it is to be."""

    def __call__(
        self,
        *,
        conditions: "Sequence[object] | None",
        image_cond_noise_scale: float,
        **common: Unpack[LtxArguments],
    ) -> Clips:
        """Run the denoising loop."""
        ...


class _Scheduler(Protocol):
    config: Mapping[str, object]


class ClipPipe(Pipe, Protocol):
    """What all of clips have."""

    scheduler: _Scheduler
    vae_spatial_compression_ratio: int
    vae_temporal_compression_ratio: int


@dataclass(frozen=True, slots=True)
class LoadedClipPipeline:
    """A pipeline that is ready to run.

    Attributes:
        spec: Its checkpoint, with the values that stay the same from call to call.
        kind: Its class.
        pipe: An object of that class.
        hashes: SHA-256 of its files, by the names that records give them.
        sources: ``owner/name@commit`` by the same names, of what came from the hub.
        lock: Held while it runs; pipelines of one checkpoint share it, for they share its models.
    """

    spec: "ClipPipelineSpec"
    kind: "ClipClass"
    pipe: ClipPipe
    hashes: Mapping[str, str] = field(default_factory=dict[str, str])
    sources: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    lock: Lock = field(default_factory=Lock)

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return self.spec.place

    @property
    def size_multiple(self) -> int:
        """Pixels that width and height are multiples of."""
        return self.pipe.vae_spatial_compression_ratio

    @property
    def frame_multiple(self) -> int:
        """Frames of one latent; a clip has one more than a multiple of it."""
        return self.pipe.vae_temporal_compression_ratio


class ClipPipelineStore(CheckpointStore):
    """The checkpoints of clips."""

    def get(
        self, spec: "ClipPipelineSpec", kind: "ClipClass", progress: Progress = silent
    ) -> LoadedClipPipeline:
        """Return a pipeline on the models of `spec`, loading them the first time.

        A budget does not count who holds it: while it runs, `lend` it.

        Raises:
            WeightsError: Files are missing, pickled, do not belong together or not to this class, or are not the pinned ones.
            DownloadError: The hub could not be reached.
            MachineError: The models do not fit into the budget.
        """
        with self.lend(spec, kind, progress) as loaded:
            return loaded

    @contextmanager
    def lend(
        self, spec: "ClipPipelineSpec", kind: "ClipClass", progress: Progress = silent
    ) -> Generator[LoadedClipPipeline]:
        """Lend a pipeline on the models of `spec`, which are not released meanwhile; see `get`."""
        with self._lend(spec, kind, None, progress) as (lent, running):
            pipe = cast("ClipPipe", lent)
            hashes, sources = hashes_and_sources(origin(spec, "pipeline"))
            if kind == "LTXConditionPipeline":
                _check_scheduler(spec, pipe)
                # It gives its scheduler timesteps alone, of which diffusers warns itself.
                ignore_advice(_SCHEDULER, "`timesteps` were passed without `sigmas`")
            yield LoadedClipPipeline(spec, kind, pipe, hashes, sources, running)


def _check_scheduler(spec: "ClipPipelineSpec", pipe: ClipPipe) -> None:
    if pipe.scheduler.config.get("use_dynamic_shifting"):
        msg = f"{spec.place}: its scheduler shifts by size, which LTXConditionPipeline cannot run."
        hint = "Bind LTXPipeline and LTXImageToVideoPipeline in the tool pack, or name LTX-Video 0.9.5 or later."
        raise WeightsError(msg, hint=hint)
