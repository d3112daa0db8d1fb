"""The models of checkpoints, loaded at first need, and the pipelines that share them; it knows no calls and no media."""

from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol, cast

from unison_agent.errors import MissingDependencyError, WeightsError
from unison_agent.pipeline_specs import ControlNetSpec, ImagePipelineSpec, IpAdapterSpec
from unison_agent.pipelines.budget import Admit, MemoryBudget
from unison_agent.pipelines.image import Pipe
from unison_agent.pipelines.ip_adapter import add_adapter, copied, image_encoder
from unison_agent.pipelines.loading import LOAD_ERRORS, not_loaded, quiet
from unison_agent.pipelines.needs import check_machine, device_of
from unison_agent.pipelines.tunable import Tunable
from unison_agent.pipelines.tuning import (
    load_arguments,
    place,
    place_denoiser,
    tune,
    weight_bytes,
)
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.speed_specs import Switches

if TYPE_CHECKING:
    import torch

    from unison_agent.file_specs import Dtype
    from unison_agent.pipeline_specs import (
        Addition,
        Checkpoint,
        ClipClass,
        ClipPipelineSpec,
        ImageClass,
    )

    _Spec = ImagePipelineSpec | ClipPipelineSpec
    _Class = ImageClass | ClipClass


class CheckpointStore:
    """Keeps the models of each checkpoint once, loaded at first need; safe to call from threads.

    Args:
        device: Where pipelines run; by default where the pack says, else CUDA when there is one, else the CPU.
        budget: What all pipelines may weigh, those of other stores included; no limit by default.
    """

    def __init__(self, *, device: str | None = None, budget: MemoryBudget | None = None) -> None:
        self._device = device
        self._budget = budget or MemoryBudget()

    @contextmanager
    def _lend(
        self, spec: "_Spec", kind: "_Class", addition: "Addition | None", progress: Progress
    ) -> Generator[tuple[Pipe, Lock]]:
        """Lend a pipeline on the models of `spec`, and the lock to hold while it runs."""
        key = (id(self), spec)

        def make(admit: Admit) -> Models:
            return Models(spec, self._device, admit, progress)

        with self._budget.lend(key, spec.place, make, progress) as models:

            def grow(size: int) -> None:
                self._budget.grow(key, size, progress)

            yield models.pipe(kind, addition, grow, progress), models.running

    def release(self) -> None:
        """Forget all models, so that their memory is free when no run holds them."""
        self._budget.forget(lambda key: isinstance(key, tuple) and id(self) in key)


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


class _Movable(Protocol):
    def to(self, device: str) -> object: ...


class Models:
    """The models of one checkpoint, and the pipelines that share them.

    Args:
        spec: The checkpoint.
        device: Where they shall compute, as the caller says.
        admit: Told what they weigh before they move to a device.
        progress: Told of loading.

    Attributes:
        running: Held while one of the pipelines runs.

    Raises:
        WeightsError: Files are missing, pickled or do not belong together.
        DownloadError: The hub could not be reached.
        MachineError: This machine cannot do what the spec's switches ask for.
    """

    def __init__(self, spec: "_Spec", device: str | None, admit: Admit, progress: Progress) -> None:
        self._spec = spec
        self._switches: Switches = spec
        self._device = device_of(self._switches, device)
        self._loading = Lock()
        self.running = Lock()
        self._made: defaultdict[_Class, dict[Addition | None, Pipe]] = defaultdict(dict)
        progress(ProgressEvent("load", 0, 1, spec.place))
        check_machine(self._switches, device)
        loaded = _loaded(spec, _first(spec), spec.dtype, self._switches, progress)
        self._base = cast("Tunable", loaded)
        with quiet():
            tune(self._base, self._switches, spec.dtype, progress)
        # Before hooks are put on the denoiser: they would be of two modules then.
        seeing = isinstance(spec, ImagePipelineSpec) and spec.ip_adapter is not None
        self._seeing = copied(self._base) if seeing else None
        self._bytes = weight_bytes(self._base.components)
        admit(self._bytes)
        place(self._base, self._switches, device)
        progress(ProgressEvent("load", 1, 1, spec.place))

    def pipe(
        self, kind: "_Class", addition: "Addition | None", grow: Admit, progress: Progress
    ) -> Pipe:
        """Return the pipeline of a class, loading what is not there yet.

        Args:
            kind: The class.
            addition: What the pipeline has beside the models of the checkpoint.
            grow: Told what all models weigh, when there are more.
            progress: Told of loading.

        Raises:
            WeightsError: Files are missing, pickled or do not belong together.
            DownloadError: The hub could not be reached.
        """
        with self._loading:
            made = self._made[kind].get(addition)
            if made is None:
                made = self._made[kind][addition] = self._make(kind, addition, grow, progress)
        return made

    def _make(
        self, kind: "_Class", addition: "Addition | None", grow: Admit, progress: Progress
    ) -> Pipe:
        match addition:
            case None:
                return self._sharing(kind)
            case ControlNetSpec():
                progress(ProgressEvent("load", 0, 1, addition.place))
                net = _loaded(addition, "ControlNetModel", self._spec.dtype)
                self._grow(weight_bytes({"controlnet": net}), grow)
                cast("_Movable", net).to(self._device)
                pipe = self._sharing(kind, controlnet=net)
                progress(ProgressEvent("load", 1, 1, addition.place))
                return pipe
            case IpAdapterSpec():
                progress(ProgressEvent("load", 0, 1, addition.place))
                with self.running:  # it moves weights that the others share
                    pipe = self._seeing_with(addition, kind, grow)
                progress(ProgressEvent("load", 1, 1, addition.place))
                return pipe

    def _seeing_with(self, adapter: IpAdapterSpec, kind: "_Class", grow: Admit) -> Pipe:
        encoder = image_encoder(adapter, self._spec.dtype)
        self._grow(weight_bytes({"image_encoder": encoder}), grow)
        cast("_Movable", encoder).to(self._device)
        unet = self._seeing
        pipe = _sharing(self._base, kind, self._spec, unet=unet, image_encoder=encoder)
        before = weight_bytes({"unet": unet})
        add_adapter(pipe, adapter)
        self._grow(weight_bytes({"unet": unet}) - before, grow)
        place_denoiser(cast("Tunable", pipe), self._switches, self._device)
        return pipe

    def _grow(self, more: int, grow: Admit) -> None:
        grow(self._bytes + more)
        self._bytes += more

    def _sharing(self, kind: "_Class", **parts: object) -> Pipe:
        pipe = _sharing(self._base, kind, self._spec, **parts)
        if self._switches.memory.offload == "model":  # each brings its own models back to rest
            cast("Tunable", pipe).enable_model_cpu_offload(device=self._device)
        return pipe


def _first(spec: "_Spec") -> str:
    """Return the class that loads the checkpoint; ControlNets are added to it later."""
    if isinstance(spec, ImagePipelineSpec) and spec.controlnets:
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
    except LOAD_ERRORS as error:
        raise not_loaded(what.place, name, error, from_hub=what.path is None) from error


def _sharing(base: Tunable, kind: "_Class", spec: "_Spec", **parts: object) -> Pipe:
    """Return a pipeline of class `kind` on the models of `base`, but for `parts`.

    `from_pipe` would cast the shared models, which undoes how their weights are stored.
    """
    import diffusers

    made = cast("type[Pipe]", getattr(diffusers, kind))
    given = {**base.config, **base.components, **parts}
    taken = signature(made).parameters
    try:
        pipe = made(**{name: value for name, value in given.items() if name in taken})
    except LOAD_ERRORS as error:
        msg = f"{spec.place} cannot be run as {kind}: {str(error).rstrip('.')}."
        raise WeightsError(msg, hint="Check the class in the tool pack.") from error
    pipe.set_progress_bar_config(disable=True)
    return pipe
