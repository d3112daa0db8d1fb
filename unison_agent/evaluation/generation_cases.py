"""Generation requests about scenes that training held out, with the truth; runs and judges nothing.

Every scene has one thing, so that ground, colour, place and motion can be measured on the pixels.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from unison_agent.media import Image, Medium, Video
from unison_agent.scenes import examples, held_out
from unison_agent.scenes.examples import Drawing, Wording
from unison_agent.tasks import TASK_CALL, Attachment, GenerationTask, Plan, Request

SEED = 90_000
NUM_FRAMES = 17
FPS = 8.0


@dataclass(frozen=True, slots=True)
class Case:
    """One request.

    Attributes:
        task: What is asked for.
        plan: The call, as a planner that is always right would make it.
        media: What its handles stand for.
        said: The words and the scene they mean.
        truth: The pixels a perfect model would make, give or take what words leave open.
        mask_given: Whether an edit comes with its mask; otherwise it names its target.
    """

    task: GenerationTask
    plan: Plan
    media: tuple[Medium, ...]
    said: Wording
    truth: Drawing
    mask_given: bool = False


def cases(task: GenerationTask, count: int, seed: int = SEED) -> Iterator[Case]:
    """Yield cases, always the same; those of edits come with and without a mask in turn."""
    rng = random.Random(f"{seed}-{task}")
    made = 0
    while made < count:
        said = examples.wording(task, rng)
        start = said.source or said.scene
        if len(start.things) != 1 or not (
            held_out.is_held_out(said.scene) or held_out.is_held_out(start)
        ):
            continue
        truth = examples.drawing(task, said, rng, NUM_FRAMES)
        yield _case(task, said, truth, seed=made, mask_given=made % 2 == 0)
        made += 1


def _case(
    task: GenerationTask, said: Wording, truth: Drawing, *, seed: int, mask_given: bool
) -> Case:
    media: list[Medium] = []
    roles: dict[str, object] = {}
    match task:
        case "text_to_image" | "text_to_video":
            pass
        case "image_to_video":
            video = cast("examples.Clip", truth.video)
            for role, frame in (("first_frame", 0), ("last_frame", -1)):
                if said.detail in (role.removesuffix("_frame"), "both"):
                    media.append(Image.from_array(video[frame]))
                    roles[role] = f"image_{len(media)}"
        case "image_editing" | "video_editing":
            video = cast("examples.Clip", truth.video)
            media.append(_medium(video, moving=task == "video_editing"))
            roles["source"] = f"{media[0].kind}_1"
            if mask_given:
                masks = np.repeat(cast("np.ndarray", truth.mask)[..., None], 3, -1) * np.uint8(255)
                media.append(_medium(masks, moving=task == "video_editing"))
                roles["mask"] = f"{media[1].kind}_2"
            else:
                roles["target"] = target_words(said)
        case "image_controllable_generation" | "video_controllable_generation":
            control = cast("examples.Clip", truth.video)
            media.append(_medium(control, moving=task.startswith("video")))
            roles |= {"control": f"{media[0].kind}_1", "control_type": said.detail}
        case "image_reference_generation" | "video_reference_generation":
            media.append(Image.from_array(cast("np.ndarray", truth.reference)))
            roles["references"] = ("image_1",)
    if task.endswith("video") or task.startswith("video"):
        roles["num_frames"] = NUM_FRAMES
    call = TASK_CALL.validate_python({"task": task, "prompt": said.text, "seed": seed, **roles})
    request = Request(text=said.text, attachments=tuple(_attachments(media)))
    return Case(
        task, Plan(request=request, steps=(call,)), tuple(media), said, truth, "mask" in roles
    )


def target_words(said: Wording) -> str:
    """Return the words that name what an edit changes."""
    kind, index = said.detail.split()
    return "background" if kind == "ground" else cast("examples.Scene", said.source).things[int(index)].name  # fmt: skip


def _medium(frames: np.ndarray, *, moving: bool) -> Medium:
    return Video.from_frames(list(frames), FPS) if moving else Image.from_array(frames[0])


def _attachments(media: list[Medium]) -> Iterator[Attachment]:
    counts = {"image": 0, "video": 0}
    for medium in media:
        counts[medium.kind] += 1
        yield Attachment(handle=f"{medium.kind}_{counts[medium.kind]}", kind=medium.kind)
