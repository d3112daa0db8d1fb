"""A first measure of the nano profile: ``python -m unison_agent.evaluation.nano [part]`` prints every figure.

Cases are made from seeds that training did not use. It runs the shipped models through `Unison`, as a
user does; planning is left out (training/planner.py measures it), so requests are given as calls.
"""

import argparse
import functools
import json
import random
from collections import Counter
from collections.abc import Iterable
from typing import cast

import numpy as np

from unison_agent.agent import Unison
from unison_agent.evaluation import judge
from unison_agent.media import Image, MediaSource, Video
from unison_agent.pipelines.store import NANO_FOLDER
from unison_agent.scenes import words, world
from unison_agent.tasks import (
    Attachment,
    ImageUnderstanding,
    Plan,
    Request,
    TaskCall,
    TextToImage,
    TextToVideo,
    VideoUnderstanding,
)
from unison_agent.vlm import UnderstandingModel

SEED = 90_000
PARTS = ("text_to_image", "text_to_video", "understanding")


def _plan(call: TaskCall, text: str, *kinds: str) -> Plan:
    attachments = [Attachment.model_validate({"handle": f"{k}_1", "kind": k}) for k in kinds]
    return Plan(request=Request(text=text, attachments=tuple(attachments)), steps=(call,))


def _share(right: Iterable[bool]) -> float:
    values = list(right)
    return round(100 * sum(values) / len(values), 1) if values else float("nan")


def _frames(medium: Image | Video) -> list[world.Pixels]:
    pictures = [medium.rgb()] if isinstance(medium, Image) else list(medium.frames())
    return [np.asarray(p, np.uint8) for p in pictures]


@functools.cache
def _seeing_model() -> UnderstandingModel:
    return UnderstandingModel.load_nano(NANO_FOLDER, layer=0)  # the judge reads no hidden states


def _score(scenes: list[world.Scene], pictures: list[world.Pixels]) -> dict[str, float]:
    names = judge.names(_seeing_model(), pictures)
    seen = [judge.look(p, n) for p, n in zip(pictures, names, strict=True)]
    pairs = [(scene, scene.things[0], s) for scene, s in zip(scenes, seen, strict=True)]
    all_right = [
        s.ground == scene.background
        and s.place == t.place
        and s.name == t.name
        and (t.color is None or s.color == t.color)
        for scene, t, s in pairs
    ]
    return {
        "ground": _share(s.ground == scene.background for scene, _, s in pairs),
        "place": _share(s.place == t.place for _, t, s in pairs),
        "color": _share(s.color == t.color for _, t, s in pairs if t.color),
        "name": _share(s.name == t.name for _, t, s in pairs),
        "name_of_shapes": _share(s.name == t.name for _, t, s in pairs if t.color),
        "name_of_icons": _share(s.name == t.name for _, t, s in pairs if not t.color),
        "all": _share(all_right),
    }


def text_to_image(unison: Unison, count: int) -> dict[str, dict[str, float]]:
    """Return the judge's scores of generated pictures, and of true renderings of the same scenes."""
    rng = random.Random(SEED)
    scenes = [world.random_scene(rng, count=1) for _ in range(count)]
    texts = [words.image_request(rng, scene) for scene in scenes]
    pictures: list[world.Pixels] = []
    for seed, text in enumerate(texts):
        call = TextToImage(task="text_to_image", prompt=text, seed=seed)
        pictures.append(_frames(unison.run(_plan(call, text)).artifacts[0].medium)[0])
    return {
        "generated": _score(scenes, pictures),
        "true renderings": _score(scenes, [world.draw(s) for s in scenes]),
    }


def text_to_video(unison: Unison, count: int) -> dict[str, dict[str, float]]:
    """Return scores of the middle frame, and whether the thing moved as asked."""
    rng = random.Random(SEED + 1)
    scenes = [world.random_scene(rng, count=1, moving=True) for _ in range(count)]
    middles: list[world.Pixels] = []
    moved: list[bool] = []
    for seed, scene in enumerate(scenes):
        text = words.video_request(rng, scene)
        call = TextToVideo(task="text_to_video", prompt=text, seed=seed)
        frames = _frames(unison.run(_plan(call, text)).artifacts[0].medium)
        middles.append(frames[len(frames) // 2])
        ends = judge.center(frames[0]), judge.center(frames[-1])
        motion = scene.things[0].motion
        if motion is None or ends[0] is None or ends[1] is None:
            moved.append(False)
            continue
        step = np.subtract(ends[1], ends[0])
        along = float(step @ np.array(world.DIRECTIONS[motion]))
        moved.append(along > 4 and along > 2 * float(np.abs(step).sum() - abs(along)))
    return {"generated": {**_score(scenes, middles), "motion": _share(moved)}}


def understanding(unison: Unison, count: int) -> dict[str, dict[str, float]]:
    """Return the share of exactly right answers, by kind of medium, and of each opening word."""
    rng = random.Random(SEED + 2)
    right: dict[str, list[bool]] = {"image": [], "video": []}
    openings: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    for i in range(count):
        moving = i % 2 == 1
        scene = world.random_scene(rng, count=rng.choice((1, 1, 2)), moving=moving)
        asked = words.question(rng, scene)
        kind = "video" if moving else "image"
        medium: MediaSource
        call: TaskCall
        if moving:
            medium = Video.from_frames(list(world.draw_clip(scene, 17)), 8.0)
            call = VideoUnderstanding(task="video_understanding", question=asked.text)
        else:
            medium = Image.from_array(world.draw(scene))
            call = ImageUnderstanding(task="image_understanding", question=asked.text)
        answer = unison.run(_plan(call, asked.text, kind), media=[medium]).text
        good = cast("str", answer).strip().lower() == asked.answer
        right[kind].append(good)
        opening = " ".join(asked.text.lower().split()[:2])
        totals[opening] += 1
        openings[opening] += good
    by_opening = {k: round(100 * openings[k] / n, 1) for k, n in sorted(totals.items())}
    return {"exact": {k: _share(v) for k, v in right.items()}, "by opening": by_opening}


def main() -> None:
    """Print the scores of the chosen parts as JSON, per cent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all when none is named")
    parser.add_argument("--count", type=int, default=100, help="cases a part; clips take a quarter")
    args = parser.parse_args()
    unison = Unison.from_pretrained("nano")
    for part in args.parts or PARTS:
        match part:
            case "text_to_image":
                scores = text_to_image(unison, args.count)
            case "text_to_video":
                scores = text_to_video(unison, max(1, args.count // 4))
            case _:
                scores = understanding(unison, args.count)
        print(json.dumps({part: scores}, indent=1))


if __name__ == "__main__":
    main()
