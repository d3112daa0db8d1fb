import random
from collections.abc import Mapping

import pytest

from unison_agent.tasks import MediaKind
from unison_agent.training.forgotten import forget
from unison_agent.training.nano_wording import Example, Place, Step


def _lacking(
    text: str,
    media: tuple[MediaKind, ...],
    task: str,
    roles: Mapping[str, Place | list[Place]],
    then: tuple[Step, ...] = (),
) -> set[tuple[tuple[MediaKind, ...], str]]:
    """Return what is attached and what is missing, over many draws."""
    found: set[tuple[tuple[MediaKind, ...], str]] = set()
    for seed in range(200):
        left = forget(Example(text, media, task, roles, then=then), random.Random(seed))
        if left is not None:
            assert (left.text, left.task) == (text, "needs_input")
            found.add((left.media, str(left.missing)))
    return found


@pytest.mark.parametrize(
    ("text", "media", "task", "roles", "lacking"),
    [
        ("make this photo gray", ("image",), "image_editing", {"source": 0}, {((), "source")}),
        ("make my clip gray", ("video",), "video_editing", {"source": 0},
         {((), "source"), (("image",), "source")}),
        ("a video that ends on this picture", ("image",), "image_to_video", {"last_frame": 0}, {((), "last_frame")}),
        ("red car, the mask is attached", ("image", "image"), "image_editing", {"source": 0, "mask": 1},
         {(("image",), "mask")}),
        ("from the first to the second", ("image", "image"), "image_to_video",
         {"first_frame": 0, "last_frame": 1}, {(("image",), "last_frame")}),
        ("from the second to the first", ("image", "image"), "image_to_video",
         {"first_frame": 1, "last_frame": 0}, {(("image",), "first_frame")}),
        ("make it gray", ("image",), "image_editing", {"source": 0}, set[tuple[str, str]]()),
        ("make this photo, {m0}, gray", ("image",), "image_editing", {"source": 0}, set[tuple[str, str]]()),
        ("draw this photo of a cat", (), "text_to_image", dict[str, int](), set[tuple[str, str]]()),
    ],
)  # fmt: skip
def test_what_is_forgotten(
    text: str,
    media: tuple[MediaKind, ...],
    task: str,
    roles: Mapping[str, Place | list[Place]],
    lacking: set[tuple[tuple[MediaKind, ...], str]],
):
    assert _lacking(text, media, task, roles) == lacking


def test_a_plan_of_steps_keeps_its_media():
    step = Step("image_to_video", {"first_frame": "step_1"}, {})
    assert not _lacking(
        "make this photo gray, then animate it",
        ("image",),
        "image_editing",
        {"source": 0},
        then=(step,),
    )
