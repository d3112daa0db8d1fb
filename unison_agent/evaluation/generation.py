"""Scores of the nine generation tasks on held-out scenes: what is in the pictures against what was asked.

It runs plans through `Unison`, as a user does; planning is measured elsewhere. Geometry decides wherever
it can; names are what nano's vision tower sees, and `true renderings` says how often it sees right.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from math import log10
from typing import TYPE_CHECKING, cast

import numpy as np

from unison_agent.errors import UnisonError
from unison_agent.evaluation import judge
from unison_agent.evaluation.generation_cases import Case, cases, target_words
from unison_agent.evaluation.task_reports import Score, TaskReport, Unit
from unison_agent.media import Image, Medium
from unison_agent.pipelines.store import NANO_FOLDER
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.scenes import sprites, world
from unison_agent.scenes.world import Pixels
from unison_agent.tasks import GenerationTask, Plan
from unison_agent.vlm import UnderstandingModel

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

    from unison_agent.agent import Unison

_MOVED_PIXELS = 4
Measures = dict[str, tuple[float, Unit]]
Watch = Callable[[Case, Medium, tuple[str, ...]], None]
"""Told of each case, what was made, and the yes-or-no measures that it fails."""


def evaluate_task(
    unison: "Unison",
    task: GenerationTask,
    count: int,
    progress: Progress = silent,
    *,
    swapped: bool = False,
    connector: bool = True,
    steps: int | None = None,
    watch: Watch | None = None,
) -> TaskReport:
    """Run `count` cases of a task and score them.

    Args:
        unison: What is measured.
        task: Of the cases.
        count: How many.
        progress: Told of every case.
        swapped: Give each case the words of another. What is still right does not come from the words.
        connector: False switches it off: the pipeline gets the tokens of no prompt.
        steps: Of denoising; as the tool pack has it when left out.
        watch: Told of every case that ran.
    """
    found: list[Measures] = []
    failed = 0
    chosen = list(cases(task, count))
    if swapped:
        chosen = [
            replace(case, plan=_with(case.plan, prompt=other.said.text))
            for case, other in zip(chosen, [*chosen[1:], chosen[0]], strict=True)
        ]
    if steps is not None:
        chosen = [replace(case, plan=_with(case.plan, steps=steps)) for case in chosen]
    for number, case in enumerate(chosen):
        progress(ProgressEvent("evaluate", number, count, task))
        try:
            result = unison.run(case.plan, media=case.media, connector=connector)
        except UnisonError:
            failed += 1
            found.append({"all": (0.0, "%")})
            continue
        made = result.artifacts[0].medium
        measures = _measure(case, _frames(made))
        if watch is not None:
            watch(case, made, _missed(measures))
        if (kept := result.steps[0].kept_db) is not None:
            measures["kept before compositing"] = (kept, "dB")
        found.append(measures)
    progress(ProgressEvent("evaluate", count, count, task))
    name = task + (", words swapped" if swapped else "")
    name += "" if connector else ", connector off"
    return TaskReport(name, _means(found), failed)


def _missed(measures: Measures) -> tuple[str, ...]:
    """Return which yes-or-no measures are no; the parts of `name` and the whole say nothing of their own."""
    return tuple(
        name
        for name, (value, unit) in measures.items()
        if unit == "%" and not value and name != "all" and not name.startswith("name of")
    )


def _with(plan: Plan, **values: str | int) -> Plan:
    return plan.model_copy(
        update={"steps": tuple(call.model_copy(update=values) for call in plan.steps)}
    )


def true_renderings(task: GenerationTask, count: int) -> TaskReport:
    """Score the renderer's own pictures of the same cases: what the judge itself gets right."""
    return TaskReport(
        f"{task}, true renderings",
        _means(_measure(c, list(c.truth.target)) for c in cases(task, count)),
    )


def found_masks(task: GenerationTask, count: int) -> Score:
    """Return how well the masks found from target words agree with the true ones, as IoU."""
    from unison_agent.preprocess.target import find_masks

    values: list[float] = []
    for case in cases(task, count):
        truth = cast("np.ndarray", case.truth.mask)
        try:
            found = find_masks(_pictures(case.media[0]), target_words(case.said), seeing_model())
        except UnisonError:
            values.append(0.0)
            continue
        masks = np.stack([np.asarray(m) > 127 for m in found.masks])
        values.append(_iou(masks, truth[: len(masks)]))
    return Score(float(np.mean(values)), "IoU", len(values))


@functools.cache
def seeing_model() -> UnderstandingModel:
    """Return the model that names things; it reads no hidden states."""
    return UnderstandingModel.load_nano(NANO_FOLDER, layer=0)


def _pictures(medium: Medium) -> list["PilImage"]:
    return [medium.rgb()] if isinstance(medium, Image) else list(medium.frames())


def _frames(medium: Medium) -> list[Pixels]:
    return [np.asarray(picture, np.uint8) for picture in _pictures(medium)]


def _means(found: Iterable[Measures]) -> dict[str, Score]:
    values: defaultdict[str, list[float]] = defaultdict(list)
    units: dict[str, Unit] = {}
    for measures in found:
        for name, (value, unit) in measures.items():
            values[name].append(value)
            units[name] = unit
    return {
        name: Score(float(np.mean(v)) * (100 if units[name] == "%" else 1), units[name], len(v))
        for name, v in values.items()
    }


def _measure(case: Case, frames: list[Pixels]) -> Measures:
    """Return what holds of one output; "all" is every yes-or-no measure of the task at once."""
    measures = _facts(case, frames)
    match case.task:
        case "text_to_video" | "video_reference_generation":
            measures["motion"] = (_moves(case, frames), "%")
            if case.task == "text_to_video":
                # By the end a thing can have left the picture.
                near = [frames[len(frames) * quarter // 4] for quarter in (0, 1, 2)]
                seen = judge.names(seeing_model(), [judge.centred(frame) for frame in near])
                measures["identity"] = (float(len(set(seen)) == 1), "%")
        case "image_to_video":
            measures: Measures = {"motion": (_moves(case, frames), "%")}
            for name, at in (("first", 0), ("last", -1)):
                if case.said.detail in (name, "both"):
                    measures[f"{name} frame"] = (_psnr(frames[at], case.truth.target[at]), "dB")
        case "image_controllable_generation" | "video_controllable_generation":
            measures[f"{case.said.detail} agreement"] = (_agreement(case, frames), "IoU")
        case _:
            pass
    together = [value for value, unit in measures.values() if unit == "%"]
    measures["all"] = (float(min(together, default=1.0)), "%")
    return measures


def _facts(case: Case, frames: list[Pixels]) -> Measures:
    """Return ground, colour and name of the middle frame, and where the first one has it, against what was asked."""
    picture = frames[len(frames) // 2]
    scene = case.said.scene
    ground = judge.nearest_color(judge.ground_of(picture)) == scene.background
    measures: Measures = {"ground": (float(ground), "%")}
    if not scene.things:  # it was to be removed
        measures["nothing left"] = (float(judge.center(picture) is None), "%")
        return measures
    thing = scene.things[0]
    shown = judge.centred(picture) if len(frames) > 1 else picture
    seen = judge.look(picture, judge.names(seeing_model(), [shown])[0])
    if case.task.endswith(("_to_image", "_to_video")) or "reference" in case.task:
        place = judge.look(frames[0], seen.name).place
        measures["place"] = (float(place == thing.place), "%")
    if thing.color is not None:
        measures["color"] = (float(seen.color == thing.color), "%")
    measures["name"] = (float(seen.name == thing.name), "%")
    kind = "name of shapes" if thing.name in sprites.SHAPES else "name of icons"
    measures[kind] = measures["name"]
    return measures


def _moves(case: Case, frames: list[Pixels]) -> float:
    """Whether the thing goes where it should, by its middle in the first and the last frame."""
    motion = case.said.scene.things[0].motion
    ends = judge.center(frames[0]), judge.center(frames[-1])
    if motion is None or ends[0] is None or ends[1] is None:
        return 0.0
    step = np.subtract(ends[1], ends[0])
    along = float(step @ np.array(world.DIRECTIONS[motion]))
    across = float(np.abs(step).sum()) - abs(along)
    return float(along > _MOVED_PIXELS and along > 2 * across)


def _agreement(case: Case, frames: list[Pixels]) -> float:
    """Return the IoU of what the control shows with the same map of the output.

    Edges and sketches: edge pixels, one pixel of slack. Boxes: boxes. Depth and gray: the thing's silhouette.
    """
    control = cast("np.ndarray", case.truth.video)
    values: list[float] = []
    for shown, truth, made in zip(control, case.truth.target, frames, strict=True):
        match case.said.detail:
            case "canny" | "scribble":
                given = shown[..., 0] > 127
                given = given if case.said.detail == "canny" else ~given
                values.append(edge_agreement(given, world.edge_map(made)[..., 0] > 0))
            case "layout":
                box = world.box_mask(judge.foreground(made), 0)
                values.append(_iou(box, shown[..., 0] > 0))
            case _:
                values.append(_iou(judge.foreground(made), judge.foreground(truth)))
    return float(np.mean(values))


def edge_agreement(given: np.ndarray, made: np.ndarray) -> float:
    """Return the share of line pixels of both, shape (H, W), that have one of the other at most a pixel away."""
    hit = (made & _thick(given)).sum() + (given & _thick(made)).sum()
    total = made.sum() + given.sum()
    return float(hit / total) if total else 1.0


def _thick(lines: np.ndarray) -> np.ndarray:
    padded = np.pad(lines, 1)
    rows, columns = lines.shape
    return np.any(
        [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0
    )


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


def _psnr(a: Pixels, b: Pixels) -> float:
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return 60.0 if error == 0 else min(60.0, 10 * log10(255**2 / error))
