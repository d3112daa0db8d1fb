"""Ready maps and ordinary footage told apart: photographs, scenes of nano, and maps made here."""

import io
import random

import numpy as np
import PIL.Image
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL.Image import Image as Picture

from unison_agent.preprocess.control_probe import Look, look
from unison_agent.preprocess.edges import canny_maps, gray_maps
from unison_agent.preprocess.skeleton import Body, draw_bodies
from unison_agent.scenes import world
from unison_agent.tasks import ControlType

STANDING: Body = {
    "nose": (0.5, 0.15), "neck": (0.5, 0.25), "right_shoulder": (0.4, 0.25), "left_shoulder": (0.6, 0.25),
    "right_elbow": (0.35, 0.4), "left_elbow": (0.65, 0.4), "right_wrist": (0.3, 0.5), "left_wrist": (0.7, 0.5),
    "right_hip": (0.45, 0.55), "left_hip": (0.55, 0.55), "right_knee": (0.43, 0.75), "left_knee": (0.57, 0.75),
    "right_ankle": (0.42, 0.95), "left_ankle": (0.58, 0.95),
}  # fmt: skip


def photo(name: str) -> Picture:
    return PIL.Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


def picture(values: NDArray[np.uint8]) -> Picture:
    return PIL.Image.fromarray(values).convert("RGB")


def coded(frame: Picture) -> Picture:
    """Return the frame after JPEG, as maps often arrive."""
    buffer = io.BytesIO()
    frame.save(buffer, "JPEG", quality=85)
    return PIL.Image.open(buffer).convert("RGB")


def body(size: tuple[int, int]) -> Picture:
    placed: Body = {joint: (x * size[0], y * size[1]) for joint, (x, y) in STANDING.items()}
    return draw_bodies([placed], size)


def ball(side: int = 200) -> Picture:
    """Return the normals of a ball before a wall."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side * 4 - 2
    height = np.sqrt(np.clip(1 - x**2 - y**2, 0, None))
    vectors = np.where((height > 0)[..., None], np.stack([x, -y, height], -1), (0, 0, 1))
    return picture((vectors * 127.5 + 127.5).round().astype(np.uint8))


PHOTOS = ["astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "retina"]
GRAY_PHOTOS = ["camera", "coins", "moon", "brick", "clock", "page"]


@pytest.mark.parametrize("name", PHOTOS)
def test_photographs_are_raw_for_every_control_type(name: str) -> None:
    for frame in (photo(name), coded(photo(name))):
        seen = look([frame])
        assert seen.maps == ()
        assert seen.is_raw(None)
        assert all(seen.is_raw(kind) for kind in ("canny", "depth", "gray", "pose"))


@pytest.mark.parametrize("name", GRAY_PHOTOS)
def test_gray_photographs_are_gray_maps_and_raw_for_lines(name: str) -> None:
    seen = look([photo(name)])
    assert not seen.is_raw("gray")
    assert not seen.is_raw(None)
    assert seen.is_raw("canny")
    assert seen.is_raw("pose")


def test_the_maps_of_nano_are_maps_of_their_type() -> None:
    rng = random.Random(0)
    for _ in range(30):
        scene = world.random_scene(rng)
        drawn = world.draw(scene)
        maps: dict[ControlType, NDArray[np.uint8]] = {
            "canny": world.edge_map(drawn),
            "scribble": 255 - world.edge_map(drawn),
            "depth": world.depth_map(scene),
            "layout": world.layout_map(scene),
            "gray": world.gray_map(drawn),
        }
        for kind, values in maps.items():
            for frame in (picture(values), coded(picture(values))):
                assert not look([frame]).is_raw(kind), (kind, scene)
            # A gray thing on a ground as bright shows nothing once it is gray.
            assert kind == "gray" or kind in look([picture(values)]).maps, (kind, scene)


def test_the_scenes_of_nano_are_raw() -> None:
    rng = random.Random(1)
    raw = [look([picture(world.draw(world.random_scene(rng)))]).is_raw("canny") for _ in range(60)]
    assert sum(raw) >= 58  # a scene may be gray itself


@pytest.mark.parametrize("size", [(64, 64), (480, 320), (1280, 720)])
def test_maps_made_here_are_known_again(size: tuple[int, int]) -> None:
    frame = photo("astronaut").resize(size)
    assert "canny" in look(canny_maps([frame])).maps
    assert "gray" in look(gray_maps([frame])).maps
    assert look([body(size)]).maps == ("pose",)
    assert look([coded(body(size))]).maps == ("pose",)


def test_normals_and_smooth_depth_are_known() -> None:
    assert look([ball()]).maps == ("normal",)
    slope = np.linspace(20, 230, 256).astype(np.uint8)
    assert "depth" in look([picture(np.tile(slope, (256, 1)))]).maps


def test_a_map_of_another_type_than_is_said_is_taken_as_it_is() -> None:
    edges = look(canny_maps([photo("coffee")]))
    assert not edges.is_raw("depth")
    assert not edges.is_raw("pose")


def test_what_shows_nothing_is_unsure_and_taken_as_it_is() -> None:
    seen = look([PIL.Image.new("RGB", (64, 64), (255, 0, 0))])
    assert seen == Look((), "too little is seen", sure=False)
    assert not seen.is_raw("canny")
    assert not look([PIL.Image.new("RGB", (1, 1))]).sure


def test_of_a_clip_empty_frames_do_not_matter_and_raw_ones_do() -> None:
    black = PIL.Image.new("RGB", (320, 240))
    sticks = body((320, 240))
    assert look([black, sticks, sticks]).maps == ("pose",)
    assert look([sticks, photo("coffee").resize((320, 240)), sticks]).is_raw("pose")
    edges = canny_maps([photo("coffee").resize((320, 240))])[0]
    assert not look([sticks, edges]).sure
