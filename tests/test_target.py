import random
from collections.abc import Sequence

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from PIL import ImageDraw

from unison_agent.errors import MissingInputError
from unison_agent.media import Medium
from unison_agent.preprocess.regions import COLOR_NAMES, color_names, flat_scene
from unison_agent.preprocess.target import find_mask, find_masks
from unison_agent.scenes import sprites, world
from unison_agent.scenes.world import Scene, Thing
from unison_agent.testing import ScriptedUnderstanding

Mask = NDArray[np.bool_]


def thing(name: str, color: sprites.Color | None, x: int, y: int = 32, side: int = 18) -> Thing:
    return Thing(name, color, "small", "center", x, y, side)


# A red star left, a large blue circle right, a small blue square at the bottom.
SCENE = Scene(
    "white",
    (
        thing("star", "red", 14),
        thing("circle", "blue", 46, 20, 28),
        thing("square", "blue", 32, 54, 14),
    ),
)
PICTURE = PIL.Image.fromarray(world.draw(SCENE))
TWO_STARS = Scene("yellow", (thing("star", "red", 16), thing("star", "red", 48)))


def found(words: str, picture: PIL.Image.Image = PICTURE, scores: Sequence[float] = ()) -> Mask:
    mask = find_mask(picture, words, ScriptedUnderstanding(scores=scores))
    assert mask.mode == "L"
    assert mask.size == picture.size
    assert set(np.unique(np.asarray(mask))) <= {0, 255}
    return np.asarray(mask) > 0


def chosen(mask: Mask, scene: Scene = SCENE) -> list[str]:
    """Return the names of the things that `mask` covers; the others it must leave whole."""
    names: list[str] = []
    for i, each in enumerate(scene.things):
        covered = (mask & world.coverage(scene, i)).sum() / world.coverage(scene, i).sum()
        assert covered in (0, 1), each.name
        if covered:
            names.append(f"{each.name} at {each.x}")
    return names


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("the red star", "star at 14"),
        ("red thing", "star at 14"),
        ("the one on the left", "star at 14"),
        ("the leftmost object", "star at 14"),
        ("the large blue circle", "circle at 46"),
        ("the biggest one", "circle at 46"),
        ("the smaller blue shape", "square at 32"),
        ("the object at the bottom", "square at 32"),
        ("the thing in the upper right", "circle at 46"),
        ("the red star on the blue background", "star at 14"),
    ],
)
def test_colour_size_and_place_words_settle_it(words: str, name: str) -> None:
    assert chosen(found(words)) == [name]


def test_the_mask_is_a_padded_box_without_the_other_things() -> None:
    mask = found("the red star")
    star = world.coverage(SCENE, 0)
    assert mask[star].all()
    assert not mask[~world.box_mask(star, 6)].any()
    assert mask.sum() > 1.5 * star.sum()


def test_one_thing_alone_needs_no_name_of_ours() -> None:
    scene = Scene("green", (thing("dog", None, 30, side=40),))
    mask = found("the puppy", PIL.Image.fromarray(world.draw(scene)))
    assert mask[world.coverage(scene, 0)].all()


def test_a_noun_is_asked_of_the_understanding_model_about_each_thing_alone() -> None:
    asked: list[tuple[Medium, str, tuple[str, ...]]] = []

    class Scorer:
        def score(self, medium: Medium, question: str, options: Sequence[str], /) -> list[float]:
            asked.append((medium, question, tuple(options)))
            return [-float(len(asked))]

    mask = find_mask(PICTURE, "the octopus", Scorer())
    assert chosen(np.asarray(mask) > 0) == ["circle at 46"]  # the largest is asked about first
    assert [(question, options) for _, question, options in asked] == [
        ("What is it?", ("an octopus",))
    ] * 3
    for medium, _, _ in asked:
        alone = flat_scene(next(medium.frames()) if medium.kind == "video" else medium.rgb())
        assert alone is not None
        assert len(alone.regions) == 1


def test_place_words_decide_among_what_may_be_meant() -> None:
    picture = PIL.Image.fromarray(world.draw(TWO_STARS))
    assert chosen(found("the right star", picture, [-1.0, -1.5]), TWO_STARS) == ["star at 48"]
    # Something that is clearly no star is not taken, wherever it is.
    assert chosen(found("the left star", PICTURE, [-9.0, -9.0, -1.0]))[0] != "circle at 46"


def test_what_could_be_several_things_asks_for_the_mask() -> None:
    picture = PIL.Image.fromarray(world.draw(TWO_STARS))
    with pytest.raises(MissingInputError, match="2 things fit it") as caught:
        find_mask(picture, "the red thing")
    assert caught.value.slot == "mask"
    assert caught.value.question.startswith("Where is 'the red thing'?")


def test_all_of_them_is_no_question() -> None:
    picture = PIL.Image.fromarray(world.draw(TWO_STARS))
    assert len(chosen(found("both stars", picture), TWO_STARS)) == 2
    assert chosen(found("all blue things")) == ["circle at 46", "square at 32"]


@pytest.mark.parametrize("words", ["the green star", "a yellow circle", "the purple thing"])
def test_a_colour_that_is_not_there_is_not_found(words: str) -> None:
    with pytest.raises(MissingInputError, match="nothing there is"):
        find_mask(PICTURE, words)


def test_the_background_is_all_but_the_things() -> None:
    mask = found("the background")
    things = np.logical_or.reduce([world.coverage(SCENE, i) for i in range(3)])
    assert (mask != ~things).mean() < 0.02
    empty = PIL.Image.new("RGB", (64, 64), (0, 0, 255))
    assert found("blue background", empty).all()


def test_an_empty_scene_has_no_thing() -> None:
    with pytest.raises(MissingInputError, match="nothing stands out"):
        find_mask(PIL.Image.new("RGB", (64, 64), (9, 9, 9)), "the star")


def test_a_photograph_is_not_guessed_at() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    with pytest.raises(MissingInputError, match="not one flat colour"):
        find_mask(PIL.Image.fromarray(noise), "the star")


def test_noise_and_large_pictures_do_not_matter() -> None:
    picture = PICTURE.resize((800, 600), PIL.Image.Resampling.NEAREST)
    rng = np.random.default_rng(0)
    noisy = np.asarray(picture).astype(np.int16) + rng.integers(-8, 9, (600, 800, 3))
    mask = found("the red star", PIL.Image.fromarray(noisy.clip(0, 255).astype(np.uint8)))
    small = PIL.Image.fromarray(mask.astype(np.uint8) * 255).resize((64, 64))
    assert chosen(np.asarray(small) > 127) == ["star at 14"]


def test_of_things_that_touch_the_part_of_the_colour_is_taken() -> None:
    picture = PIL.Image.new("RGB", (64, 64), (245, 245, 245))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((10, 20, 29, 39), fill=(220, 50, 50))
    draw.rectangle((30, 20, 49, 39), fill=(60, 110, 220))
    mask = found("the red square", picture)
    assert mask[20:40, 10:30].all()
    assert not mask[20:40, 30:50].any()


def test_an_icon_with_parts_of_the_grounds_colour_is_one_thing() -> None:
    rng = random.Random(0)
    for name in ("panda", "ball", "penguin", "owl"):
        scene = Scene("white", (world.make_thing(rng, name, None, "large", "center"),))
        split = flat_scene(PIL.Image.fromarray(world.draw(scene)))
        assert split is not None
        assert len(split.regions) == 1, name


def test_a_small_part_beside_a_thing_belongs_to_it() -> None:
    picture = PIL.Image.new("RGB", (64, 64), (245, 245, 245))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((20, 20, 39, 39), fill=(220, 50, 50))
    draw.rectangle((42, 28, 44, 31), fill=(25, 25, 30))
    draw.rectangle((4, 54, 8, 58), fill=(60, 110, 220))
    scene = flat_scene(picture)
    assert scene is not None
    assert [region.box for region in scene.regions] == [(20, 20, 45, 40), (4, 54, 9, 59)]


def test_every_single_thing_of_the_scenes_is_found() -> None:
    rng = random.Random(7)
    for _ in range(100):
        scene = world.random_scene(rng, count=1)
        only = scene.things[0]
        words = f"the {only.color or ''} {only.name}"
        mask = np.asarray(find_mask(PIL.Image.fromarray(world.draw(scene)), words)) > 0
        assert (mask & world.coverage(scene, 0)).sum() >= 0.97 * world.coverage(scene, 0).sum(), (
            scene
        )


def test_colours_are_called_as_the_scenes_call_them() -> None:
    values = np.array([list(sprites.COLORS.values())], np.uint8)
    assert [COLOR_NAMES[i] for i in color_names(values)[0]] == list(sprites.COLORS)
    browns = np.array([[(120, 70, 30), (255, 128, 0), (0, 255, 255), (255, 0, 255)]], np.uint8)
    assert [COLOR_NAMES[i] for i in color_names(browns)[0]] == ["brown", "orange", "blue", "pink"]


# --- clips ------------------------------------------------------------------------------------------


def crossing(frame: int) -> PIL.Image.Image:
    """Return a red star that goes right above a red circle that goes left."""
    things = (thing("star", "red", 12 + 5 * frame, 18), thing("circle", "red", 52 - 5 * frame, 46))
    return PIL.Image.fromarray(world.draw(Scene("white", things)))


def test_a_clip_follows_what_was_chosen_on_the_first_frame() -> None:
    scorer = ScriptedUnderstanding(scores=[-5.0, -1.0])  # circle, star: asked once
    clip = find_masks([crossing(i) for i in range(9)], "the star", scorer)
    assert clip.missed == ()
    for i, mask in enumerate(clip.masks):
        ys, xs = np.nonzero(np.asarray(mask))
        assert ys.max() < 34
        assert abs(xs.mean() - (12 + 5 * i)) < 3


def test_frames_without_the_thing_take_the_nearest_mask() -> None:
    empty = PIL.Image.new("RGB", (64, 64), (245, 245, 245))
    clip = find_masks([empty, crossing(0), crossing(1), empty], "all red things")
    assert clip.missed == (0, 3)
    assert clip.masks[0].tobytes() == clip.masks[1].tobytes()
    assert clip.masks[3].tobytes() == clip.masks[2].tobytes()


def test_something_else_is_not_followed() -> None:
    def one(color: sprites.Color, x: int, side: int) -> PIL.Image.Image:
        return PIL.Image.fromarray(
            world.draw(Scene("white", (thing("square", color, x, 32, side),)))
        )

    clip = find_masks([one("red", 12, 18), one("black", 54, 10)], "the square")
    assert clip.missed == (1,)


def test_the_background_of_a_clip() -> None:
    clip = find_masks([crossing(i) for i in range(3)], "background")
    assert all(0.7 < (np.asarray(mask) > 0).mean() < 0.95 for mask in clip.masks)


def test_a_clip_in_which_nothing_fits() -> None:
    with pytest.raises(MissingInputError, match="nothing there is green"):
        find_masks([crossing(i) for i in range(3)], "the green star")
