import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from unison_agent.errors import PlanningError, RequestError
from unison_agent.evaluation.planning import (
    NO_PLAN,
    Outcome,
    field_scores,
    report,
    score,
    span_scores,
    token_f1,
)
from unison_agent.evaluation.planning_cases import (
    Case,
    Step,
    benchmark_files,
    read_case,
    read_cases,
    steps_of,
)
from unison_agent.evaluation.planning_report import document, tables
from unison_agent.evaluation.planning_run import run
from unison_agent.progress import ProgressEvent
from unison_agent.tasks import TASK_CALL, CustomCall, MissingInput, Plan, Request


def case(
    call: object, request: str = "Draw a red star, 64 by 64", media: object = (), **more: object
):
    line = {"request": request, "media": list(media), "call": call, **more}  # pyright: ignore[reportArgumentType, reportUnknownVariableType, reportCallIssue]
    return read_case(json.dumps(line), place="b.jsonl:7", file="b")


def outcome(wanted: object, *found: Step, media: object = (), **more: object) -> Outcome:
    return Outcome(case(wanted, media=media), found, **more)  # pyright: ignore[reportArgumentType]


STAR = {"task": "text_to_image", "width": 64, "height": 64, "prompt": "a red star"}


def test_a_line_becomes_a_case():
    found = case(STAR, slice="terse", lang="de")
    assert found.steps == (
        Step("text_to_image", {"width": 64, "height": 64, "prompt": "a red star"}),
    )
    assert found.slices == ("b", "b: terse", "lang: de")
    assert found.task == "text_to_image"


def test_steps_of_a_line_may_use_what_came_before():
    then = {"task": "image_to_video", "first_frame": "step_1", "duration_seconds": 2}
    found = case({**STAR, "then": then})
    assert [step.task for step in found.steps] == ["text_to_image", "image_to_video"]
    assert found.steps[1].fields == {"first_frame": "step_1", "duration_seconds": 2}


def test_missing_input_is_a_step_of_its_own():
    assert case({"needs_input": "source"}).steps == (Step("needs_input", {"slot": "source"}),)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ('{"request": "x", "media": []}', "a list of media and a call"),
        ('{"request": "x", "media": ["sound"], "call": {}}', "media are image and video"),
        ('{"request": " ", "media": [], "call": {}}', "no words"),
        ('{"request": "x", "media": [], "call": {"task": "paint"}}', "paint"),
        (
            '{"request": "x", "media": [], "call": {"needs_input": "money"}}',
            "needs_input is one of",
        ),
        (
            '{"request": "x", "media": [], "call": {"task": "image_editing", "source": "image_1"}}',
            "source cannot be 'image_1'",
        ),
        (
            '{"request": "x", "media": [], "call": {"task": "text_to_image", "then": 3}}',
            "then: expected a call",
        ),
    ],
)
def test_what_is_no_case_is_named_by_its_place(line: str, said: str):
    with pytest.raises(RequestError, match=r"^b\.jsonl:7: ") as caught:
        read_case(line, place="b.jsonl:7")
    assert said in str(caught.value)


def test_files_are_read_whole_or_as_a_sample(tmp_path: Path):
    path = tmp_path / "some.jsonl"
    lines = [
        json.dumps({"request": f"star {i}", "media": [], "call": {"task": "text_to_image"}})
        for i in range(10)
    ]
    path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    assert [found.request.text for found in read_cases([path], limit=2)] == ["star 0", "star 1"]
    sample = read_cases([path], limit=4, seed=1)
    assert sample == read_cases([path], limit=4, seed=1)
    assert sample != read_cases([path], limit=4)
    assert read_cases([path])[1].place == f"{path}:3"
    with pytest.raises(RequestError, match="cannot be read"):
        read_cases([tmp_path / "absent.jsonl"])


def test_the_benchmark_of_the_checkout_is_readable():
    assert len(read_cases(benchmark_files())) > 80


def test_a_plan_is_compared_without_words_that_are_the_whole_request():
    request = Request(text="Draw a star")
    whole = TASK_CALL.validate_python({"task": "text_to_image", "prompt": "Draw a star", "seed": 7})
    assert steps_of(Plan(request=request, steps=(whole,))) == (Step("text_to_image", {"seed": 7}),)
    part = TASK_CALL.validate_python({"task": "text_to_image", "prompt": "a star"})
    assert steps_of(Plan(request=request, steps=(part,)))[0].fields == {"prompt": "a star"}
    custom = CustomCall(tool="crop", arguments={"image": "image_1"})
    assert steps_of(Plan(request=request, steps=(custom,))) == (Step("crop", {"image": "image_1"}),)
    missing = Plan(request=request, missing=MissingInput(slot="mask", question="Which?"))
    assert steps_of(missing) == (Step("needs_input", {"slot": "mask"}),)


def test_words_do_not_count_for_exact():
    found = outcome(
        STAR, Step("text_to_image", {"width": 64.0, "height": 64, "prompt": "red star"})
    )
    assert found.right
    assert span_scores(found) == [pytest.approx(2 * 2 / 5)]


def test_no_plan_is_wrong_in_everything():
    none = outcome(STAR, error="no plan")
    assert (none.valid, none.right, none.steps_right, none.task) == (False, False, False, NO_PLAN)
    assert span_scores(none) == [0.0]
    scores = score([none])
    assert (scores.valid, scores.task, scores.exact) == (0.0, 0.0, 0.0)
    assert (scores.stated.precision, scores.stated.recall) == (None, 0.0)


def test_left_out_words_are_the_whole_request():
    found = outcome(STAR, Step("text_to_image", {}))
    # "a red star" of "Draw a red star, 64 by 64": 3 of 7 words.
    assert span_scores(found) == [pytest.approx(2 * 3 / (3 + 7))]


def test_precision_and_recall_of_fields():
    fields = field_scores(
        [
            outcome(STAR, Step("text_to_image", {"width": 64, "height": 48, "seed": 64})),
            outcome(STAR, Step("text_to_image", {"width": 64})),
        ]
    )
    assert (fields["width"].precision, fields["width"].recall) == (1.0, 1.0)
    assert (fields["height"].precision, fields["height"].recall) == (0.0, 0.0)
    assert (fields["seed"].precision, fields["seed"].recall) == (0.0, None)
    assert fields["prompt"].wanted == 2


def test_a_step_too_many_counts_against_precision_and_one_too_few_against_recall():
    star = Step("text_to_image", {"width": 64, "height": 64})
    move = Step("image_to_video", {"first_frame": "step_1"})
    more = outcome(STAR, star, move)
    assert not more.right
    assert more.task == "text_to_image"
    assert field_scores([more])["first_frame"].found == 1
    then = {"task": "image_to_video", "first_frame": "step_1"}
    fewer = outcome({**STAR, "then": then}, star)
    assert not fewer.steps_right
    assert field_scores([fewer])["first_frame"].wanted == 1
    assert score([more, fewer]).task == 1.0
    assert score([more, fewer]).steps == 0.0


def test_token_f1():
    assert token_f1("A red star!", "a red star") == 1.0
    assert token_f1("", "") == 1.0
    assert token_f1("", "star") == 0.0
    assert token_f1("star star", "star") == pytest.approx(2 / 3)
    assert token_f1("红色的星", "红色") == pytest.approx(2 * 2 / 6)


def test_a_report_groups_and_confuses():
    star = Step("text_to_image", {"width": 64, "height": 64, "prompt": "a red star"})
    clip = Step("text_to_video", {"width": 64, "height": 64})
    right = outcome(STAR, star, confidence=0.95, passes=4, seconds=0.1)
    wrong = outcome(STAR, clip, confidence=0.95, passes=6, seconds=0.3, written='{"task":...}')
    asks = outcome(
        {"needs_input": "source"}, Step("needs_input", {"slot": "source"}), confidence=1.0
    )
    found = report([right, wrong, asks])
    assert found.total.requests == 3
    assert found.total.exact == pytest.approx(2 / 3)
    assert found.total.passes == 5
    assert found.total.milliseconds == pytest.approx(400 / 3)
    # One bin: 3 plans, 2 right, confidence 2.9 in all.
    assert found.total.calibration_error == pytest.approx(0.9 / 3)
    assert found.tasks["text_to_image"].task == 0.5
    assert found.tasks["needs_input"].exact == 1.0
    assert found.slices["b"].requests == 3
    ((pair),) = found.confusions
    assert (pair.wanted, pair.found, pair.count) == ("text_to_image", "text_to_video", 1)
    assert found.mistakes == (wrong,)

    told = json.loads(json.dumps(document(found)))
    assert told["total"]["stated"]["precision"] == pytest.approx(1.0)
    assert told["mistakes"][0]["found"][0]["task"] == "text_to_video"
    console = Console(width=140, file=io.StringIO(), record=True)
    for part in tables(found, mistakes=3):
        console.print(part)
    text = console.export_text()
    for words in (
        "needs_input",
        "66.7",
        "text_to_video 1",
        "(to the letter)",
        "wanted",
        "b.jsonl:7",
    ):
        assert words in text


def test_a_report_without_mistakes_says_so():
    shown = tables(report([outcome({"task": "text_to_image"}, Step("text_to_image", {}))]))
    assert "No task was taken for another.\n" in shown


def test_running_records_plans_and_failures():
    seen: list[ProgressEvent] = []
    cases = [case(STAR), case(STAR, "no")]

    def plan(request: Request) -> Plan:
        if request.text == "no":
            raise PlanningError("It wrote nothing.")
        call = TASK_CALL.validate_python({"task": "text_to_image", "prompt": "a red star"})
        return Plan(request=request, steps=(call,), confidence=0.5)

    first, second = run(plan, cases, progress=seen.append)
    assert first.steps == (Step("text_to_image", {"prompt": "a red star"}),)
    assert (first.confidence, first.passes) == (0.5, None)
    assert (second.steps, second.error) == ((), "It wrote nothing.")
    assert [event.done for event in seen] == [0, 1, 2]
    assert run(plan, []) == []


def test_scores_of_nothing_are_zero():
    assert score([]).requests == 0
    assert report([]).tasks == {}


def test_a_case_without_slices_is_only_in_the_total():
    lonely = Case(Request(text="x"), (Step("text_to_image", {}),))
    assert report([Outcome(lonely, lonely.steps)]).slices == {}
