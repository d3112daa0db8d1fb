"""Pipelines from a folder or the hub, one set of models a checkpoint; it knows no calls and no media."""

from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol, cast

from unison_agent.errors import MissingDependencyError, WeightsError
from unison_agent.pipeline_specs import ControlNetSpec, ImagePipelineSpec, IpAdapterSpec
from unison_agent.pipelines.image import LoadedImagePipeline, Pipe
from unison_agent.pipelines.ip_adapter import add_adapter, check_files, copied, image_encoder
from unison_agent.pipelines.loading import LOAD_ERRORS, default_device, not_loaded, quiet
from unison_agent.pipelines.origin import origin
from unison_agent.progress import Progress, ProgressEvent, silent

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from unison_agent.pipeline_specs import (
        Addition,
        Checkpoint,
        ClipClass,
        ClipPipelineSpec,
        Dtype,
        ImageClass,
    )
    from unison_agent.pipelines.image import Shared

    _Spec = ImagePipelineSpec | ClipPipelineSpec
    _Class = ImageClass | ClipClass


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


class CheckpointStore:
    """Keeps the models of each checkpoint once, loaded at first need; safe to call from threads.

    Args:
        device: Where pipelines run; CUDA when there is one, else the CPU.
    """

    def __init__(self, *, device: str | None = None) -> None:
        self._device = device
        self._lock = Lock()
        self._checkpoints: dict[_Spec, Models] = {}

    def models(self, spec: "_Spec") -> "Models":
        """Return the models of a checkpoint, of which none may be loaded yet."""
        with self._lock:
            models = self._checkpoints.get(spec)
            if models is None:
                models = self._checkpoints[spec] = Models(spec, self._device)
        return models

    def release(self) -> None:
        """Forget all models, so that their memory is free when no run holds them."""
        with self._lock:
            self._checkpoints.clear()


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

        Args:
            spec: The checkpoint.
            kind: One of the classes that it names.
            addition: The ControlNet that the pipeline follows, or the IP-Adapter by which it sees references.
            progress: Told of loading.

        Raises:
            WeightsError: Files are missing, pickled or do not belong together.
            DownloadError: The hub could not be reached.
        """
        models = self.models(spec)
        pipe = cast("Shared", models.pipe(kind, addition, progress))
        scale = addition.scale if isinstance(addition, ControlNetSpec) else 1.0
        files = origin(spec, "pipeline")
        match addition:
            case ControlNetSpec():
                files |= origin(addition, "controlnet")
            case IpAdapterSpec():
                files |= origin(addition, "ip_adapter")
            case None:
                pass
        return LoadedImagePipeline(
            spec.place,
            kind,
            pipe,
            control_scale=scale,
            hashes={name: digest for name, (digest, _) in files.items()},
            sources={name: source for name, (_, source) in files.items()},
            lock=models.running,
        )


class Models:
    """The models of one checkpoint, and the pipelines that share them.

    Attributes:
        running: Held while one of the pipelines runs.
    """

    def __init__(self, spec: "_Spec", device: str | None) -> None:
        self._spec = spec
        self._device = device
        self._loading = Lock()
        self.running = Lock()
        self._base: object | None = None
        self._made: defaultdict[_Class, dict[Addition | None, Pipe]] = defaultdict(dict)

    def pipe(self, kind: "_Class", addition: "Addition | None", progress: Progress) -> Pipe:
        """Return the pipeline of a class, loading what is not there yet.

        Raises:
            WeightsError: Files are missing, pickled or do not belong together.
            DownloadError: The hub could not be reached.
        """
        with self._loading:
            made = self._made[kind].get(addition)
            if made is None:
                made = self._made[kind][addition] = self._make(kind, addition, progress)
        return made

    def _make(self, kind: "_Class", addition: "Addition | None", progress: Progress) -> Pipe:
        if isinstance(addition, IpAdapterSpec):
            check_files(addition)
        if self._base is None:
            self._base = self._placed(self._spec, _first(self._spec), progress)
        match addition:
            case None:
                return _sharing(self._base, kind, self._spec)
            case ControlNetSpec():
                net = self._placed(addition, "ControlNetModel", progress)
                return _sharing(self._base, kind, self._spec, controlnet=net)
            case IpAdapterSpec():
                return self._seeing(kind, addition, progress)

    def _seeing(self, kind: "_Class", adapter: IpAdapterSpec, progress: Progress) -> Pipe:
        progress(ProgressEvent("load", 0, 1, adapter.place))
        encoder = image_encoder(adapter, self._spec.dtype)
        encoder.to(self._device or default_device())  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        unet = copied(self._base)
        pipe = _sharing(self._base, kind, self._spec, unet=unet, image_encoder=encoder)
        add_adapter(pipe, adapter)
        progress(ProgressEvent("load", 1, 1, adapter.place))
        return pipe

    def _placed(self, what: "Checkpoint", name: str, progress: Progress) -> object:
        progress(ProgressEvent("load", 0, 1, what.place))
        loaded = _loaded(what, name, self._spec.dtype)
        loaded.to(self._device or default_device())  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        progress(ProgressEvent("load", 1, 1, what.place))
        return loaded


def _first(spec: "_Spec") -> str:
    """Return the class that loads the checkpoint; ControlNets are added to it later."""
    if isinstance(spec, ImagePipelineSpec) and spec.controlnets:
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
    except LOAD_ERRORS as error:
        raise not_loaded(what.place, name, error, from_hub=what.path is None) from error


def _sharing(base: object, kind: "_Class", spec: "_Spec", **parts: object) -> Pipe:
    """Return a pipeline of class `kind` on the models of `base`, but for `parts`."""
    import diffusers
    import torch

    # Its own default would bring the shared models to float32.
    dtype: torch.dtype = getattr(torch, spec.dtype)
    make = cast("Callable[..., Pipe]", getattr(diffusers, kind).from_pipe)
    try:
        pipe = make(base, dtype=dtype, **parts)
    except LOAD_ERRORS as error:
        msg = f"{spec.place} cannot be run as {kind}: {str(error).rstrip('.')}."
        raise WeightsError(msg, hint="Check the class in the tool pack.") from error
    pipe.set_progress_bar_config(disable=True)
    return pipe
