"""Opens what a pack names: the understanding model, the calibration, the tools; it knows no requests."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unison_agent.errors import WeightsError
from unison_agent.pipelines import ImagePipelineStore, PipelineStore
from unison_agent.planning.planner import Calibration
from unison_agent.progress import Progress
from unison_agent.router import AnswerTool, GenerationTool, ImageTool, Lazy, Tool
from unison_agent.specs import ConnectorSpec, Pack
from unison_agent.weights import cache_dir

if TYPE_CHECKING:
    from unison_agent.decoding import Turn, Written
    from unison_agent.specs import UnderstandingSpec
    from unison_agent.vlm import UnderstandingModel

_SHIPPED = Path(__file__).parent
_KINDS = {".safetensors": "resampler", ".pth": "projector"}


def weights_folder(spec: "UnderstandingSpec") -> Path:
    """Return where what is trained lies: what ships is in the package, all else in the cache."""
    return _SHIPPED / spec.weights if spec.source == "nano" else cache_dir() / spec.weights


def load_calibration(spec: "UnderstandingSpec") -> Calibration | None:
    """Return what makes the planner's confidence mean something, if there is such a file.

    Raises:
        WeightsError: The file is damaged.
    """
    return Calibration.load(weights_folder(spec) / "planner" / "calibration.json")


def check_loadable(spec: "UnderstandingSpec") -> None:
    """Refuse what this version cannot load.

    Raises:
        WeightsError: It is a model of the hub.
    """
    if spec.source == "hub":
        msg = f"The understanding model {spec.repo} comes from the hub, which cannot be loaded yet."
        raise WeightsError(msg, hint="Use the profile 'nano'.")


def load_understanding(spec: "UnderstandingSpec", progress: Progress) -> "UnderstandingModel":
    """Load the understanding model, fetching its base where it is not cached.

    Raises:
        WeightsError: Weights are missing or damaged, or cannot be loaded yet.
    """
    check_loadable(spec)
    from unison_agent.vlm import UnderstandingModel

    return UnderstandingModel.load_nano(
        weights_folder(spec), layer=spec.layer, dtype=spec.dtype, progress=progress
    )


class LazyWriter:
    """The understanding model as the planner's writer, loaded at first need."""

    def __init__(self, understanding: "Lazy[UnderstandingModel]") -> None:
        self._understanding = understanding

    def write(
        self, prompt: str, grammar: str, *, copy_from: str = "", max_new_tokens: int
    ) -> "Written":
        """Write as the model does."""
        return self._understanding().write(
            prompt, grammar, copy_from=copy_from, max_new_tokens=max_new_tokens
        )

    def write_batch(self, turns: "Sequence[Turn]", *, max_new_tokens: int) -> "list[Written]":
        """Write several answers at once."""
        return self._understanding().write_batch(turns, max_new_tokens=max_new_tokens)


def open_tools(
    pack: Pack,
    understanding: "Lazy[UnderstandingModel]",
    device: str | None,
    connector: Path | None,
) -> tuple[Tool, ...]:
    """Return the tools of a pack; each loads what it needs when it first runs.

    Args:
        pack: Names them.
        understanding: Answers, and reads for the connectors.
        device: Where pipelines run; CUDA when there is one by default.
        connector: A file in place of the pack's connectors.

    Raises:
        WeightsError: There is no file `connector`.
    """
    if connector is not None and (connector.suffix not in _KINDS or not connector.is_file()):
        msg = f"There is no connector at {connector}; expected a file that ends in {' or '.join(_KINDS)}."
        raise WeightsError(msg, hint="Name the file that training wrote.")
    pipelines = PipelineStore(device=device)
    image_pipelines = ImagePipelineStore(device=device)
    shipped = weights_folder(pack.understanding)
    tools: list[Tool] = []
    for spec in pack.tools:
        match spec.adapter:
            case "answer":
                tools.append(AnswerTool(spec, understanding))
            case "image":
                tools.append(
                    ImageTool(spec, pipelines=image_pipelines, understanding=understanding)
                )
            case "video":
                folder = shipped
                if connector is not None:
                    folder = connector.parent
                    own = spec.connector or ConnectorSpec(file="own", required=True)
                    named = {
                        "file": connector.name,
                        "required": True,
                        "kind": _KINDS[connector.suffix],
                    }
                    own = own.model_copy(update=named)
                    spec = spec.model_copy(update={"connector": own})
                tools.append(
                    GenerationTool(
                        spec,
                        pipelines=pipelines,
                        understanding=understanding,
                        weights_folder=folder,
                    )
                )
    return tuple(tools)
