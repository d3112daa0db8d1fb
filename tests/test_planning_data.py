import random
from itertools import islice

import pytest

from unison_agent.planner import read_plan
from unison_agent.tasks import TASKS
from unison_agent.training.edit_targets import find_target
from unison_agent.training.planner_evaluation import smoke_samples
from unison_agent.training.planning_data import load_wrappers, nano_sample, samples


def test_there_are_thousands_of_distinct_samples_of_every_task():
    made = list(islice(samples("train", 0), 4000))
    assert len({sample.request.text for sample in made}) > 3500
    assert {sample.task for sample in made} == {*TASKS, "needs_input"}
    assert sum(sample.origin == "nano" for sample in made) > 1000


def test_every_answer_is_a_plan_of_its_request():
    rng = random.Random(2)
    for sample in [*islice(samples("train", 1), 300), *(nano_sample(rng) for _ in range(300))]:
        plan = read_plan(sample.request, sample.answer)
        assert (plan.missing is not None) == (sample.task == "needs_input")


def test_a_seed_gives_the_same_samples():
    first, again = (list(islice(samples("train", 3), 50)) for _ in range(2))
    assert first == again


def test_held_out_wrappers_are_never_trained_on():
    train, held_out = ({w["request"] for _, w in load_wrappers(p)} for p in ("train", "held_out"))
    assert not train & held_out
    assert 0.07 < len(held_out) / len(train | held_out) < 0.13


def test_the_evaluation_requests_are_plans_and_their_own():
    own = smoke_samples()
    assert {sample.task for sample in own} == {*TASKS, "needs_input"}
    for sample in own:
        read_plan(sample.request, sample.answer)
    wrapped = {
        w["request"].lower() for part in ("train", "held_out") for _, w in load_wrappers(part)
    }
    assert not wrapped & {sample.request.text.lower() for sample in own}


@pytest.mark.parametrize(
    ("edit", "target"),
    [
        ("turn the star green", "star"),
        ("replace the red cat with a dog", "red cat"),
        ("make the background yellow", "background"),
        ("recolour her scarf to burnt orange, leaving the coat alone", "her scarf"),
        ("remove the tattoo from his forearm", "tattoo from his forearm"),
        ("erase the boy's reflection while he sings", "boy's reflection"),
        ("change the groom's suit from grey to burgundy", "groom's suit"),
        ("straighten the horizon", None),
        ("turn this into a watercolour", None),
        ("add a rainbow behind the barn", None),
        ("replace it with a dog", None),
    ],
)
def test_targets_of_edits(edit: str, target: str | None):
    assert find_target(edit) == target
