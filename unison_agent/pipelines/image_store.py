"""Image pipelines from a folder or the hub, one set of models a checkpoint; it knows no calls and no media."""

from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol, cast

from unison_agent.errors import DownloadError, MissingDependencyError, WeightsError
from unison_agent.pipelines.budget import Admit, MemoryBudget
from unison_agent.pipelines.image import LoadedImagePipeline, Shared
from unison_agent.pipelines.loading import quiet
from unison_agent.pipelines.needs import check_machine, device_of
from unison_agent.pipelines.tuning import Tunable, load_arguments, place, tune, weight_bytes
from unison_agent.progress import Progress, ProgressEvent, silent

if TYPE_CHECKING:
    import torch

    from unison_agent.pipeline_specs import (
        Checkpoint,
        ControlNetSpec,
        Dtype,
        ImageClass,
        ImagePipelineSpec,
    )
    from unison_agent.speed_specs import Switches


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
        **switched: object,
    ) -> object:
        """Load an object of it."""
        ...


class ImagePipelineStore:
    """Keeps the models of each checkpoint once, loaded at first need; safe to call from threads.

    Args:
        device: Where pipelines run; by default where the pack says, else CUDA when there is one, else the CPU.
        budget: What all pipelines may weigh, those of other stores included; no limit by default.
    """

    def __init__(self, *, device: str | None = None, budget: MemoryBudget | None = None) -> None:
        self._device = device
        self._budget = budget or MemoryBudget()

    def get(
        self,
        spec: "ImagePipelineSpec",
        kind: "ImageClass",
        control: "ControlNetSpec | None" = None,
        progress: Progress = silent,
    ) -> LoadedImagePipeline:
        """Return a pipeline on the models of `spec`, loading them the first time.

        A budget does not count who holds it: while it runs, `lend` it.

        Args:
            spec: The checkpoint.
            kind: One of the classes that it names.
            control: The ControlNet that the pipeline follows, where its class has one.
            progress: Told of loading.

        Raises:
            WeightsError: Files are missing, pickled or do not belong together.
            DownloadError: The hub could not be reached.
            MachineError: This machine cannot do what the spec's switches ask for.
            MissingDependencyError: A package that they need is not installed.
        """
        with self.lend(spec, kind, control, progress) as loaded:
            return loaded

    @contextmanager
    def lend(
        self,
        spec: "ImagePipelineSpec",
        kind: "ImageClass",
        control: "ControlNetSpec | None" = None,
        progress: Progress = silent,
    ) -> Generator[LoadedImagePipeline]:
        """Lend a pipeline on the models of `spec`, which are not released meanwhile; see `get`."""
        key = (id(self), spec)

        def make(admit: Admit) -> _Models:
            return _Models(spec, self._device, admit, progress)

        with self._budget.lend(key, spec.place, make, progress) as models:

            def grow(size: int) -> None:
                self._budget.grow(key, size, progress)

            yield models.pipeline(kind, control, grow, progress)

    def release(self) -> None:
        """Forget all models, so that their memory is free when no run holds them."""
        self._budget.forget(lambda key: isinstance(key, tuple) and id(self) in key)


class _Models:
    """The models of one checkpoint, and the pipelines that share them."""

    def __init__(
        self, spec: "ImagePipelineSpec", device: str | None, admit: Admit, progress: Progress
    ) -> None:
        self._spec = spec
        self._device = device
        self._loading = Lock()
        self._running = Lock()
        self._nets: dict[str, object] = {}
        self._made: defaultdict[ImageClass, dict[ControlNetSpec | None, LoadedImagePipeline]] = (
            defaultdict(dict)
        )
        progress(ProgressEvent("load", 0, 1, spec.place))
        check_machine(spec, device)
        self._base = cast("Tunable", _loaded(spec, _first(spec), spec.dtype, spec, progress))
        with quiet():
            tune(self._base, spec, spec.dtype, progress)
        admit(weight_bytes(self._base.components))
        place(self._base, spec, device)
        progress(ProgressEvent("load", 1, 1, spec.place))

    def pipeline(
        self,
        kind: "ImageClass",
        control: "ControlNetSpec | None",
        grow: Admit,
        progress: Progress,
    ) -> LoadedImagePipeline:
        with self._loading:
            made = self._made[kind].get(control)
            if made is None:
                made = self._made[kind][control] = self._make(kind, control, grow, progress)
        return made

    def _make(
        self,
        kind: "ImageClass",
        control: "ControlNetSpec | None",
        grow: Admit,
        progress: Progress,
    ) -> LoadedImagePipeline:
        if control is None:
            pipe = self._sharing(kind, None)
            return LoadedImagePipeline(self._spec.place, kind, pipe, lock=self._running)
        progress(ProgressEvent("load", 0, 1, control.place))
        net = cast("_Movable", _loaded(control, "ControlNetModel", self._spec.dtype))
        models = {**self._base.components, **self._nets, control.place: net}
        grow(weight_bytes(models))
        net.to(device_of(self._spec, self._device))
        self._nets[control.place] = net
        pipe = self._sharing(kind, net)
        progress(ProgressEvent("load", 1, 1, control.place))
        return LoadedImagePipeline(
            self._spec.place, kind, pipe, control_scale=control.scale, lock=self._running
        )

    def _sharing(self, kind: "ImageClass", net: object | None) -> Shared:
        pipe = _sharing(self._base, kind, self._spec, net)
        if self._spec.memory.offload == "model":  # each pipeline brings its own models back to rest
            cast("Tunable", pipe).enable_model_cpu_offload(
                device=device_of(self._spec, self._device)
            )
        return pipe


class _Movable(Protocol):
    def to(self, device: str) -> object: ...


def _first(spec: "ImagePipelineSpec") -> str:
    """Return the class that loads the checkpoint; ControlNets are added to it later."""
    if spec.controlnets:
        return "StableDiffusionXLPipeline"
    return next(iter(spec.classes().values()))


def _loaded(
    what: "Checkpoint",
    name: str,
    dtype: "Dtype",
    switches: "Switches | None" = None,
    progress: Progress = silent,
) -> object:
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
        where = what.path or str(what.repo)
        with quiet():
            switched: dict[str, object] = {}
            if switches is not None:
                switched = load_arguments(switches, where, what.revision, dtype, progress)
            return kind.from_pretrained(
                where,
                revision=what.revision,
                variant=what.variant,
                dtype=getattr(torch, dtype),
                use_safetensors=True,
                local_files_only=what.path is not None,
                **switched,
            )
    except _LOAD_ERRORS as error:
        msg = f"{what.place} could not be loaded as {name}: {str(error).rstrip('.')}."
        if what.path is None and isinstance(error, OSError):
            hint = "Check the network, the revision and whether you may read the repository."
            raise DownloadError(msg, hint=hint) from error
        raise WeightsError(msg) from error


_LOAD_ERRORS = (OSError, ValueError, TypeError, RuntimeError, KeyError, AttributeError, ImportError)


def _sharing(
    base: "Tunable", kind: "ImageClass", spec: "ImagePipelineSpec", net: object | None = None
) -> Shared:
    """Return a pipeline of class `kind` on the models of `base`.

    `from_pipe` would cast the shared models, which undoes how their weights are stored.
    """
    import diffusers

    made = cast("type[Shared]", getattr(diffusers, kind))
    given = {**base.config, **base.components, "controlnet": net}
    taken = signature(made).parameters
    try:
        pipe = made(**{name: value for name, value in given.items() if name in taken})
    except _LOAD_ERRORS as error:
        msg = f"{spec.place} cannot be run as {kind}: {str(error).rstrip('.')}."
        raise WeightsError(msg, hint="Check the class in the tool pack.") from error
    pipe.set_progress_bar_config(disable=True)
    return pipe
