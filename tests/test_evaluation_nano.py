"""The measures of generation and understanding: true pictures score full, wrong ones do not."""

import io
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from rich.console import Console
from typer.testing import CliRunner

from unison_agent.agent import Unison
from unison_agent.cli.app import app
from unison_agent.evaluation import generation, judge, pairs, task_reports, understanding
from unison_agent.evaluation.generation_cases import cases
from unison_agent.media import Medium
from unison_agent.result import Result
from unison_agent.scenes import held_out, words, world
from unison_agent.tasks import (
    GENERATION_TASKS,
    UNDERSTANDING_TASKS,
    GenerationTask,
    Plan,
    Task,
    TextToImage,
)


@pytest.fixture(scope="module")
def nano() -> Unison:
    return Unison.from_pretrained("nano")


@pytest.mark.parametrize("task", GENERATION_TASKS)
def test_cases_are_held_out_and_always_the_same(task: GenerationTask) -> None:
    first, second = (list(cases(task, 6)) for _ in range(2))
    assert [c.plan for c in first] == [c.plan for c in second]
    for case in first:
        assert any(
            held_out.is_held_out(scene)
            for scene in (case.said.scene, case.said.source)
            if scene is not None
        )
        assert len(case.media) == len(case.plan.request.attachments)
    if task.endswith("editing"):
        assert [c.mask_given for c in first] == [True, False] * 3


@pytest.mark.parametrize("task", GENERATION_TASKS)
def test_true_renderings_score_full(task: GenerationTask) -> None:
    scores = generation.true_renderings(task, 6).scores
    assert scores["all"].value > 80  # names are seen by a model
    for name, score in scores.items():
        if score.unit == "IoU":
            assert score.value > 0.9
        elif score.unit == "dB":
            assert score.value == 60
        elif name in ("ground", "place", "color", "motion", "nothing left"):
            assert score.value == 100


def test_wrong_pictures_score_low(monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(task: GenerationTask, count: int) -> list[generation.Case]:
        every = list(cases(task, count))
        others = [*every[1:], every[0]]
        return [replace(c, truth=o.truth) for c, o in zip(every, others, strict=True)]

    monkeypatch.setattr(generation, "cases", swapped)
    scores = generation.true_renderings("text_to_image", 8).scores
    assert scores["all"].value < 20
    assert scores["ground"].value < 60


def test_nano_is_scored_through_the_agent(nano: Unison) -> None:
    report = generation.evaluate_task(nano, "text_to_image", 2)
    assert report.failed == 0
    assert report.scores["all"].cases == 2
    assert report.scores["ground"].value == 100


@pytest.mark.parametrize("task", UNDERSTANDING_TASKS)
def test_questions_are_asked_and_answers_counted(nano: Unison, task: Task) -> None:
    report = understanding.evaluate_task(nano, task, 2)
    assert report.scores["all"].cases == 2


def test_general_answers_may_be_sentences() -> None:
    asked = next(understanding.questions("text_understanding", 1))
    assert asked.is_right("The capital of France is Paris.")
    assert not asked.is_right("The capital of France is Parisville.")


def test_answers_about_scenes_are_to_the_letter() -> None:
    asked = next(understanding.questions("image_understanding", 1))
    assert asked.is_right(f" {asked.answers[0].upper()}\n")
    assert not asked.is_right(f"It is {asked.answers[0]}.")


def test_masks_found_by_words_are_compared_with_the_true_ones() -> None:
    score = generation.found_masks("image_editing", 3)
    assert score.unit == "IoU"
    assert score.value > 0.4


def test_reports_are_told_as_table_and_json() -> None:
    report = task_reports.TaskReport(
        "text_to_image", {"all": task_reports.Score(41.25, "%", 4)}, failed=1
    )
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(task_reports.table([report]))
    assert "41.2" in console.export_text()
    assert task_reports.document([report]) == {
        "text_to_image": {
            "failed": 1,
            "scores": {"all": {"value": 41.25, "unit": "%", "cases": 4}},
        }
    }


def test_edge_agreement_forgives_one_pixel() -> None:
    rng = np.random.default_rng(random.Random(0).randrange(9))
    lines = rng.random((64, 64)) > 0.97
    assert generation.edge_agreement(lines, np.roll(lines, 1, axis=1)) > 0.95
    assert generation.edge_agreement(lines, np.zeros_like(lines)) == 0


def test_swapped_words_ask_for_another_scene(nano: Unison) -> None:
    watched: list[tuple[str, ...]] = []

    def watch(case: generation.Case, made: Medium, missed: tuple[str, ...]) -> None:
        del case, made
        watched.append(missed)

    report = generation.evaluate_task(nano, "text_to_image", 2, swapped=True, watch=watch)
    assert [missed[0] for missed in watched] == ["ground", "ground"]
    assert report.task == "text_to_image, words swapped"
    assert report.scores["ground"].value == 0


def test_failures_are_shown(tmp_path: Path) -> None:
    asked = ["evaluate", "generation", "text_to_image", "-n", "1", "--swapped"]
    done = CliRunner().invoke(app, [*asked, "--failures", str(tmp_path / "wrong.png")])
    assert done.exit_code == 0, done.output
    with PIL.Image.open(tmp_path / "wrong.png") as sheet:
        assert sheet.width > 1000


def test_without_a_connector_nothing_follows_the_words(nano: Unison) -> None:
    report = generation.evaluate_task(nano, "text_to_image", 3, connector=False, steps=4)
    assert report.task == "text_to_image, connector off"
    assert report.failed == 0
    assert report.scores["all"].value == 0


def test_steps_are_those_asked_for(nano: Unison, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []
    run = Unison.run

    def watching(self: Unison, request: Plan, **options: Any) -> Result:
        call = request.steps[0]
        assert isinstance(call, TextToImage)
        asked.append(call.steps)
        return run(self, request, **options)

    monkeypatch.setattr(Unison, "run", watching)
    generation.evaluate_task(nano, "text_to_image", 1, steps=2)
    generation.evaluate_task(nano, "text_to_image", 1)
    assert asked == [2, None]


@pytest.mark.parametrize(
    "options",
    [
        ["--truth", "--swapped"],
        ["--swapped", "--connector-off"],
        ["--connector-off", "--connector", "mine.safetensors"],
        ["--truth", "--steps", "4"],
    ],
)
def test_controls_that_exclude_one_another_are_refused(options: list[str]) -> None:
    done = CliRunner().invoke(app, ["evaluate", "generation", "text_to_image", *options])
    assert done.exit_code != 0
    assert done.stdout == ""


def test_pairs_are_held_out_stand_apart_and_are_always_the_same() -> None:
    first = list(pairs.pairs(12))
    assert first == list(pairs.pairs(12))
    for _, scene in first:
        assert held_out.is_held_out(scene)
        assert len(judge.parts(world.draw(scene))) == len(scene.things) == 2


def test_the_true_pictures_of_pairs_score_full_and_others_do_not() -> None:
    scores = pairs.true_renderings(8).scores
    assert scores["all"].value > 80  # names are seen by a model
    assert all(scores[name].value == 100 for name in ("ground", "count", "places", "colors"))
    (_, scene), (_, other) = pairs.pairs(2)
    assert not pairs.facts(scene, world.draw(other))["all"]
    one_lost = replace(scene, things=scene.things[:1])
    found = pairs.facts(scene, world.draw(one_lost))
    assert not found["count"]
    assert not found["places"]
    assert not found["all"]


def test_an_empty_picture_is_wrong_in_all_but_its_ground() -> None:
    (_, scene), *_ = pairs.pairs(1)
    found = pairs.facts(scene, world.draw(replace(scene, things=())))
    assert found.pop("ground")
    assert not any(found.values())


def test_nano_is_scored_on_pairs(nano: Unison) -> None:
    report = pairs.evaluate(nano, 2)
    assert report.failed == 0
    assert report.scores["count"].cases == 2


def test_parts_of_an_icon_are_one_thing() -> None:
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[10:20, 10:20] = 0
    picture[10:20, 22:26] = 0  # two pixels away
    picture[40:50, 40:50] = 0
    picture[60:62, 2:4] = 0  # too small
    parts = judge.parts(picture)
    assert [int(part.sum()) for part in parts] == [140, 100]
    assert int((judge.alone(picture, parts[1]) == 0).all(-1).sum()) == 100


def test_a_description_tells_its_facts_in_any_order() -> None:
    told = words.told("a large cat at the top and a small red star moving up in the center.")
    assert told == {
        *("name: cat", "size: large cat", "place: top cat"),
        *("name: star", "size: small star", "color: red star", "motion: up star"),
        "place: center star",
    }
    assert words.told("It shows something.") == frozenset()
    rng = random.Random(4)
    for _ in range(50):
        scene = world.random_scene(rng, count=2, moving=True)
        turned = replace(scene, things=scene.things[::-1])
        assert words.told(words.plain_caption(scene)) == words.told(words.plain_caption(turned))
        assert len(words.told(words.plain_caption(scene))) >= 8


def test_descriptions_are_scored_by_their_facts(nano: Unison) -> None:
    asked = [one for one in understanding.questions("image_understanding", 30) if one.facts]
    assert asked
    assert {one.topic for one in asked} == {"describe"}
    assert all(words.told(one.answers[0]) == one.facts for one in asked)
    report = understanding.evaluate_task(nano, "image_understanding", 8)
    if "describe" in report.scores:
        assert report.scores["describe, all facts"].cases == report.scores["describe"].cases
