"""Opens an agent for a command, or the planner of a profile by itself; it asks them nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unison_agent.custom.finding import find_tools
from unison_agent.custom.tool import CustomTool
from unison_agent.opening import load_calibration, load_understanding, planner_of
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.planning.signal_planner import SignalPlanner
from unison_agent.progress import Progress, silent

if TYPE_CHECKING:
    from unison_agent.agent import Unison
    from unison_agent.evaluation.planning_run import Recorder


def open_unison(
    profile: str,
    progress: Progress = silent,
    tools: Sequence[str] = (),
    also: Sequence[str] = (),
) -> "Unison":
    """Return the agent of a profile; its models are loaded when they are first needed.

    Args:
        profile: A profile's name, or the path of a tool pack.
        progress: Told of the download and of loading.
        tools: Where the user's own tools are; see `find_tools`.
        also: Other profiles and packs whose tools serve beside it.

    Raises:
        UnisonError: There is no such profile or tool, or they do not go together.
    """
    from unison_agent.agent import Unison

    return Unison.from_pretrained(profile, also=also, tools=find_tools(tools), progress=progress)


def open_planner(
    profile: str, progress: Progress, tools: Sequence[CustomTool] = ()
) -> "tuple[Planner | SignalPlanner, Recorder]":
    """Load the understanding model of a profile; return its planner and what records the planner's writing.

    Args:
        profile: A profile's name, or the path of a tool pack.
        progress: Told of the download and of loading.
        tools: What can be planned besides the tasks.

    Raises:
        UnknownProfileError: There is no such profile.
        PackError: The tool pack is wrong.
        WeightsError: Weights are missing or damaged, or could not be fetched.
    """
    from unison_agent.evaluation.planning_run import Recorder

    spec = load_pack(profile).understanding
    model = load_understanding(spec, progress, tools=tools)
    recorder = Recorder(model)
    return planner_of(spec, model, recorder, load_calibration(spec), tools), recorder
