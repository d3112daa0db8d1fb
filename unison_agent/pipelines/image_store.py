"""Image pipelines from a folder or the hub, one set of models a checkpoint; it knows no calls and no media."""

from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol, cast

from unison_agent.errors import DownloadError, MissingDependencyError, WeightsError
from unison_agent.file_hashes import check_pins, weight_files
from unison_agent.hub_files import cached_folder, hub_source
from unison_agent.pipelines.image import LoadedImagePipeline, Shared
from unison_agent.pipelines.loading import default_device, quiet
from unison_agent.progress import Progress, ProgressEvent, silent

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from unison_agent.pipeline_specs import (
        Checkpoint,
        ControlNetSpec,
        Dtype,
        ImageClass,
        ImagePipelineSpec,
    )


class _Loader(Protocol):
    """A class of models or pipelines."""

    def from_pretrained(
        self,
        where: str,
        *,
        revision: str | None,
        variant: str | None,
        dtype: "torch.dtype",
        use_safetensors: bool,
        local_files_only: bool,
    ) -> object:
        """Load an object of it."""
        ...


class ImagePipelineStore:
    """Keeps the models of each checkpoint once, loaded at first need; safe to call from threads.

    Args:
        device: Where pipelines run; CUDA when there is one, else the CPU.
    """

    def __init__(self, *, device: str | None = None) -> None:
        self._device = device
        self._lock = Lock()
        self._checkpoints: dict[ImagePipelineSpec, _Models] = {}

    def get(
        self,
        spec: "ImagePipelineSpec",
        kind: "ImageClass",
        control: "ControlNetSpec | None" = None,
        progress: Progress = silent,
    ) -> LoadedImagePipeline:
        """Return a pipeline on the models of `spec`, loading them the first time.

        Args:
            spec: The checkpoint.
            kind: One of the classes that it names.
            control: The ControlNet that the pipeline follows, where its class has one.
            progress: Told of loading.

        Raises:
            WeightsError: Files are missing, pickled or do not belong together.
            DownloadError: The hub could not be reached.
        """
        with self._lock:
            models = self._checkpoints.get(spec)
            if models is None:
                models = self._checkpoints[spec] = _Models(spec, self._device)
        return models.pipeline(kind, control, progress)

    def release(self) -> None:
        """Forget all models, so that their memory is free when no run holds them."""
        with self._lock:
            self._checkpoints.clear()


class _Models:
    """The models of one checkpoint, and the pipelines that share them."""

    def __init__(self, spec: "ImagePipelineSpec", device: str | None) -> None:
        self._spec = spec
        self._device = device
        self._loading = Lock()
        self._running = Lock()
        self._base: object | None = None
        self._made: defaultdict[ImageClass, dict[ControlNetSpec | None, LoadedImagePipeline]] = (
            defaultdict(dict)
        )

    def pipeline(
        self, kind: "ImageClass", control: "ControlNetSpec | None", progress: Progress
    ) -> LoadedImagePipeline:
        with self._loading:
            made = self._made[kind].get(control)
            if made is None:
                made = self._made[kind][control] = self._make(kind, control, progress)
        return made

    def _make(
        self, kind: "ImageClass", control: "ControlNetSpec | None", progress: Progress
    ) -> LoadedImagePipeline:
        if self._base is None:
            self._base = self._placed(self._spec, _first(self._spec), progress)
        if control is None:
            pipe = _sharing(self._base, kind, self._spec)
            files = _files(self._spec, "pipeline")
            return LoadedImagePipeline(
                self._spec.place,
                kind,
                pipe,
                hashes=files,
                sources=dict.fromkeys(files, _source(self._spec)),
                lock=self._running,
            )
        net = self._placed(control, "ControlNetModel", progress)
        pipe = _sharing(self._base, kind, self._spec, net)
        files, own = _files(self._spec, "pipeline"), _files(control, "controlnet")
        return LoadedImagePipeline(
            self._spec.place,
            kind,
            pipe,
            control_scale=control.scale,
            hashes={**files, **own},
            sources={
                **dict.fromkeys(files, _source(self._spec)),
                **dict.fromkeys(own, _source(control)),
            },
            lock=self._running,
        )

    def _placed(self, what: "Checkpoint", name: str, progress: Progress) -> object:
        progress(ProgressEvent("load", 0, 1, what.place))
        loaded = _loaded(what, name, self._spec.dtype)
        loaded.to(self._device or default_device())  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        progress(ProgressEvent("load", 1, 1, what.place))
        return loaded


def _folder(what: "Checkpoint") -> Path | None:
    if what.repo is not None and what.revision is not None:
        return cached_folder(what.repo, what.revision)
    return Path(what.path or "")


def _source(what: "Checkpoint") -> str | None:
    folder = _folder(what)
    return None if folder is None else hub_source(what.repo, folder)


def _files(what: "Checkpoint", prefix: str) -> dict[str, str]:
    """Return the hashes of a checkpoint's files, by the names that records give them.

    Raises:
        WeightsError: One is another than the tool pack pins.
    """
    folder = _folder(what)
    if folder is None:
        if what.pins:
            msg = f"{what.place}: its files were not found, so their hashes cannot be checked."
            raise WeightsError(msg, hint="Fetch them into the hub's own cache.")
        return {}
    check_pins(folder, what.pinned(), of=what.place)
    return {f"{prefix}/{name}": digest for name, digest in weight_files(folder).items()}


def _first(spec: "ImagePipelineSpec") -> str:
    """Return the class that loads the checkpoint; ControlNets are added to it later."""
    if spec.controlnets:
        return "StableDiffusionXLPipeline"
    return next(iter(spec.classes().values()))


def _loaded(what: "Checkpoint", name: str, dtype: "Dtype") -> object:
    """Return an object of the diffusers class `name`, with the weights of `what`."""
    try:
        import diffusers
        import torch
    except ImportError as error:
        raise MissingDependencyError(error.name or "diffusers", extra="models") from error
    if name == "QwenImageEditPipeline" and find_spec("torchvision") is None:
        raise MissingDependencyError("torchvision", extra="images")
    if what.path is not None and not Path(what.path).is_dir():
        msg = f"There is no folder {what.path}."
        raise WeightsError(msg, hint="Name the folder that save_pretrained wrote in the tool pack.")
    try:
        kind = cast("_Loader", getattr(diffusers, name))
        with quiet():
            return kind.from_pretrained(
                what.path or str(what.repo),
                revision=what.revision,
                variant=what.variant,
                dtype=getattr(torch, dtype),
                use_safetensors=True,
                local_files_only=what.path is not None,
            )
    except _LOAD_ERRORS as error:
        msg = f"{what.place} could not be loaded as {name}: {str(error).rstrip('.')}."
        if what.path is None and isinstance(error, OSError):
            hint = "Check the network, the revision and whether you may read the repository."
            raise DownloadError(msg, hint=hint) from error
        raise WeightsError(msg) from error


_LOAD_ERRORS = (OSError, ValueError, TypeError, RuntimeError, KeyError, AttributeError, ImportError)


def _sharing(
    base: object, kind: "ImageClass", spec: "ImagePipelineSpec", net: object | None = None
) -> Shared:
    """Return a pipeline of class `kind` on the models of `base`."""
    import diffusers
    import torch

    # Its own default would bring the shared models to float32.
    dtype: torch.dtype = getattr(torch, spec.dtype)
    make = cast("Callable[..., Shared]", getattr(diffusers, kind).from_pipe)
    try:
        pipe = make(base, dtype=dtype) if net is None else make(base, controlnet=net, dtype=dtype)
    except _LOAD_ERRORS as error:
        msg = f"{spec.place} cannot be run as {kind}: {str(error).rstrip('.')}."
        raise WeightsError(msg, hint="Check the class in the tool pack.") from error
    pipe.set_progress_bar_config(disable=True)
    return pipe
