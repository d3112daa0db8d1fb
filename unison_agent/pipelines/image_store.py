"""Image pipelines, one set of models a checkpoint; it knows no calls and no media."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from unison_agent.pipeline_specs import ControlNetSpec, IpAdapterSpec
from unison_agent.pipelines.checkpoints import CheckpointStore
from unison_agent.pipelines.image import LoadedImagePipeline
from unison_agent.pipelines.ip_adapter import check_files
from unison_agent.pipelines.origin import hashes_and_sources, origin, switched_origin
from unison_agent.progress import Progress, silent

if TYPE_CHECKING:
    from unison_agent.pipeline_specs import Addition, ImageClass, ImagePipelineSpec
    from unison_agent.pipelines.image import Shared


class ImagePipelineStore(CheckpointStore):
    """The checkpoints of images."""

    def get(
        self,
        spec: "ImagePipelineSpec",
        kind: "ImageClass",
        addition: "Addition | None" = None,
        progress: Progress = silent,
    ) -> LoadedImagePipeline:
        """Return a pipeline on the models of `spec`, loading them the first time.

        A budget does not count who holds it: while it runs, `lend` it.

        Args:
            spec: The checkpoint.
            kind: One of the classes that it names.
            addition: The ControlNet that the pipeline follows, or the IP-Adapter by which it sees references.
            progress: Told of loading.

        Raises:
            WeightsError: Files are missing, pickled or do not belong together.
            DownloadError: The hub could not be reached.
            MachineError: This machine cannot do what the spec's switches ask for.
            MissingDependencyError: A package that they need is not installed.
        """
        with self.lend(spec, kind, addition, progress) as loaded:
            return loaded

    @contextmanager
    def lend(
        self,
        spec: "ImagePipelineSpec",
        kind: "ImageClass",
        addition: "Addition | None" = None,
        progress: Progress = silent,
    ) -> Generator[LoadedImagePipeline]:
        """Lend a pipeline on the models of `spec`, which are not released meanwhile; see `get`."""
        if isinstance(addition, IpAdapterSpec):
            check_files(addition)
        with self._lend(spec, kind, addition, progress) as (pipe, running):
            scale = addition.scale if isinstance(addition, ControlNetSpec) else 1.0
            files = origin(spec, "pipeline") | switched_origin(spec)
            match addition:
                case ControlNetSpec():
                    files |= origin(addition, "controlnet")
                case IpAdapterSpec():
                    files |= origin(addition, "ip_adapter")
                case None:
                    pass
            hashes, sources = hashes_and_sources(files)
            yield LoadedImagePipeline(
                spec.place,
                kind,
                cast("Shared", pipe),
                control_scale=scale,
                hashes=hashes,
                sources=sources,
                lock=running,
            )
