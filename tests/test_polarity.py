"""Masks that look inverted: told from those that are meant so, shown both ways, never changed."""

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from unison_agent.adapters.edit_masks import INVERTED, edit_masks
from unison_agent.cli.files import save, save_previews
from unison_agent.media import MediaSet
from unison_agent.packs import load_pack
from unison_agent.pipelines import PipelineStore
from unison_agent.planning.planner import make_request
from unison_agent.preprocess.polarity import looks_inverted
from unison_agent.router import GenerationTool, Router
from unison_agent.tasks import ImageEditing, Plan, VideoEditing
from unison_agent.testing import ScriptedUnderstanding
from unison_agent.testing_wan import save_tiny_weights

SIDE = 64
SAID = "make the circle red"


def scene(*, photo: bool = False) -> PIL.Image.Image:
    picture = PIL.Image.new("RGB", (SIDE, SIDE), (90, 140, 220))
    if photo:
        noise = np.random.default_rng(0).integers(0, 90, (SIDE, SIDE, 3), np.uint8)
        picture = PIL.Image.fromarray(noise)
    PIL.ImageDraw.Draw(picture).ellipse((20, 20, 40, 40), fill=(250, 220, 40))
    return picture


def mask(box: tuple[int, int, int, int], *, inverted: bool = False) -> PIL.Image.Image:
    drawn = PIL.Image.new("L", (SIDE, SIDE), 255 if inverted else 0)
    PIL.ImageDraw.Draw(drawn).rectangle(box, fill=0 if inverted else 255)
    return drawn


ON_IT, BESIDE, HALF = (18, 18, 42, 42), (44, 44, 60, 60), (0, 0, 31, 63)


@pytest.mark.parametrize("photo", [True, False])
def test_black_on_the_thing_and_white_around_looks_inverted(photo: bool) -> None:
    source = scene(photo=photo)
    assert looks_inverted(mask(ON_IT, inverted=True), source, SAID)
    assert not looks_inverted(mask(ON_IT), source, SAID)
    assert not looks_inverted(mask(BESIDE, inverted=True), source, SAID)
    assert not looks_inverted(mask(HALF, inverted=True), source, SAID)
    assert not looks_inverted(PIL.Image.new("L", (SIDE, SIDE), 255), source, SAID)


@pytest.mark.parametrize(
    "words",
    ["make the background green", "put it on a beach, keep the circle", "a storm behind it"],
)
def test_a_mask_of_all_but_the_thing_may_be_meant(words: str) -> None:
    assert not looks_inverted(mask(ON_IT, inverted=True), scene(), words)


def test_the_mask_is_used_as_it_is_and_both_ways_are_shown() -> None:
    given = mask(ON_IT, inverted=True)
    for call, count in (
        (ImageEditing(task="image_editing", prompt=SAID, source="image_1", mask="image_1"), 1),
        (VideoEditing(task="video_editing", prompt=SAID, source="video_1", mask="image_1"), 5),
    ):
        found = edit_masks(call, (scene(),) * count, MediaSet.of([given]), None)
        assert [one.tobytes() for one in found.masks] == [given.tobytes()] * count
        assert found.notes == (INVERTED,)
        first, second = found.previews
        assert (first.name, second.name) == ("mask-as-given", "mask-inverted")
        left, right = (np.asarray(one.image.pil).astype(int) for one in found.previews)
        source = np.asarray(scene()).astype(int)
        assert (left[2, 2] != source[2, 2]).any()
        assert (left[30, 30] == source[30, 30]).all()
        assert (right[2, 2] == source[2, 2]).all()
        assert (right[30, 30] != source[30, 30]).any()


def test_a_result_carries_the_warning_and_the_pictures(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, out = tmp_path_factory.mktemp("tiny"), tmp_path_factory.mktemp("out")
    save_tiny_weights(folder)
    drawing = load_pack("nano").tools[1]
    tool = GenerationTool(
        drawing,
        pipelines=PipelineStore(folder, device="cpu"),
        understanding=lambda _: ScriptedUnderstanding(),
        weights_folder=folder,
    )
    media = MediaSet.of([scene(), mask(ON_IT, inverted=True)])
    call = ImageEditing(
        task="image_editing", prompt=SAID, source="image_1", mask="image_2", steps=1
    )
    plan = Plan(request=make_request(SAID, media.attachments), steps=(call,))
    result = Router((tool,)).run(plan, media)
    assert INVERTED in result.notes
    assert [one.name for one in result.previews] == ["mask-as-given", "mask-inverted"]
    assert len(result.outputs) == 1
    made, kept = np.asarray(result.image.pil), np.asarray(scene())
    assert (made[30, 30] == kept[30, 30]).all()  # the mask was not turned round
    saved = save(result, out / "edit.png", overwrite=False)
    shown = save_previews(result, saved, overwrite=False)
    assert [path.name for path in shown] == ["edit-mask-as-given.png", "edit-mask-inverted.png"]
    again = save_previews(result, saved, overwrite=False)
    assert [path.name for path in again] == ["edit-mask-as-given-2.png", "edit-mask-inverted-2.png"]
