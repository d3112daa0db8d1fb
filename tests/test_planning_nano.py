"""Measuring and planning files with the shipped models, on a handful of requests."""

import json

from unison_agent.batch import plan_lines
from unison_agent.cli.opening import open_planner
from unison_agent.evaluation.planning import report
from unison_agent.evaluation.planning_cases import read_case
from unison_agent.evaluation.planning_run import run
from unison_agent.progress import silent

LINES = (
    '{"request": "Draw a red star on a blue background, 64 by 64", "media": [],'
    ' "call": {"task": "text_to_image", "width": 64, "height": 64}}',
    '{"request": "Turn the star green", "media": ["image"],'
    ' "call": {"task": "image_editing", "source": "image_1", "target": "star"}}',
    '{"request": "Which direction does the heart move?", "media": ["video"],'
    ' "call": {"task": "video_understanding"}}',
    '{"request": "What is the capital of France?", "media": [], "call": {"task": "text_understanding"}}',
    '{"request": "A clip of this fox sliding to the right on a green background", "media": ["image"],'
    ' "call": {"task": "video_reference_generation", "references": ["image_1"]}}',
)


def test_nano_is_measured_and_plans_a_file():
    planner, recorder = open_planner("nano", silent)
    cases = [read_case(line, place=str(number)) for number, line in enumerate(LINES)]
    outcomes = run(planner.plan, cases, recorder=recorder)
    found = report(outcomes)
    assert found.total.valid == 1.0
    assert found.total.task >= 0.6
    assert all(outcome.passes and outcome.written for outcome in outcomes)
    assert all(outcome.raw is not None and 0 < outcome.raw <= 1 for outcome in outcomes)

    lines = "\n".join(
        json.dumps({"id": number, "request": case.request.text, "media": media})
        for number, (case, media) in enumerate(
            zip(cases, ([], ["image"], ["video"], [], ["image"]), strict=True)
        )
    )
    batch = plan_lines(lines.encode(), planner)
    assert batch.failed == 0
    told = [json.loads(line) for line in batch.text.splitlines()]
    # Together or one by one: the tasks are the same.
    assert [entry["task"] for entry in told] == [outcome.task for outcome in outcomes]
