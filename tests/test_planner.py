import json

import pytest

from unison_agent.errors import PlanningError, RequestError
from unison_agent.grammar import SLOTS, request_grammar
from unison_agent.planner import Planner, prompt_text, read_plan
from unison_agent.tasks import (
    TASK_CALL,
    ImageEditing,
    ImageReferenceGeneration,
    ImageToVideo,
    MediaKind,
    Request,
    TextToImage,
    VideoEditing,
    VideoUnderstanding,
)
from unison_agent.training.planning_data import name_attachments


def request(text: str, *kinds: MediaKind) -> Request:
    return Request(text=text, attachments=name_attachments(kinds))


class FixedWriter:
    """Writes one given text and remembers what it was asked."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[tuple[str, str, int]] = []

    def write(self, prompt: str, grammar: str, *, max_new_tokens: int) -> str:
        self.asked.append((prompt, grammar, max_new_tokens))
        return self.text


def test_the_writer_reads_handles_and_words_under_the_requests_grammar():
    writer = FixedWriter('{"task":"image_editing","source":"image_1","target":"star"}')
    asked = request("Turn the star green", "image")
    plan = Planner(writer).plan(asked)
    assert plan.steps == (
        ImageEditing(
            task="image_editing",
            source="image_1",
            target="star",
            prompt="Turn the star green",
        ),
    )
    (prompt, grammar, _), *rest = writer.asked
    assert prompt == "attachments: image_1\nTurn the star green"
    assert grammar == request_grammar(asked.text, asked.attachments)
    assert not rest


def test_the_whole_request_is_the_prompt_or_the_question():
    drawn = read_plan(request("Draw a star, seed 7"), '{"task":"text_to_image","seed":7}')
    assert drawn.steps == (TextToImage(task="text_to_image", prompt="Draw a star, seed 7", seed=7),)
    asked = read_plan(request("What moves?", "video"), '{"task":"video_understanding"}')
    assert asked.steps == (VideoUnderstanding(task="video_understanding", question="What moves?"),)


def test_stated_values_and_roles_arrive():
    plan = read_plan(
        request("go", "image", "image"),
        '{"task":"image_to_video","first_frame":"image_1","last_frame":"image_2","duration_seconds":1.5}',
    )
    (call,) = plan.steps
    assert isinstance(call, ImageToVideo)
    assert (call.first_frame, call.last_frame, call.duration_seconds) == ("image_1", "image_2", 1.5)
    assert call.fps is None
    assert call.width is None


def test_a_video_can_be_masked_by_an_image():
    written = '{"task":"video_editing","source":"video_1","mask":"image_1"}'
    (call,) = read_plan(request("go", "image", "video"), written).steps
    assert isinstance(call, VideoEditing)
    assert call.mask == "image_1"


@pytest.mark.parametrize("slot", SLOTS)
def test_missing_input_asks_a_question(slot: str):
    plan = read_plan(request("go"), json.dumps({"needs_input": slot}))
    assert plan.steps == ()
    assert plan.missing is not None
    assert plan.missing.slot == slot
    assert "?" in plan.missing.question


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "one JSON object"),
        ("[1]", "one JSON object"),
        ('{"task":"text_to_image"', "one JSON object"),
        ('{"task":"paint"}', "paint"),
        ('{"task":"text_to_image","width":0}', "width"),
        ('{"task":"text_to_image","colour":"red"}', "colour"),
        ('{"task":"image_editing","source":"image_2"}', "attached: image_1, video_1"),
        ('{"task":"image_editing","source":"video_1"}', "source must be an attached image"),
        ('{"task":"video_editing","source":"image_1"}', "source must be an attached video"),
        ('{"task":"image_editing","source":"image_1","mask":"image_1"}', "source and mask"),
        ('{"task":"image_editing","source":"image_1","mask":"video_1"}', "mask must be"),
        ('{"task":"image_controllable_generation","control":"video_1"}', "control must be"),
        ('{"task":"video_controllable_generation","control":"image_1"}', "control must be"),
        ('{"task":"image_to_video","first_frame":"video_1"}', "first_frame must be"),
        ('{"task":"image_to_video"}', "first_frame"),
        ('{"task":"image_reference_generation","references":["video_1"]}', "references must be"),
        ('{"task":"image_reference_generation","references":["image_1","image_1"]}', "twice"),
        ('{"needs_input":"money"}', "needs_input must be one of"),
        ('{"needs_input":"mask","task":"text_to_image"}', "needs_input must be one of"),
    ],
)
def test_what_is_no_plan_is_refused_with_what_was_written(written: str, said: str):
    with pytest.raises(PlanningError, match="no usable plan") as caught:
        read_plan(request("go", "image", "video"), written)
    assert said in str(caught.value)
    assert repr(written) in str(caught.value)
    assert caught.value.hint


def test_understanding_needs_its_medium():
    with pytest.raises(PlanningError, match="needs an attached video"):
        read_plan(request("what?", "image"), '{"task":"video_understanding"}')


def test_a_request_without_words_is_refused_before_anything_is_written():
    writer = FixedWriter("{}")
    with pytest.raises(RequestError, match="no words"):
        Planner(writer).plan(request(" \n"))
    assert writer.asked == []


def test_references_keep_their_order():
    written = '{"task":"image_reference_generation","references":["image_1","image_2"]}'
    (call,) = read_plan(request("both", "image", "image"), written).steps
    assert isinstance(call, ImageReferenceGeneration)
    assert call.references == ("image_1", "image_2")


def test_a_very_long_request_is_read_at_both_ends():
    text = "start " + "very " * 1600 + "end"
    prompt = prompt_text(request(text))
    assert len(prompt) < 2600
    assert prompt.startswith("attachments: none\nstart")
    assert prompt.endswith("end")
    (call,) = read_plan(request(text), '{"task":"text_to_image"}').steps
    assert call == TASK_CALL.validate_python({"task": "text_to_image", "prompt": text})
