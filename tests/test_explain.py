import io

import pytest
from rich.console import Console

from unison_agent.cli.show import plan_lines
from unison_agent.explain import Explanation, reading_words
from unison_agent.media import MediaSet
from unison_agent.planned import Planned
from unison_agent.planning.plan_reading import read_plan
from unison_agent.planning.planner import ask_if_unsure
from unison_agent.tasks import Attachment, CustomCall, Evidence, Plan, Request, TextToImage

IMAGE = (Attachment(handle="image_1", kind="image"),)


def explained(text: str, written: str, confidence: float | None = None) -> Explanation:
    return Explanation(
        read_plan(Request(text=text, attachments=IMAGE), written, confidence=confidence)
    )


def terminal(shown: object) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system="standard")
    console.print(shown)
    return out.getvalue()


def test_the_words_that_state_a_value_are_marked():
    shown = explained(
        "a star, 64 by 48, no text",
        '{"task":"text_to_image","width":64,"height":48,"negative_prompt":"text","prompt":"a star"}',
        confidence=0.934,
    )
    assert str(shown) == (
        "[a star prompt], [64 width] by [48 height], no [text negative prompt]\n"
        'step 1 make an image (negative prompt text, width 64, height 48): "a star"\n'
        "confidence 93%"
    )
    assert "\x1b[1;36m64\x1b[0m" in terminal(shown)
    assert "\x1b[4ma star\x1b[0m" in terminal(shown)
    html = shown._repr_html_()
    assert 'title="step 1: width">64</mark> by ' in html
    assert "confidence 93%" in html


def test_marks_lie_in_one_another_and_name_their_step():
    shown = explained(
        "draw a star, then turn the star green",
        '{"task":"text_to_image","prompt":"a star","then":'
        '{"task":"image_editing","source":"step_1","target":"star","prompt":"turn the star green"}}',
    )
    assert str(shown).splitlines() == [
        "draw [a star prompt 1], then [turn the [star target 2] green prompt 2]",
        'step 1 make an image: "a star"',
        'step 2 edit an image (source step_1, target star): "turn the star green"',
    ]
    assert 'title="step 2: prompt, step 2: target">star</mark>' in shown._repr_html_()


def test_the_whole_request_is_not_quoted_again():
    assert str(explained("a star", '{"task":"text_to_image"}')) == "a star\nstep 1 make an image"


def test_what_is_missing_and_what_was_understood():
    shown = explained("edit it", '{"needs_input":"source"}')
    assert str(shown).startswith("edit it\nmissing source: Which image")
    assert "missing" in shown._repr_html_()
    sure = explained("a star, 64 wide", '{"task":"text_to_image","width":64}', 0.2).plan
    asked = str(Explanation(ask_if_unsure(sure, 0.5)))
    assert "a star, [64 width] wide\nmissing question: I read this as: make an image" in asked
    assert "step 1 make an image (width 64)" in asked


def test_requests_cannot_steer_a_terminal_or_a_page():
    text = "a \x1b[2Jstar \u202e64 <script>[bold]&\x00\x9b"
    shown = explained(text, '{"task":"text_to_image","width":64}')
    for out in (str(shown), shown._repr_html_(), terminal(shown).replace("\x1b[", "")):
        assert not set("\x1b\u202e\x00\x9b") & set(out)
    assert "[bold]" in terminal(shown)
    assert "<script>" not in shown._repr_html_()
    assert "&lt;script&gt;" in shown._repr_html_()


def test_marks_that_cross():
    call = TextToImage(task="text_to_image", prompt="a b", negative_prompt="b c")
    evidence = (
        Evidence(step=1, field="prompt", start=0, end=3),
        Evidence(step=1, field="negative_prompt", start=2, end=5),
    )
    plan = Plan(request=Request(text="a b c"), steps=(call,), evidence=evidence)
    first = str(Explanation(plan)).splitlines()[0]
    assert first.count("[") == first.count("]")
    assert first.replace("[", "").startswith("a b")


def test_reading_words_are_short():
    calls = (
        TextToImage(task="text_to_image", prompt="x" * 200),
        CustomCall(tool="crop", arguments={"image": "step_1", "left": 4}),
    )
    words = reading_words(calls)
    assert words.startswith('make an image: "xxx')
    assert words.endswith('...", then run crop (image step_1, left 4)')
    assert len(words) < 160


def test_planned_explains_itself():
    plan = explained("a star, seed 7", '{"task":"text_to_image","seed":7}').plan
    planned = Planned(plan, MediaSet())
    assert planned.explain() == Explanation(plan)
    assert repr(planned.explain()) == str(planned.explain()) != ""  # what a prompt of Python shows
    assert planned.confirmed() == planned


@pytest.mark.parametrize("marked", [True, False])
def test_the_command_line_marks_the_request(marked: bool):
    plan = explained("a [red] star, seed 7", '{"task":"text_to_image","seed":7}').plan
    lines = plan_lines(plan, marked=marked)
    assert lines[-1].endswith("seed 7")
    assert len(lines) == 1 + marked
    if marked:
        assert lines[0] == r"a \[red] star, seed [bold green]7[/bold green]"


def test_what_no_step_holds_is_shown():
    shown = explained("a star, 17 frames", '{"task":"text_to_image","prompt":"a star"}')
    assert str(shown).splitlines()[-1] == "not used num frames 17"
    assert "not used num frames 17" in shown.html()
