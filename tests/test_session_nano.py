"""Turns that point back, planned by the real planner; what they would make is drawn flat."""

import pytest

from unison_agent.agent import Unison
from unison_agent.opening import load_calibration, load_understanding
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.progress import silent
from unison_agent.router import AdapterTool, Router
from unison_agent.tasks import CustomCall
from unison_agent.testing import EchoAdapter

# What was made before, then the turn, the task it should be, and which of what was made it is about.
CLIP = ("text_to_video", "a green ball rolling")
STAR, CIRCLE, FISH = (
    ("text_to_image", words) for words in ("a red star", "a green circle", "a blue fish")
)
TALKS = [
    ([STAR], "now make it blue", "image_editing", 1),
    ([STAR, CIRCLE], "animate the second one", "image_to_video", 2),
    ([STAR, CIRCLE], "turn the first one yellow", "image_editing", 1),
    ([STAR], "Change the star to green", "image_editing", 1),
    ([STAR, CIRCLE], "now the background black", "image_editing", 2),
    ([STAR, CIRCLE], "turn it into a video", "image_to_video", 2),
    ([STAR, CLIP], "what is in the picture?", "image_understanding", 1),
    ([STAR, CLIP], "make the ball in the clip blue", "video_editing", 2),
    ([FISH], "use it as a reference for a fish under a tree", "image_reference_generation", 1),
    ([STAR, CIRCLE], "Draw a yellow moon", "text_to_image", None),
]


@pytest.fixture(scope="module")
def unison() -> Unison:
    pack = load_pack("nano")
    model = load_understanding(pack.understanding, silent)
    tools = [AdapterTool(spec, EchoAdapter()) for spec in pack.tools]
    planner = Planner(model, load_calibration(pack.understanding))
    return Unison(planner, Router(tools, profile="echo"))


@pytest.mark.parametrize(("made", "text", "task", "which"), TALKS)
def test_a_turn_is_about_what_it_points_back_at(
    unison: Unison, made: list[tuple[str, str]], text: str, task: str, which: int | None
) -> None:
    session = unison.session()
    shas: list[str] = []
    for name, prompt in made:
        shas += [one.sha256 for one in session.call(name, {"prompt": prompt}).artifacts]
    planned = session.plan(text)
    assert [call.task for call in planned.steps] == [task]
    assert not isinstance(planned.steps[0], CustomCall)
    about = [planned.media.medium(handle).sha256 for handle in planned.media.handles]
    assert about == ([] if which is None else [shas[which - 1]])
