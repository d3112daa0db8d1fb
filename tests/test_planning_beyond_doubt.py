"""What the words leave no doubt about is in the plan, or told as unused; what may be of the picture is left alone."""

import json
from collections.abc import Mapping

import pytest

from unison_agent.planning.plan_reading import read_plan
from unison_agent.planning.planner import ask_if_unsure
from unison_agent.tasks import ImageToVideo, MediaKind, Plan, Request, TextToImage, TextToVideo
from unison_agent.training.planning_data import name_attachments


def planned(text: str, call: Mapping[str, object], *kinds: MediaKind) -> Plan:
    return read_plan(Request(text=text, attachments=name_attachments(kinds)), json.dumps(call))


def unused(plan: Plan) -> set[tuple[str, str]]:
    text = plan.request.text
    return {(one.field, text[one.start : one.end]) for one in plan.unused}


@pytest.mark.parametrize(
    ("text", "prompt", "expected"),
    [
        ("a fox, 81 frames", "a fox", {("num_frames", "81")}),
        ("a fox at 24 fps, 81 frames", "a fox", {("fps", "24"), ("num_frames", "81")}),
        # They are part of the picture: words of the prompt, or not certainly a setting.
        ('a sign that says "24 fps"', 'a sign that says "24 fps"', set[tuple[str, str]]()),
        ("a stair of 30 steps with 3 foxes", "a stair of 30 steps", set[tuple[str, str]]()),
        ("a fox with 39 steps behind it", "a fox", set[tuple[str, str]]()),
    ],
)
def test_what_no_step_can_hold_is_told(text: str, prompt: str, expected: set[tuple[str, str]]):
    plan = planned(text, {"task": "text_to_image", "prompt": prompt})
    assert unused(plan) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a 1920s silent film",
        "a fox, only one frame is fixed",
        "image_2 frames a fox",
        "these two frames, a fox",
        "a video of an 80s disco party",
        "a fox in clothes from the 70s",
        "a gallery wall with three frames",
    ],
)
def test_what_only_looks_certain_is_left_alone(text: str):
    plan = planned(text, {"task": "text_to_video", "prompt": "a"})
    assert plan.unused == ()
    (call,) = plan.steps
    assert isinstance(call, TextToVideo)
    assert (call.duration_seconds, call.num_frames) == (None, None)


@pytest.mark.parametrize("text", ["a fox, 30s", "a 90s clip of a fox", "a fox for 20s, no sound"])
def test_tens_of_seconds_are_no_decade(text: str):
    (call,) = planned(text, {"task": "text_to_video", "prompt": "a fox"}).steps
    assert isinstance(call, TextToVideo)
    assert call.duration_seconds in (20, 30, 90)


@pytest.mark.parametrize(
    "text",
    ["a pot, plant a seed 3 times in it", "a scoreboard showing 3:2", "a 1:1 scale model car"],
)
def test_seeds_of_plants_and_scores_are_no_settings(text: str):
    plan = planned(text, {"task": "text_to_image", "prompt": "a"})
    (call,) = plan.steps
    assert isinstance(call, TextToImage)
    assert (call.seed, call.aspect_ratio, plan.unused) == (None, None, ())


def test_what_a_planner_overlooked_is_taken_up_with_its_evidence():
    text = "a square slides in, 12 frames, 6 fps, seed 7, 480p"
    plan = planned(text, {"task": "text_to_video", "prompt": "a square slides in", "fps": 6})
    (call,) = plan.steps
    assert isinstance(call, TextToVideo)
    assert (call.num_frames, call.fps, call.seed, call.resolution) == (12, 6, 7, "480p")
    assert unused(plan) == set()
    said = {one.field: text[one.start : one.end] for one in plan.evidence}
    assert (said["num_frames"], said["seed"], said["resolution"]) == ("12", "7", "480p")


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a fox, seed 4, 25 steps", 25),
        ("a fox. guidance 6.5, 25 steps, small", 25),
        ("25 sampling steps, a fox", 25),
        ("a fox on a porch with 3 steps, seed 4, 25 steps", 25),
        # Of the picture, as far as the words go.
        ("a fox on a wooden deck, 4 steps, a red door", None),
        ("a fox and a staircase with 30 steps", None),
        ("a fox and 20 steps, seed 4", None),
    ],
)
def test_steps_beside_a_setting_are_taken_up(text: str, steps: int | None):
    plan = planned(text, {"task": "text_to_image", "prompt": "a fox"})
    (call,) = plan.steps
    assert isinstance(call, TextToImage)
    assert call.steps == steps
    assert "steps" not in {one.field for one in plan.unused}


def test_a_value_goes_to_the_one_step_that_can_hold_it():
    then = {"task": "image_to_video", "first_frame": "step_1", "prompt": "let it drive"}
    plan = planned(
        "a tram, then let it drive for 5 seconds",
        {"task": "text_to_image", "prompt": "a tram", "then": then},
    )
    first, second = plan.steps
    assert isinstance(first, TextToImage)
    assert isinstance(second, ImageToVideo)
    assert second.duration_seconds == 5
    assert [one.step for one in plan.evidence if one.field == "duration_seconds"] == [2]


def test_a_value_that_either_step_could_hold_is_told():
    then = {"task": "image_to_video", "first_frame": "step_1", "prompt": "let it drive"}
    plan = planned(
        "a tram, then let it drive, seed 7",
        {"task": "text_to_image", "prompt": "a tram", "then": then},
    )
    assert unused(plan) == {("seed", "7")}


def test_how_many_is_taken_up_of_what_is_made_and_never_told():
    plan = planned(
        "four options: a fox with two cubs", {"task": "text_to_image", "prompt": "a fox"}
    )
    (call,) = plan.steps
    assert isinstance(call, TextToImage)
    assert call.num_outputs == 4
    held = {"task": "text_to_image", "prompt": "a fox", "num_outputs": 3}
    assert planned("a fox, two options, say 3", held).unused == ()


def test_a_value_beside_another_is_told():
    call = {"task": "text_to_video", "prompt": "a fox", "duration_seconds": 9}
    plan = planned("a fox, 8 seconds, no, 9 seconds", call)
    assert unused(plan) == {("duration_seconds", "8")}


def test_a_question_uses_all_of_its_words():
    text = "what is 24 fps?"
    plan = planned(text, {"task": "text_understanding", "question": text})
    assert plan.unused == ()


def test_an_unsure_plan_tells_it_too():
    text = "a fox, 81 frames"
    written = json.dumps({"task": "text_to_image", "prompt": "a fox"})
    sure = read_plan(Request(text=text), written, confidence=0.2)
    unsure = ask_if_unsure(sure, 0.9)
    assert unsure.steps == ()
    assert unused(unsure) == unused(unsure.confirmed()) == {("num_frames", "81")}


@pytest.mark.parametrize(
    ("text", "prompt", "field", "expected"),
    [
        ("video_1 holds the skeletons. A wizard.", "A wizard", "control_type", "pose"),
        ("Folge den Posen im Video: ein Ritter", "ein Ritter", "control_type", "pose"),
        ("edges and depth of it: a knight", "a knight", "control_type", None),  # one of two
        ("the clip: a knight at the edge", "a knight at the edge", "control_type", None),
        ("a knight without blurry edges", "a knight", "control_type", None),
        ("not the depth, the outlines! a knight", "a knight", "control_type", "canny"),
        ("a knight, vertical video", "a knight", "aspect_ratio", "portrait"),
        ("a knight, 16:9", "a knight", "aspect_ratio", "16:9"),
        ("9:16 portrait format: a knight", "a knight", "aspect_ratio", "9:16"),
        ("9:16 landscape format: a knight", "a knight", "aspect_ratio", None),
        ("ارسم فارسا a knight", "a knight", "control_type", None),
        ("Show three posters of a knight", "a knight", "num_outputs", None),
        ("一个骑士。横屏", "一个骑士", "aspect_ratio", "landscape"),
        ("a knight, they won 7:2", "a knight", "aspect_ratio", None),
        ("a knight with a portrait of a king", "a knight", "aspect_ratio", None),
        ("Two clips of a knight", "a knight", "num_outputs", 2),
        ("a knight and two clips of hair", "a knight", "num_outputs", None),
    ],
)
def test_plain_names_are_taken_up(text: str, prompt: str, field: str, expected: object):
    call = {"task": "video_controllable_generation", "control": "video_1", "prompt": prompt}
    (step,) = planned(text, call, "video").steps
    assert getattr(step, field) == expected


def test_pictures_that_are_attached_are_not_those_wanted():
    call = {"task": "image_reference_generation", "references": ["image_1"], "prompt": "at sea"}
    (step,) = planned("Two photos of my dogs: at sea", call, "image", "image").steps
    assert getattr(step, "num_outputs", 0) is None


@pytest.mark.parametrize(
    ("edit", "target", "expected"),
    [
        ("turn the triangle from blue to orange", "triangle from blue to orange", "triangle"),
        ("make it night", "night", None),
        ("fix the clip", "clip", None),
        ("put sand under the mask", "under the mask", None),
        ("repaint the man on the left", "man on the left", "man on the left"),
    ],
)
def test_a_target_names_a_thing(edit: str, target: str, expected: str | None):
    call = {"task": "image_editing", "source": "image_1", "target": target, "prompt": edit}
    (step,) = planned(f"{edit}, seed 4", call, "image").steps
    assert getattr(step, "target", "") == expected
