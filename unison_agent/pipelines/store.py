"""Pipelines from a verified folder or the hub, one object each; it knows no tasks and no media."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from unison_agent.errors import DownloadError, MissingDependencyError, WeightsError
from unison_agent.pipelines.budget import Admit, MemoryBudget
from unison_agent.pipelines.loading import quiet
from unison_agent.pipelines.needs import check_machine
from unison_agent.pipelines.origin import files_of
from unison_agent.pipelines.tunable import Tunable
from unison_agent.pipelines.tuning import load_arguments, place, tune, weight_bytes
from unison_agent.pipelines.vace import LoadedPipeline, adopt
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.weights import SUMS, verify_folder

if TYPE_CHECKING:
    from unison_agent.specs import PipelineSpec

NANO_FOLDER = Path(__file__).parents[1] / "nano"
_READ = {".json", ".safetensors"}
_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}


class PipelineStore:
    """Keeps one object of each pipeline, loaded at first need; safe to call from threads.

    Args:
        root: The folder that relative `folder` values of a pack start from.
        device: Where pipelines run; by default where the pack says, else CUDA when there is one, else the CPU.
        budget: What all pipelines may weigh, those of other stores included; no limit by default.
    """

    def __init__(
        self,
        root: Path = NANO_FOLDER,
        *,
        device: str | None = None,
        budget: MemoryBudget | None = None,
    ) -> None:
        self._root = root
        self._device = device
        self._budget = budget or MemoryBudget()

    def get(self, spec: "PipelineSpec", progress: Progress = silent) -> LoadedPipeline:
        """Return the pipeline of `spec`, loading it the first time.

        A budget does not count who holds it: while it runs, `lend` it.

        Raises:
            WeightsError: Files are missing, damaged, pickled or do not belong together.
            DownloadError: The hub could not be reached.
            MachineError: This machine cannot do what the spec's switches ask for.
            MissingDependencyError: A package that they need is not installed.
        """
        with self.lend(spec, progress) as loaded:
            return loaded

    def lend(
        self, spec: "PipelineSpec", progress: Progress = silent
    ) -> AbstractContextManager[LoadedPipeline]:
        """Lend the pipeline of `spec`, loading it if need be; it is not released meanwhile.

        Raises:
            WeightsError: As `get` does, when it is entered.
        """

        def make(admit: Admit) -> LoadedPipeline:
            return self._load(spec, admit, progress)

        return self._budget.lend((id(self), spec), source_name(spec), make, progress)

    def release(self) -> None:
        """Forget all pipelines, so that their memory is free when no run holds them."""
        self._budget.forget(lambda key: isinstance(key, tuple) and id(self) in key)

    def _load(self, spec: "PipelineSpec", admit: Admit, progress: Progress) -> LoadedPipeline:
        name = source_name(spec)
        progress(ProgressEvent("load", 0, 1, name))
        check_machine(spec, self._device)
        hashes: Mapping[str, str] = {}
        if spec.folder is not None:
            hashes = verified(self._root / spec.folder)
        pipe = _from_pretrained(self._root, spec, progress)
        source: str | None = None
        if spec.folder is None:
            unread = () if spec.text_encoder else ("text_encoder",)
            hashes, source = files_of(spec, name, without=unread)
        loaded = adopt(
            pipe,
            name=name,
            vae_spatial=spec.vae_spatial,
            vae_temporal=spec.vae_temporal,
            blank_ramp=spec.blank_ramp,
            guided_share=spec.guided_share,
            hashes=hashes,
            source=source,
        )
        with quiet():
            tune(pipe, spec, spec.dtype, progress)
        admit(weight_bytes(pipe.components))
        place(pipe, spec, self._device)
        progress(ProgressEvent("load", 1, 1, name))
        return loaded


def source_name(spec: "PipelineSpec") -> str:
    """Return what to call the pipeline of `spec` in messages."""
    match spec.source:
        case "nano":
            return f"nano/{spec.folder}"
        case "hub":
            return f"{spec.repo}@{spec.revision}"
        case "local":
            return str(spec.path)


def verified(folder: Path) -> Mapping[str, str]:
    """Check a pipeline folder before anything in it is loaded; return its hashes by name.

    Raises:
        WeightsError: It is missing or damaged, no WanVACEPipeline, or holds a pickle.
    """
    index = folder / "model_index.json"
    if not index.is_file():
        msg = f"No pipeline in {folder}: model_index.json is missing."
        raise WeightsError(msg, hint="Reinstall unison-agent, or train the part again.")
    hashes = verify_folder(folder)
    pickled = sorted(path.name for path in folder.rglob("*") if path.suffix.lower() in _PICKLES)
    if pickled:
        msg = f"{folder} holds {', '.join(pickled)}; only safetensors are loaded."
        raise WeightsError(msg, hint="Save it again with safe_serialization=True.")
    unlisted = sorted(
        name
        for path in folder.rglob("*")
        if path.suffix in _READ and (name := path.relative_to(folder).as_posix()) not in hashes
    )
    if unlisted:
        msg = f"{folder / SUMS} does not list {', '.join(unlisted)}."
        raise WeightsError(msg, hint="Reinstall unison-agent, or write the sums again.")
    try:
        described: object = json.loads(index.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{index} is not JSON: {error}.") from error
    name = None
    if isinstance(described, dict):
        name = cast("dict[str, object]", described).get("_class_name")
    if name != "WanVACEPipeline":
        msg = f"{index} describes {name!r}; expected 'WanVACEPipeline'."
        raise WeightsError(msg, hint="Only Wan VACE pipelines can serve all nine generation tasks.")
    return hashes


def _from_pretrained(root: Path, spec: "PipelineSpec", progress: Progress) -> Tunable:
    try:
        import torch
        from diffusers import WanVACEPipeline  # pyright: ignore[reportPrivateImportUsage]
    except ImportError as error:
        raise MissingDependencyError(error.name or "diffusers", extra="models") from error
    where = str(root / spec.folder) if spec.folder is not None else str(spec.path or spec.repo)
    bare: dict[str, None] = {} if spec.text_encoder else {"tokenizer": None, "text_encoder": None}
    try:
        with quiet():
            switched = load_arguments(spec, where, spec.revision, spec.dtype, progress)
            pipe = WanVACEPipeline.from_pretrained(  # pyright: ignore[reportUnknownMemberType]
                where,
                revision=spec.revision,
                # The VAE stays exact: its cost is small, and half precision shows as bands of colour.
                dtype={"default": getattr(torch, spec.dtype), "vae": torch.float32},
                use_safetensors=True,
                local_files_only=spec.source != "hub",
                **bare,
                **switched,
            )
        return cast("Tunable", pipe)
    except (OSError, ValueError, TypeError, RuntimeError, KeyError) as error:
        msg = f"{source_name(spec)} could not be loaded: {error}."
        if spec.source == "hub" and isinstance(error, OSError):
            hint = "Check the network and the revision; once fetched it loads offline."
            raise DownloadError(msg, hint=hint) from error
        raise WeightsError(msg) from error
