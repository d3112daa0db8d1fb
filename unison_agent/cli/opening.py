"""Opens the planner of a profile by itself; its tools stay where they are."""

from typing import TYPE_CHECKING

from unison_agent.errors import WeightsError
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Calibration, Planner
from unison_agent.progress import Progress

if TYPE_CHECKING:
    from unison_agent.evaluation.planning_run import Recorder


def open_planner(profile: str, progress: Progress) -> "tuple[Planner, Recorder]":
    """Load the understanding model of a profile; return its planner and what records the planner's writing.

    Args:
        profile: A profile's name, or the path of a tool pack.
        progress: Told of the download and of loading.

    Raises:
        UnknownProfileError: There is no such profile.
        PackError: The tool pack is wrong.
        WeightsError: Weights are missing or damaged, or cannot be loaded yet.
    """
    from unison_agent.evaluation.planning_run import Recorder
    from unison_agent.pipelines.store import NANO_FOLDER
    from unison_agent.vlm import UnderstandingModel

    spec = load_pack(profile).understanding
    if spec.source == "hub":
        msg = f"The understanding model {spec.repo} comes from the hub, which cannot be loaded yet."
        raise WeightsError(msg, hint="Plan with the profile 'nano'.")
    folder = NANO_FOLDER.parent / spec.weights
    model = UnderstandingModel.load_nano(
        folder, layer=spec.layer, dtype=spec.dtype, progress=progress
    )
    recorder = Recorder(model)
    calibration = Calibration.load(folder / "planner" / "calibration.json")
    return Planner(recorder, calibration), recorder
