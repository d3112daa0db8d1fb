"""Opens the tools of a pack or several, which share models and a memory budget; it knows no requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from unison_agent.custom.tool import CustomTool
from unison_agent.errors import WeightsError
from unison_agent.opening import load_understanding, weights_folder
from unison_agent.packs import load_packs
from unison_agent.pipelines import (
    ClipPipelineStore,
    ImagePipelineStore,
    MemoryBudget,
    PipelineStore,
)
from unison_agent.router import (
    AnswerTool,
    ClipTool,
    GenerationTool,
    ImageTool,
    Lazy,
    Router,
    Tool,
)
from unison_agent.specs import ConnectorSpec, Pack, ToolSpec
from unison_agent.tasks import Wire

if TYPE_CHECKING:
    from unison_agent.vlm import UnderstandingModel

_KINDS = {".safetensors": "resampler", ".pth": "projector"}


@dataclass(frozen=True, slots=True)
class Opened:
    """A profile and the packs that serve beside it; nothing is loaded yet.

    Attributes:
        pack: Of the profile.
        understanding: The profile's model.
        router: Has the tools of all packs; one that is the same in several is shared.
        memory: What the pipelines of all packs are counted in.
    """

    pack: Pack
    understanding: "Lazy[UnderstandingModel]"
    router: Router
    memory: MemoryBudget


def open_packs(
    profile: str | Path,
    also: str | Path | Sequence[str | Path] = (),
    *,
    device: str | None = None,
    connector: str | Path | None = None,
    tools: Sequence[CustomTool] = (),
    memory_budget_gb: float | None = None,
) -> Opened:
    """Open a profile and the packs that serve beside it.

    Args:
        profile: Its name, or the path of its pack.
        also: Of the other packs; their pipelines and models are shared with the profile where they are the same.
        device: Where models run; CUDA when there is one by default.
        connector: A file in place of the profile's connectors.
        tools: Custom tools, which a planner without a LoRA is told of.
        memory_budget_gb: What the pipelines of all packs may take together; see `MemoryBudget.of`. Of several packs
            the first that states one is asked, the profile before all others.

    Raises:
        PackError: A pack is wrong or unknown, or named twice; or two of them do not go together.
        ToolError: Two custom tools have the same name.
        WeightsError: There is no file `connector`.
        MachineError: The memory budget is no number above 0.
    """
    pack, *others = load_packs(profile, (also,) if isinstance(also, str | Path) else also)
    own = Lazy(partial(load_understanding, pack.understanding, device=device, tools=tools))
    models = {_key(pack.understanding): own}
    stated = (one.memory_budget_gb for one in (pack, *others))
    memory = MemoryBudget.of(memory_budget_gb, next(filter(None, stated), None))
    stores = Stores.of(device, memory)
    made = open_tools(pack, own, stores, None if connector is None else Path(connector))
    shared = {_key(pack.understanding, tool.spec): tool for tool in made}
    opened: dict[str, tuple[Tool, ...]] = {}
    for other in others:
        spec = other.understanding
        load = partial(load_understanding, spec, device=device)
        model = models.setdefault(_key(spec), Lazy(load))
        opened[other.profile] = tuple(
            shared.setdefault(_key(spec, tool.spec), tool)
            for tool in open_tools(other, model, stores)
        )
    router = Router(made, custom=tools, profile=pack.profile, also=opened)
    return Opened(pack, own, router, memory)


def _key(*specs: Wire) -> tuple[str, ...]:
    return tuple(spec.model_dump_json() for spec in specs)


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the pipelines of an agent are kept, whichever pack names them."""

    pipelines: PipelineStore
    image_pipelines: ImagePipelineStore
    clip_pipelines: ClipPipelineStore

    @classmethod
    def of(cls, device: str | None, budget: MemoryBudget) -> Self:
        """Return stores whose pipelines run on one device, and share a budget."""
        return cls(
            PipelineStore(device=device, budget=budget),
            ImagePipelineStore(device=device, budget=budget),
            ClipPipelineStore(device=device, budget=budget),
        )


def open_tools(
    pack: Pack,
    understanding: "Lazy[UnderstandingModel]",
    stores: Stores,
    connector: Path | None = None,
) -> tuple[Tool, ...]:
    """Return the tools of a pack; each loads what it needs when it first runs.

    Args:
        pack: Names them.
        understanding: Answers, and reads for the connectors.
        stores: Where its pipelines are kept.
        connector: A file in place of the pack's connectors.

    Raises:
        WeightsError: There is no file `connector`.
    """
    if connector is not None and (connector.suffix not in _KINDS or not connector.is_file()):
        msg = f"There is no connector at {connector}; expected a file that ends in {' or '.join(_KINDS)}."
        raise WeightsError(msg, hint="Name the file that training wrote.")
    pipelines, image_pipelines = stores.pipelines, stores.image_pipelines
    clip_pipelines = stores.clip_pipelines
    shipped = weights_folder(pack.understanding)
    tools: list[Tool] = []
    for spec in pack.tools:
        folder = shipped
        if connector is not None and (spec.adapter == "video" or spec.connector):
            folder, spec = connector.parent, _connected(spec, connector)
        match spec.adapter:
            case "answer":
                tools.append(AnswerTool(spec, understanding))
            case "clips":
                tools.append(
                    ClipTool(
                        spec,
                        pipelines=clip_pipelines,
                        understanding=understanding,
                        weights_folder=folder,
                    )
                )
            case "image":
                tools.append(
                    ImageTool(
                        spec,
                        pipelines=image_pipelines,
                        understanding=understanding,
                        weights_folder=folder,
                    )
                )
            case "video":
                tools.append(
                    GenerationTool(
                        spec,
                        pipelines=pipelines,
                        understanding=understanding,
                        weights_folder=folder,
                    )
                )
    return tuple(tools)


def _connected(spec: ToolSpec, connector: Path) -> ToolSpec:
    """Return the spec of a tool with a file in place of its connector."""
    own = spec.connector or ConnectorSpec(file="own", required=True)
    named = {
        "file": connector.name,
        "required": True,
        "kind": _KINDS[connector.suffix],
        "repo": None,
        "revision": None,
        "path": None,
    }
    return spec.model_copy(update={"connector": own.model_copy(update=named)})
