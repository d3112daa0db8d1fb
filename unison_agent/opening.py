"""Opens the understanding model and the calibration that a pack names; it knows neither tools nor requests."""

from pathlib import Path
from typing import TYPE_CHECKING

from unison_agent.errors import WeightsError
from unison_agent.planning.planner import Calibration
from unison_agent.progress import Progress
from unison_agent.weights import cache_dir

if TYPE_CHECKING:
    from unison_agent.specs import UnderstandingSpec
    from unison_agent.vlm import UnderstandingModel

_SHIPPED = Path(__file__).parent


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
