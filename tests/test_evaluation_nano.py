"""The measures of generation and understanding: true pictures score full, wrong ones do not."""

import io
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from rich.console import Console
from typer.testing import CliRunner

from unison_agent.agent import Unison
from unison_agent.cli.app import app
from unison_agent.evaluation import generation, task_reports, understanding
from unison_agent.evaluation.generation_cases import cases
from unison_agent.media import Medium
from unison_agent.scenes import held_out
from unison_agent.tasks import GENERATION_TASKS, UNDERSTANDING_TASKS, GenerationTask, Task


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
