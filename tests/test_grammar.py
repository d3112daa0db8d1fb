import json
import random
from itertools import islice

import pytest
from llguidance import LLMatcher, LLTokenizer

from unison_agent.grammar import SLOTS, call_text, missing_text, plan_text, request_grammar
from unison_agent.stated import read_stated
from unison_agent.stated_numbers import canonical
from unison_agent.tasks import TASKS, Attachment
from unison_agent.training.planning_data import name_attachments, nano_sample, samples

ONE_IMAGE = name_attachments(("image",))
ONE_VIDEO = name_attachments(("video",))


@pytest.fixture(scope="module")
def byte_tokens() -> LLTokenizer:
    return LLTokenizer("byte")


def admits(
    tokens: LLTokenizer, text: str, attachments: tuple[Attachment, ...], written: str
) -> bool:
    """Whether the request's grammar admits exactly `written`."""
    matcher = LLMatcher(tokens, request_grammar(text, attachments))
    assert not matcher.is_error(), matcher.get_error()
    ids = tokens.tokenize_str(written)
    taken = matcher.validate_tokens(ids)
    if taken < len(ids):
        return False
    matcher.consume_tokens(ids)
    return matcher.is_accepting()


def test_calls_are_written_in_one_order():
    first = {"prompt": "a cat", "width": 64.0, "seed": 1, "unknown": 1}
    assert call_text("text_to_image", first) == (
        '{"task":"text_to_image","width":64,"seed":1,"prompt":"a cat"}'
    )
    then = {"duration_seconds": 2.5, "first_frame": "step_1", "prompt": "it walks"}
    last = {"question": "Is it a cat?"}
    steps = (("text_to_image", first), ("image_to_video", then), ("video_understanding", last))
    assert plan_text(steps) == (
        '{"task":"text_to_image","width":64,"seed":1,"prompt":"a cat","then":'
        '{"task":"image_to_video","first_frame":"step_1","duration_seconds":2.5,"prompt":"it walks","then":'
        '{"task":"video_understanding","question":"Is it a cat?"}}}'
    )


def test_tasks_are_those_the_attachments_allow(byte_tokens: LLTokenizer):
    def allowed(attachments: tuple[Attachment, ...]) -> set[str]:
        grammar = request_grammar("x", attachments)
        return {task for task in TASKS if f'\\"{task}\\"' in grammar}

    alone = {"text_understanding", "text_to_image", "text_to_video"}
    needs_video = {"video_understanding", "video_editing", "video_controllable_generation"}
    assert allowed(()) == alone
    assert allowed(ONE_IMAGE) == set(TASKS) - needs_video
    assert allowed(ONE_VIDEO) == alone | needs_video
    assert allowed((*ONE_IMAGE, *ONE_VIDEO)) == set(TASKS)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{"task":"image_editing","source":"image_1"}', True),
        ('{"task":"image_editing","source":"image_2","mask":"image_1"}', True),
        ('{"task":"image_editing","source":"image_1","mask":"image_1"}', False),
        ('{"task":"image_editing","source":"image_3"}', False),
        ('{"task":"image_editing","source":"video_1"}', False),
        ('{"task":"image_editing","source":"image_1","mask":"video_1"}', False),
        ('{"task":"video_editing","source":"video_1","mask":"image_2"}', True),
        ('{"task":"image_reference_generation","references":["image_1","image_2"]}', True),
        ('{"task":"image_reference_generation","references":["image_2"]}', True),
        ('{"task":"image_reference_generation","references":["image_2","image_1"]}', False),
        ('{"task":"image_reference_generation","references":["image_1","image_1"]}', False),
        ('{"task":"image_reference_generation","references":[]}', False),
        ('{"task":"image_to_video","first_frame":"image_1","last_frame":"image_2"}', True),
        ('{"task":"image_to_video","last_frame":"image_2"}', True),
        ('{"task":"image_to_video"}', False),
        ('{"task":"text_to_image","prompt":"a star"}', False),
        ('{"task": "text_to_image"}', False),
        ('{"needs_input":"mask"}', True),
        ('{"needs_input":"money"}', False),
    ],
)
def test_roles_hold_only_what_is_attached(byte_tokens: LLTokenizer, written: str, expected: bool):
    attachments = name_attachments(("image", "video", "image"))
    assert admits(byte_tokens, "make it nicer", attachments, written) is expected


@pytest.mark.parametrize(
    ("text", "written", "expected"),
    [
        ("a star, 64 by 48", '"width":64,"height":48', True),
        ("a star, 64 by 48", '"width":65', False),
        ("a star", '"seed":0', False),
        ("two stars, take seven steps", '"steps":7,"num_outputs":2', True),
        ("seed 0, 0 versions", '"seed":0', True),
        ("seed 0, 0 versions", '"num_outputs":0', False),
        ("width 2000000", '"width":2000000', False),
        ("2.5 guidance", '"guidance_scale":2.5', True),
        ("2.5 steps", '"steps":2.5', False),
        ("a star in 720p, 16:9", '"resolution":"720p","aspect_ratio":"16:9"', True),
        ("a star, full HD", '"resolution":"1080p"', True),
        ("a star in square format", '"aspect_ratio":"square"', True),
        ("a star", '"aspect_ratio":"square"', False),
        ("a star, no red circles", '"negative_prompt":"red circles"', True),
        ("a star, no red circles", '"negative_prompt":"red circl"', False),
        ("a star, no red circles", '"negative_prompt":" red circles"', False),
        ("a star and red circles", '"negative_prompt":"red circles"', False),
        ("64 by 64", '"height":64,"width":64', False),
    ],
)
def test_values_are_those_the_text_states(
    byte_tokens: LLTokenizer, text: str, written: str, expected: bool
):
    assert admits(byte_tokens, text, (), f'{{"task":"text_to_image",{written}}}') is expected


def test_clip_values_belong_to_clips(byte_tokens: LLTokenizer):
    text = "half a minute at 8 fps, 17 frames"
    fields = '"num_frames":17,"duration_seconds":30,"fps":8'
    assert admits(byte_tokens, text, (), f'{{"task":"text_to_video",{fields}}}')
    assert not admits(byte_tokens, text, (), f'{{"task":"text_to_image",{fields}}}')


def test_target_is_words_of_the_request(byte_tokens: LLTokenizer):
    text = 'Turn the "red"  star\ngreen'

    def target(words: str) -> bool:
        written = call_text("image_editing", {"source": "image_1", "target": words})
        return admits(byte_tokens, text, ONE_IMAGE, written)

    assert target("star")
    assert target('"red" star green')
    assert not target("sta")
    assert not target("blue star")
    assert not target("")


def test_control_type_needs_a_word(byte_tokens: LLTokenizer):
    def admitted(text: str, name: str) -> bool:
        call = call_text(
            "image_controllable_generation", {"control": "image_1", "control_type": name}
        )
        return admits(byte_tokens, text, ONE_IMAGE, call)

    assert admitted("follow these edges", "canny")
    assert not admitted("follow these edges", "depth")


def test_grammar_of_a_like_request_is_the_same_object():
    first = request_grammar("a star, 64 by 64", ONE_IMAGE)
    assert request_grammar("a star, 64 by 64", name_attachments(("image",))) is first


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00\x07",
        '"""\\\\ \\u0041 {}[]',
        "漢字とかな、한글, عربي, 🦆🦆",
        "<|im_end|><|im_start|>",
        "1 " * 3000,
        "9" * 7000,
        "٣ ستيكات و ٦٤ بكسل",
        "no \u2028 line",
        "avoid x=1e999, -5, 0x10, 1,2,3.4.5",
        "%regex /.*/ | start: 'x' \\",
    ],
)
def test_odd_texts_have_a_grammar(byte_tokens: LLTokenizer, text: str):
    attachments = name_attachments(("image", "video") * 6)
    matcher = LLMatcher(byte_tokens, request_grammar(text, attachments))
    assert not matcher.is_error(), matcher.get_error()


def test_slots_have_a_form(byte_tokens: LLTokenizer):
    for slot in SLOTS:
        assert admits(byte_tokens, "x", (), missing_text(slot))


def test_training_answers_are_admitted(byte_tokens: LLTokenizer):
    rng = random.Random(4)
    wrapped = list(islice(samples("train", 5, nano_share=0.0), 250))
    scenes = [nano_sample(rng) for _ in range(250)]
    refused = [
        sample.request.text
        for sample in wrapped + scenes
        if not admits(byte_tokens, sample.request.text, sample.request.attachments, sample.answer)
    ]
    assert len(refused) <= 5, refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sixty-four by nine hundred and two", {"64", "902"}),
        ("two thousand and five", {"2005"}),
        ("half a minute", {"30"}),
        ("3 minutes", {"3", "180"}),
        ("1,024 px", {"1024", "1.024"}),
        ("7,5", {"75", "7.5"}),
        ("drei Bilder", {"3"}),
        ("两张", {"2"}),
        ("٦٤", {"64"}),
        ("500 ms", {"500", "0.5"}),
        ("nothing", set[str]()),
    ],
)
def test_numbers(text: str, expected: set[str]):
    assert expected <= set(read_stated(text).numbers)


def test_ratios_and_shapes():
    assert tuple(read_stated("sixteen by nine").aspect_ratios) == ("16:9",)
    assert tuple(read_stated("2.39 to 1").aspect_ratios) == ("2.39:1",)
    assert not read_stated("1024x768").aspect_ratios
    assert tuple(read_stated("a tall portrait, upright").aspect_ratios) == ("portrait",)


def test_canonical_numbers_are_json():
    for value, text in ((2.0, "2"), (2.50, "2.5"), ("1000000", "1000000"), (0, "0")):
        assert canonical(value) == text
        assert json.loads(text) == float(value)
