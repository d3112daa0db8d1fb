"""The packs on their real weights: every task they bind, drawn small, saved, read back and looked at.

``UNISON_AGENT_TEST_PACKS=wan-vace,sdxl pytest -m gpu tests/test_real_weights.py``

They fetch what the packs name, which is tens of gigabytes, so none runs without being named. A path of a pack of
one's own does as well as a name.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from skimage import data

from unison_agent import Unison
from unison_agent.media import Image, MediaSet, Medium, Video
from unison_agent.packs import load_pack
from unison_agent.result import Result
from unison_agent.tasks import TASK_CALL, Attachment, Plan, Request, Task

ENVIRONMENT = "UNISON_AGENT_TEST_PACKS"
NAMED = tuple(name for name in os.environ.get(ENVIRONMENT, "").split(",") if name)
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore"),  # of what users have installed
    pytest.mark.skipif(not NAMED, reason=f"{ENVIRONMENT} names no pack whose weights to fetch"),
]
STEPS = 8
CAT = PIL.Image.fromarray(cast("NDArray[np.uint8]", data.chelsea()))  # pyright: ignore[reportUnknownMemberType]


def bound() -> Iterator[tuple[str, Task]]:
    for name in NAMED:
        for tool in load_pack(name).tools:
            for task in tool.tasks:
                yield name, task


@cache
def opened(name: str) -> Unison:
    return Unison.from_pretrained(name)


def pan() -> Video:
    """Return a clip of two seconds over a photograph."""
    views = [CAT.crop((3 * i, 0, 3 * i + 384, 256)) for i in range(20)]
    return Video.from_frames(views, 10)


def left_half() -> PIL.Image.Image:
    mask = PIL.Image.new("L", CAT.size)
    mask.paste(255, (0, 0, CAT.width // 2, CAT.height))
    return mask


def asked(name: str, task: Task, **more: object) -> tuple[Plan, MediaSet]:
    """Return the plan of a task, with as few steps and frames as show something."""
    given: dict[str, tuple[list[object], dict[str, object]]] = {
        "image_understanding": ([CAT], {}),
        "video_understanding": ([pan()], {}),
        "image_to_video": ([CAT], {"first_frame": "image_1"}),
        "image_editing": ([CAT, left_half()], {"source": "image_1", "mask": "image_2"}),
        "video_editing": ([pan(), left_half()], {"source": "video_1", "mask": "image_1"}),
        "image_controllable_generation": ([CAT], {"control": "image_1", "control_type": "canny"}),
        "video_controllable_generation": ([pan()], {"control": "video_1", "control_type": "canny"}),
        "image_reference_generation": ([CAT], {"references": ["image_1"]}),
        "video_reference_generation": ([CAT], {"references": ["image_1"]}),
    }
    media, roles = given.get(task, ([], {}))
    fields: dict[str, object] = {"task": task, **roles}
    if task.endswith("understanding"):
        fields["question"] = "What animal is this?" if media else "What does a cat say?"
    else:
        fields |= {"prompt": "a cat in the snow", "seed": 5, "steps": STEPS}
        if "video" in task:
            fields["num_frames"] = 17
    attached = MediaSet.of(media)  # pyright: ignore[reportArgumentType]
    handles = tuple(Attachment(handle=handle, kind=kind) for handle, kind in attached.attachments)
    step = TASK_CALL.validate_python({**fields, **more})
    return Plan(
        request=Request(text="a cat in the snow", attachments=handles), steps=(step,)
    ), attached


def pixels(medium: Medium) -> NDArray[np.uint8]:
    frames = [medium.rgb()] if isinstance(medium, Image) else list(medium.frames())
    return np.stack([np.asarray(frame) for frame in frames])


@pytest.mark.parametrize(("name", "task"), list(bound()))
def test_a_task_of_a_pack(name: str, task: Task, tmp_path: Path) -> None:
    result = opened(name).run(*asked(name, task))
    if task.endswith("understanding"):
        assert result.text
        return
    (made,) = result.artifacts
    path = result.save(tmp_path / ("made.png" if made.kind == "image" else "made.mp4"))
    assert isinstance(path, Path)
    again = Result.load(path).artifacts[0].medium  # `save` has compared it with what was granted
    assert pixels(again).std() > 5
    if task == "image_editing" and result.steps[0].kept_db is not None:
        shown = pixels(made.medium)[0]
        source = np.asarray(CAT.resize((made.medium.width, made.medium.height), PIL.Image.Resampling.LANCZOS))  # fmt: skip
        right = made.medium.width // 2 + 8
        assert (shown[:, right:] == source[:, right:]).all()


@pytest.mark.parametrize("name", NAMED)
def test_the_same_seed_draws_the_same(name: str) -> None:
    tasks = {task for pack, task in bound() if pack == name}
    task: Task = "text_to_image" if "text_to_image" in tasks else "text_to_video"
    made = [pixels(opened(name).run(*asked(name, task, seed=s)).artifacts[0].medium) for s in (5, 5, 6)]  # fmt: skip
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).mean() > 0.1


@pytest.mark.parametrize("name", [name for name in NAMED if name == "wan-vace"])
@pytest.mark.parametrize(
    ("text", "kinds", "task", "fields"),
    [
        ("Generate a 480P image of a cat in the snow.", (), "text_to_image", {"resolution": "480p"}),
        ("Make a horizontal video of the sea with a total of 120 frames.", (), "text_to_video", {"num_frames": 120}),
        ("Make a video of 640x640 that lasts 4s, of a fox.", (), "text_to_video", {"width": 640, "height": 640}),
        ("What animal is this?", ("image",), "image_understanding", {}),
        ("Let this be the first frame of a video: it runs.", ("image",), "image_to_video", {"first_frame": "image_1"}),
    ],
)  # fmt: skip
def test_what_the_paper_s_planner_writes(
    name: str, text: str, kinds: tuple[str, ...], task: Task, fields: dict[str, object]
) -> None:
    (step,) = opened(name).plan(text, [CAT] * len(kinds)).plan.steps
    assert step.task == task
    assert {key: getattr(step, key) for key in fields} == fields


@pytest.mark.parametrize("name", [name for name in NAMED if name == "wan-vace"])
def test_it_sees_the_cat(name: str) -> None:
    assert "cat" in (opened(name).run(*asked(name, "image_understanding")).text or "").lower()
