import json
import random
from itertools import islice
from typing import Any, cast

import pytest

from unison_agent.planning.planner import read_plan
from unison_agent.tasks import TASKS
from unison_agent.training.nano_plans import make_plan
from unison_agent.training.planning_data import (
    Sample,
    fill,
    nano_sample,
    samples,
)
from unison_agent.training.planning_wrappers import Wrapper, load_wrappers


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


def _wrapper(request: str, **meant: object) -> Wrapper:
    plain: dict[str, object] = {
        "request": request, "media": [], "task": "text_to_image", "roles": {}, "stated": {}, "lang": "de",
    }  # fmt: skip
    return cast("Wrapper", {**plain, **meant})


def _filled(wrapper: Wrapper, seed: int = 0) -> tuple[Sample, dict[str, Any]]:
    contents = {
        "caption": ["a red barn, dusk"],
        "negative": ["people"],
        "edit": ["shear the sheep\tsheep"],
    }
    sample = fill(wrapper, contents, random.Random(seed))
    return sample, json.loads(sample.answer)


def test_the_words_of_a_filled_wrapper_are_a_part_of_its_request():
    wrapper = _wrapper(
        "Please paint {caption}, in oil, {width}x{height}, no {negative}.",
        stated={"width": "{width}", "height": "{height}", "negative_prompt": "{negative}"},
        prompt="{caption}, in oil",
    )
    for seed in range(40):
        sample, call = _filled(wrapper, seed)
        assert call["prompt"] in sample.request.text
        assert call["prompt"].lower() == "a red barn, dusk, in oil"
        assert list(call) == ["task", "width", "height", "negative_prompt", "prompt"]


@pytest.mark.parametrize(
    "request_", ["{caption}", "{caption}!", "Please, {caption}.", "{caption} pls"]
)
def test_words_that_are_all_of_the_request_are_left_out(request_: str):
    _, call = _filled(_wrapper(request_, prompt="{caption}"))
    assert call == {"task": "text_to_image"}


def test_a_plan_of_steps_is_nested_and_its_roles_are_handles():
    steps: list[dict[str, object]] = [
        {"task": "image_reference_generation", "roles": {"references": [1, 0]}, "stated": {},
         "prompt": "{m1} and {m0} in a garden"},
        {"task": "image_to_video", "roles": {"first_frame": "step_1", "last_frame": 0},
         "stated": {"duration_seconds": "{duration}"}, "prompt": "animate it"},
        {"task": "image_understanding", "roles": {}, "stated": {}, "question": "is it good?"},
    ]  # fmt: skip
    wrapper = _wrapper(
        "put {m1} and {m0} in a garden, then animate it for {duration} seconds; is it good?",
        media=["image", "image"],
        steps_plan=steps,
    )
    sample, first = _filled(wrapper, 1)
    assert sample.steps == 3
    assert first["references"] == ["image_1", "image_2"]
    assert first["prompt"] == "image_2 and image_1 in a garden"
    second = first["then"]
    assert (second["first_frame"], second["last_frame"]) == ("step_1", "image_1")
    assert isinstance(second["duration_seconds"], int | float)
    assert second["then"] == {"task": "image_understanding", "question": "is it good?"}


def test_about_one_sample_in_fourteen_is_a_plan_of_steps():
    made = list(islice(samples("train", 4), 4000))
    assert 0.05 < sum(sample.steps > 1 for sample in made) / len(made) < 0.10
    scenes = {make_plan(random.Random(seed)).text for seed in range(500)}
    assert len(scenes) > 450


def test_the_target_of_an_edit_comes_with_its_line_and_stays_in_its_step():
    wrapper = _wrapper(
        "{edit}, then make it bigger",
        media=["image"],
        steps_plan=[
            {"task": "image_editing", "roles": {"source": 0}, "stated": {}, "prompt": "{edit}"},
            {"task": "image_editing", "roles": {"source": "step_1"}, "stated": {}, "prompt": "make it bigger"},
        ],
    )  # fmt: skip
    _, first = _filled(wrapper, 2)
    assert first["target"].lower() == "sheep"
    assert "target" not in first["then"]
    _, only = _filled(
        _wrapper("{edit}", media=["image"], task="image_editing", roles={"source": 0}), 2
    )
    assert only["target"].lower() == "sheep"
