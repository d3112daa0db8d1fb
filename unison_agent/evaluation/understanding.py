"""Scores of the three understanding tasks: questions about held-out scenes, and general knowledge.

Questions about scenes must be answered to the letter; of a general answer one whole word is enough.
"""

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from unison_agent.errors import RequestError
from unison_agent.evaluation.generation_cases import FPS, NUM_FRAMES, SEED
from unison_agent.evaluation.task_reports import Score, TaskReport
from unison_agent.media import Image, Medium, Video
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.scenes import held_out, words, world
from unison_agent.tasks import TASK_CALL, Attachment, Plan, Request, Task

if TYPE_CHECKING:
    from unison_agent.agent import Unison

QUESTIONS = Path(__file__).parents[2] / "data" / "understanding" / "questions.jsonl"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with its media and what counts as right.

    Attributes:
        topic: What it is about, for a row of its own.
        exact: Whether the answer must be one of `answers` to the letter, or hold one as whole words.
        facts: What a description has to tell, see `words.told`; empty for other questions.
    """

    topic: str
    text: str
    answers: tuple[str, ...]
    media: tuple[Medium, ...] = ()
    exact: bool = True
    facts: frozenset[str] = frozenset()

    def is_right(self, answer: str) -> bool:
        """Whether `answer` is right."""
        given = answer.strip().lower()
        if self.exact:
            return given in self.answers
        return any(re.search(rf"\b{re.escape(good)}\b", given) for good in self.answers)


def evaluate_task(
    unison: "Unison", task: Task, count: int, progress: Progress = silent
) -> TaskReport:
    """Ask the questions of one task and score the answers, in all and by topic.

    Raises:
        RequestError: The general questions are not there (they are part of the repository, not the package).
    """
    asked = list(questions(task, count))
    right: defaultdict[str, list[bool]] = defaultdict(list)
    facts: list[tuple[str, bool]] = []
    for number, question in enumerate(asked):
        progress(ProgressEvent("evaluate", number, len(asked), task))
        call = TASK_CALL.validate_python({"task": task, "question": question.text})
        attachments = tuple(
            Attachment(handle=f"{medium.kind}_1", kind=medium.kind) for medium in question.media
        )
        plan = Plan(request=Request(text=question.text, attachments=attachments), steps=(call,))
        answer = unison.run(plan, media=question.media).text or ""
        right["all"].append(question.is_right(answer))
        if task != "text_understanding":
            right[question.topic].append(question.is_right(answer))
        if question.facts:
            told = words.told(answer)
            right["describe, all facts"].append(told == question.facts)
            # One row for each fact, so that it can be seen which are wrong.
            facts += [(fact, fact in told) for fact in sorted(question.facts)]
    progress(ProgressEvent("evaluate", len(asked), len(asked), task))
    for fact, is_right in facts:
        right[f"describe, {fact.partition(':')[0]}"].append(is_right)
    scores = {
        name: Score(100 * sum(values) / len(values), "%", len(values))
        for name, values in right.items()
    }
    return TaskReport(task, scores)


def questions(task: Task, count: int) -> Iterator[Asked]:
    """Yield the questions of a task, always the same."""
    if task == "text_understanding":
        yield from _general(count)
        return
    moving = task == "video_understanding"
    rng = random.Random(f"{SEED}-{task}")
    made = 0
    while made < count:
        scene = world.random_scene(rng, count=rng.choice((1, 1, 2)), moving=moving)
        if not held_out.is_held_out(scene):
            continue
        asked = words.question(rng, scene)
        medium: Medium = (
            Video.from_frames(list(world.draw_clip(scene, NUM_FRAMES)), FPS)
            if moving
            else Image.from_array(world.draw(scene))
        )
        facts = words.told(asked.answer) if asked.topic == "describe" else frozenset[str]()
        yield Asked(asked.topic, asked.text, (asked.answer,), (medium,), facts=facts)
        made += 1


def _general(count: int) -> Iterator[Asked]:
    if not QUESTIONS.is_file():
        raise RequestError(
            f"No questions at {QUESTIONS}.",
            hint="General knowledge is measured in a checkout of the repository.",
        )
    for line in QUESTIONS.read_text(encoding="utf-8").splitlines()[:count]:
        entry = cast("dict[str, object]", json.loads(line))
        answers = tuple(cast("list[str]", entry["answers"]))
        yield Asked("general", cast("str", entry["question"]), answers, exact=False)
