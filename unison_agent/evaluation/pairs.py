"""Scores of pictures of two things: how many are there, and is each the one that was asked for at its place.

Requests of text_to_image about held-out scenes whose two things stand apart, so that they can be told from one
another on the pixels. Everything else is as in `generation`.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from unison_agent.errors import UnisonError
from unison_agent.evaluation import judge
from unison_agent.evaluation.generation import seeing_model
from unison_agent.evaluation.generation_cases import SEED
from unison_agent.evaluation.task_reports import Score, TaskReport
from unison_agent.media import Image
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.scenes import held_out, words, world
from unison_agent.scenes.world import Pixels, Scene
from unison_agent.tasks import TASK_CALL, Plan, Request

if TYPE_CHECKING:
    from unison_agent.agent import Unison

_NAME = "text_to_image, two things"


def evaluate(unison: "Unison", count: int, progress: Progress = silent) -> TaskReport:
    """Run `count` requests and score the pictures."""
    found: list[dict[str, bool]] = []
    failed = 0
    for number, (text, scene) in enumerate(pairs(count)):
        progress(ProgressEvent("evaluate", number, count, _NAME))
        call = TASK_CALL.validate_python({"task": "text_to_image", "prompt": text, "seed": number})
        try:
            made = unison.run(Plan(request=Request(text=text), steps=(call,))).artifacts[0].medium
        except UnisonError:
            made = None
        if isinstance(made, Image):
            found.append(facts(scene, np.asarray(made.rgb(), np.uint8)))
        else:
            failed += 1
            found.append({"all": False})
    progress(ProgressEvent("evaluate", count, count, _NAME))
    return TaskReport(_NAME, _shares(found), failed)


def true_renderings(count: int) -> TaskReport:
    """Score the renderer's own pictures: what the judge gets right."""
    found = [facts(scene, world.draw(scene)) for _, scene in pairs(count)]
    return TaskReport(f"{_NAME}, true renderings", _shares(found))


def pairs(count: int) -> Iterator[tuple[str, Scene]]:
    """Yield requests with what they mean, always the same."""
    rng = random.Random(f"{SEED}-pairs")
    made = 0
    while made < count:
        scene = world.random_scene(rng, count=2)
        text = words.image_request(rng, scene)
        if held_out.is_held_out(scene) and len(judge.parts(world.draw(scene))) == 2:
            yield text, scene
            made += 1


def facts(scene: Scene, picture: Pixels) -> dict[str, bool]:
    """Return whether ground, count, places, colours and names are those of the scene.

    Each thing is looked for in what is nearest to its place; colours are those of shapes.
    """
    seen = judge.parts(picture)
    ground = judge.nearest_color(judge.ground_of(picture)) == scene.background
    right = {"ground": ground, "count": len(seen) == len(scene.things)}
    alone = [judge.alone(picture, part) for part in seen]
    names = judge.names(seeing_model(), [judge.centred(one) for one in alone])
    sights = [judge.look(one, name) for one, name in zip(alone, names, strict=True)]
    places = [one.place for one in sights]
    at = [places.index(t.place) if t.place in places else None for t in scene.things]
    right["places"] = None not in at
    both = [(t, None if i is None else sights[i]) for t, i in zip(scene.things, at, strict=True)]
    if any(thing.color for thing, _ in both):
        right["colors"] = all(s is not None and s.color == t.color for t, s in both if t.color)
    right["names"] = all(sight is not None and sight.name == thing.name for thing, sight in both)
    right["all"] = all(right.values())
    return right


def _shares(found: list[dict[str, bool]]) -> dict[str, Score]:
    values: defaultdict[str, list[bool]] = defaultdict(list)
    for one in found:
        for name, is_right in one.items():
            values[name].append(is_right)
    return {name: Score(100 * sum(v) / len(v), "%", len(v)) for name, v in values.items()}
