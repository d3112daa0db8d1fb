"""Opens what a pack names to understand and plan with: the model, its LoRA, the calibration; it knows no requests."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unison_agent.conversation import CHAT_HEAD, Heads, chat_head
from unison_agent.custom.tool import CustomTool, check_names
from unison_agent.errors import ToolError, WeightsError
from unison_agent.file_hashes import check_pins
from unison_agent.hub_files import hub_source, only_file, repo_folder
from unison_agent.planning.instructions import BY_GRAMMAR, instructions
from unison_agent.planning.planner import Calibration, Planner, Writer
from unison_agent.planning.signal_planner import SignalPlanner, SignalVocabulary
from unison_agent.progress import Progress
from unison_agent.router import Lazy
from unison_agent.tasks import Plan, Request
from unison_agent.weights import cache_dir

if TYPE_CHECKING:
    from unison_agent.specs import LoraSpec, UnderstandingSpec
    from unison_agent.vlm import UnderstandingModel

_SHIPPED = Path(__file__).parent
# Of a planning LoRA and its tokenizer, wherever in the repository they lie.
_LORA_FILES = ("*adapter_config.json", "*adapter_model.safetensors", "*token*.json", "*vocab.json", "*merges.txt", "*.jinja")  # fmt: skip


def weights_folder(spec: "UnderstandingSpec") -> Path:
    """Return where what is trained lies: what ships is in the package, all else in the cache."""
    return _SHIPPED / spec.weights if spec.source == "nano" else cache_dir() / spec.weights


def load_calibration(spec: "UnderstandingSpec") -> Calibration | None:
    """Return what makes the planner's confidence mean something, if there is such a file.

    Raises:
        WeightsError: The file is damaged.
    """
    return Calibration.load(weights_folder(spec) / "planner" / "calibration.json")


def load_understanding(
    spec: "UnderstandingSpec",
    progress: Progress,
    *,
    device: str | None = None,
    tools: Sequence[CustomTool] = (),
) -> "UnderstandingModel":
    """Load the understanding model and its planning LoRA, fetching what is not cached.

    Args:
        spec: Names them.
        progress: Told of downloads and of loading.
        device: Where a published model runs; CUDA when there is one by default. nano's runs on the CPU.
        tools: Custom tools that a model without a planning LoRA is told of.

    Raises:
        DownloadError: Something is not cached and could not be fetched.
        WeightsError: Weights are missing, damaged or of another class.
    """
    from unison_agent.vlm import UnderstandingModel

    if spec.source == "nano":
        return UnderstandingModel.load_nano(
            weights_folder(spec), layer=spec.layer, dtype=spec.dtype, progress=progress
        )
    from unison_agent.checkpoint import check_class, checkpoint_folder, load_checkpoint

    if spec.repo is not None and spec.revision is not None:
        folder = checkpoint_folder(spec.repo, spec.revision, progress)
    else:
        folder = Path(spec.path or "")
        check_class(folder)
    check_pins(folder, spec.pinned(), of="The understanding model")
    # All is fetched before anything is loaded: nothing is half there when the hub cannot be reached.
    planning = spec.planner_lora and _lora_folder(spec.planner_lora, progress)
    loaded = load_checkpoint(folder, dtype=spec.dtype, device=device, progress=progress)
    told = CHAT_HEAD if spec.planner == "signal" else chat_head(instructions(BY_GRAMMAR, tools))
    model = UnderstandingModel(
        loaded.model,
        loaded.tokenizer,
        layer=spec.layer,
        fingerprint=loaded.fingerprint,
        sight=loaded.sight,
        heads=Heads(plan=told, text=CHAT_HEAD, media=CHAT_HEAD),
        source=hub_source(spec.repo, folder),
    )
    if planning is not None:
        model.add_peft_planner(planning)
    return model


def _lora_folder(spec: "LoraSpec", progress: Progress) -> Path:
    """Return the folder with the adapter of a planning LoRA."""
    if spec.repo is not None and spec.revision is not None:
        folder = repo_folder(spec.repo, spec.revision, _LORA_FILES, progress)
    else:
        folder = Path(spec.path or "")
    check_pins(folder, spec.pinned(), of="The planning LoRA")
    config = only_file(folder, "adapter_config.json")
    if config is None:
        msg = f"No planning LoRA in {folder}: adapter_config.json is missing."
        raise WeightsError(
            msg, hint="Correct planner_lora in the tool pack, or leave it out to plan in JSON."
        )
    return config.parent


def open_planner(
    spec: "UnderstandingSpec",
    understanding: "Lazy[UnderstandingModel]",
    tools: Sequence[CustomTool] = (),
) -> "Lazy[Planner | SignalPlanner]":
    """Return the planner of a profile, made when the model is loaded.

    Raises:
        WeightsError: The calibration is damaged.
        ToolError: Two custom tools have the same name, or the planner knows none.
    """
    calibration, tools = load_calibration(spec), check_names(tools)
    _check_callable(spec, tools)

    def load(progress: Progress) -> Planner | SignalPlanner:
        model = understanding(progress)
        return planner_of(spec, model, model, calibration, tools)

    return Lazy(load)


def _check_callable(spec: "UnderstandingSpec", tools: Sequence[CustomTool]) -> None:
    """Check that a profile's planner can call custom tools, if there are any.

    Raises:
        ToolError: It knows none.
    """
    if spec.planner == "signal" and tools:
        msg = f"The paper's signal tokens cannot call {tools[0].name!r}, nor any other custom tool."
        raise ToolError(
            msg, hint='Set planner = "json" in the tool pack and leave planner_lora out.'
        )


def planner_of(
    spec: "UnderstandingSpec",
    model: "UnderstandingModel",
    writer: Writer,
    calibration: Calibration | None,
    tools: Sequence[CustomTool] = (),
) -> Planner | SignalPlanner:
    """Return the planner of a profile.

    Args:
        spec: Says which.
        model: Its understanding model.
        writer: Writes the plans: the model, or who stands before it.
        calibration: Of the planner's confidence.
        tools: Custom tools that can be planned in JSON.

    Raises:
        WeightsError: Signal tokens are to be written, and the model's tokenizer lacks some.
    """
    if spec.planner == "json":
        return Planner(writer, calibration, tools=tools)
    return SignalPlanner(writer, SignalVocabulary.of(model.tokenizer), calibration)


class LazyPlanner:
    """Plans as a planner does that is made at first need.

    Args:
        planner: Makes it.
        spec: Says which it is.
    """

    def __init__(self, planner: "Lazy[Planner | SignalPlanner]", spec: "UnderstandingSpec") -> None:
        self._planner = planner
        self._spec = spec

    def with_tools(self, tools: Sequence[CustomTool]) -> "LazyPlanner":
        """Return a planner that can plan more custom tools, with the same model.

        Raises:
            ToolError: The planner knows none. At the first plan: two of all have the same name.
        """
        _check_callable(self._spec, tools)

        def load(progress: Progress) -> Planner | SignalPlanner:
            planner = self._planner(progress)
            return planner.with_tools(tools) if isinstance(planner, Planner) else planner

        return LazyPlanner(Lazy(load), self._spec)

    def plan(self, request: Request) -> Plan:
        """Return the plan that the request means."""
        return self._planner().plan(request)

    def plan_batch(self, requests: Sequence[Request]) -> list[Plan]:
        """Return the plans of several requests, in order."""
        return self._planner().plan_batch(requests)
