"""The nano world: pictures agree with what is said about them."""

import random

import numpy as np
import pytest

from unison_agent import pixels
from unison_agent.evaluation import judge
from unison_agent.scenes import examples, held_out, sprites, words, world
from unison_agent.scenes.world import Scene
from unison_agent.tasks import GenerationTask


def star(**changes: object) -> Scene:
    values = {"name": "star", "color": "red", "size": "large", "place": "left", "motion": "right"}
    thing = world.make_thing(random.Random(0), **{**values, **changes})  # pyright: ignore[reportArgumentType]
    return Scene("blue", (thing,))


def center_x(scene: Scene, frame: int) -> float:
    return float(np.nonzero(world.coverage(scene, 0, frame))[1].mean())


def test_a_scene_shows_its_colours() -> None:
    scene = star()
    picture = world.draw(scene)
    assert picture.shape == (64, 64, 3)
    assert tuple(picture[0, 63]) == sprites.COLORS["blue"]
    thing = scene.things[0]
    assert tuple(picture[thing.y, thing.x]) == sprites.COLORS["red"]


def test_things_move_as_they_say() -> None:
    assert center_x(star(), 8) == pytest.approx(center_x(star(), 0) + 8 * world.SPEED, abs=1.5)
    assert center_x(star(motion="left", place="right"), 8) < center_x(
        star(motion="left", place="right"), 0
    )


def test_a_later_scene_is_where_its_things_have_moved() -> None:
    rng = random.Random(4)
    for _ in range(40):
        scene = world.random_scene(rng, moving=True)
        later = world.later(scene, 16)
        np.testing.assert_array_equal(world.draw(scene, 16), world.draw(later))
        assert [t.motion for t in later.things] == [t.motion for t in scene.things]
        still = [(a, b) for a, b in zip(scene.things, later.things, strict=True) if not a.motion]
        assert all(a.place == b.place for a, b in still)
    thing = world.make_thing(rng, "star", "red", "small", "left", "right")
    moved = world.later(Scene("blue", (thing,)), 16).things[0]
    assert moved.place == "center"


def test_a_clip_starts_where_the_words_say_and_ends_there_if_its_last_frame_is_given() -> None:
    cases: list[tuple[GenerationTask, str, int]] = [
        ("text_to_video", "", 0),
        ("image_to_video", "last", -1),
    ]
    for task, detail, frame in cases:
        said = examples.Wording("", star(), detail=detail)
        drawn = examples.drawing(task, said, random.Random(1), 17)
        middle = judge.center(drawn.target[frame])
        assert middle is not None
        assert middle[0] == pytest.approx(32 + world.OFFSETS["left"][0], abs=3)


def test_a_thing_is_moved_to_the_middle_of_its_own_ground() -> None:
    picture = world.draw(star())
    moved = judge.centred(picture)
    assert judge.center(moved) == pytest.approx((32, 32), abs=1)
    assert (moved[:, -1] == picture[0, 0]).all()
    assert (judge.centred(np.full_like(picture, 7)) == 7).all()


def test_later_things_hide_earlier_ones() -> None:
    below = world.make_thing(random.Random(0), "square", "red", "large", "center")
    above = world.make_thing(random.Random(0), "circle", "green", "large", "center")
    scene = Scene("white", (below, above))
    hidden, shown = world.coverage(scene, 0), world.coverage(scene, 1)
    assert not (hidden & shown).any()
    depth = world.depth_map(scene)
    assert depth[shown].min() > depth[hidden].max() > depth[~(hidden | shown)].max()


@pytest.mark.parametrize("name", sprites.NAMES)
def test_every_thing_is_visible_on_every_ground(name: str) -> None:
    color = "red" if name in sprites.SHAPES else None
    thing = world.make_thing(random.Random(0), name, color, "small", "center")
    picture = world.draw(Scene("white", (thing,)))
    edges = world.edge_map(picture)
    assert (edges > 0).any()
    box = world.bounding_box(world.coverage(Scene("white", (thing,)), 0))
    assert box is not None
    layout = world.layout_map(Scene("white", (thing,)))
    assert (layout > 0).all(-1).sum() == (box[2] - box[0]) * (box[3] - box[1])


def test_words_are_made_again_from_a_seed_and_vary() -> None:
    def said(seed: int) -> list[str]:
        rng = random.Random(seed)
        return [words.image_request(rng, world.random_scene(rng)) for _ in range(200)]

    assert said(1) == said(1)
    assert len(set(said(1))) > 190


def test_questions_have_the_scene_s_answers() -> None:
    rng = random.Random(0)
    for _ in range(400):
        scene = world.random_scene(rng, moving=rng.random() < 0.5)
        asked = words.question(rng, scene)
        names = {t.name for t in scene.things}
        if asked.text.startswith("Is there"):
            noun = asked.text.removesuffix("?").split()[-1]
            assert asked.answer == ("yes" if noun in names else "no")
        assert asked.answer
        assert len(words.summary(scene, moving=True)) == words.SUMMARY_LENGTH


def test_jitter_keeps_the_words() -> None:
    scene = world.random_scene(random.Random(5))
    again = world.jittered(random.Random(6), scene)
    assert words.plain_caption(again) == words.plain_caption(scene)
    assert not np.array_equal(world.draw(again), world.draw(scene))


def test_patches_of_a_flat_picture_differ_by_place() -> None:
    flat = np.full((64, 64, 3), 128, np.uint8)
    cut = pixels.patches(pixels.pairs([flat]))
    assert cut.shape == (1, pixels.TOKENS, 1536)
    assert len({row.numpy().tobytes() for row in cut[0]}) == pixels.TOKENS
    assert pixels.pairs([flat] * 3).shape == (2, 2, 64, 64, 3)


def test_one_combination_in_ten_is_held_out_and_always_the_same() -> None:
    every = held_out.combinations()
    kept = [line for line in every if held_out.is_combination_held_out(line)]
    assert len(every) == len(set(every)) == 15_600
    assert 0.08 < len(kept) / len(every) < 0.12
    assert kept[:2] == ["circle red left medium on green", "circle red left medium on white"]


def test_a_scene_is_held_out_for_any_of_its_things() -> None:
    rng = random.Random(4)
    kept = world.make_thing(rng, "circle", "red", "medium", "left")
    free = world.make_thing(rng, "circle", "red", "medium", "right")
    assert held_out.is_held_out(world.Scene("green", (free, kept)))
    assert not held_out.is_held_out(world.Scene("green", (free,)))
