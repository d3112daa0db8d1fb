"""Scenes of flat things on a flat ground: made at random, drawn, and their ground truth.

It does not know how a scene is said in words. Pictures are 64x64; a thing moves SPEED pixels a frame.
"""

import math
import random
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unison_agent.scenes import sprites
from unison_agent.scenes.sprites import Color, Size, Sprite

Place = Literal["left", "right", "top", "bottom", "center"]
Motion = Literal["left", "right", "up", "down"]

CANVAS = 64
SPEED = 1
OFFSETS: dict[Place, tuple[int, int]] = {
    "left": (-15, 0),
    "right": (15, 0),
    "top": (0, -15),
    "bottom": (0, 15),
    "center": (0, 0),
}
DIRECTIONS: dict[Motion, tuple[int, int]] = {
    "left": (-1, 0),
    "right": (1, 0),
    "up": (0, -1),
    "down": (0, 1),
}

Pixels = NDArray[np.uint8]
"""RGB, shape (64, 64, 3)."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One shape or icon; icons have colours of their own, so `color` is None.

    Attributes:
        x: Centre in pixels from the left, in the first frame.
        y: Centre in pixels from the top, in the first frame.
        side: Width and height in pixels.
    """

    name: str
    color: Color | None
    size: Size
    place: Place
    x: int
    y: int
    side: int
    motion: Motion | None = None

    def sprite(self) -> Sprite:
        """Return the thing's picture."""
        if self.color is None:
            return sprites.icon_sprite(self.name, self.side)
        return sprites.shape_sprite(self.name, self.color, self.side)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, slots=True)
class Scene:
    """A ground and one to three things, back to front."""

    background: Color
    things: tuple[Thing, ...]
    tint: int = 0  # a small change of the ground's brightness, so that no colour is one exact value


def _paste(canvas: NDArray[np.float32], sprite: Sprite, x: int, y: int) -> None:
    side = sprite.shape[0]
    left, top = x - side // 2, y - side // 2
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(CANVAS, left + side), min(CANVAS, top + side)
    if x1 <= x0 or y1 <= y0:
        return
    piece = sprite[y0 - top : y1 - top, x0 - left : x1 - left]
    alpha = piece[..., 3:]
    region = canvas[y0:y1, x0:x1]
    canvas[y0:y1, x0:x1] = region * (1 - alpha) + piece[..., : canvas.shape[2]] * alpha


def _position(thing: Thing, frame: int) -> tuple[int, int]:
    if thing.motion is None:
        return thing.x, thing.y
    dx, dy = DIRECTIONS[thing.motion]
    return thing.x + dx * SPEED * frame, thing.y + dy * SPEED * frame


def draw(scene: Scene, frame: int = 0) -> Pixels:
    """Return the picture of one frame."""
    canvas = np.empty((CANVAS, CANVAS, 3), np.float32)
    canvas[:] = (np.array(sprites.COLORS[scene.background], np.float32) + scene.tint) / 255
    for thing in scene.things:
        _paste(canvas, thing.sprite(), *_position(thing, frame))
    return (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)


def draw_clip(scene: Scene, num_frames: int) -> NDArray[np.uint8]:
    """Return all frames, shape (num_frames, 64, 64, 3)."""
    return np.stack([draw(scene, frame) for frame in range(num_frames)])


def coverage(scene: Scene, index: int, frame: int = 0) -> NDArray[np.bool_]:
    """Return where the thing `index` is visible, shape (64, 64)."""
    owner = np.zeros((CANVAS, CANVAS, 1), np.float32)
    for i, thing in enumerate(scene.things[index:]):
        sprite = thing.sprite().copy()
        sprite[..., :3] = 1.0 if i == 0 else 0.0
        _paste(owner, sprite, *_position(thing, frame))
    return owner[..., 0] > 0.5


def later(scene: Scene, frame: int) -> Scene:
    """Return the scene as it is at a frame, its things at the places that are nearest then."""
    moved: list[Thing] = []
    for thing in scene.things:
        x, y = _position(thing, frame)
        dx, dy = x - CANVAS // 2, y - CANVAS // 2
        place = min(OFFSETS, key=lambda one: math.dist(OFFSETS[one], (dx, dy)))
        moved.append(replace(thing, x=x, y=y, place=place))
    return replace(scene, things=tuple(moved))


# --- maps ----------------------------------------------------------------------------------------


def edge_map(picture: Pixels) -> Pixels:
    """Return white edges on black where a colour channel jumps."""
    values = picture.astype(np.int16)
    dx = np.abs(np.diff(values, axis=1, append=values[:, -1:])).max(-1)
    dy = np.abs(np.diff(values, axis=0, append=values[-1:])).max(-1)
    edges = (np.maximum(dx, dy) > 24).astype(np.uint8) * 255
    return np.repeat(edges[..., None], 3, axis=-1)


def depth_map(scene: Scene, frame: int = 0) -> Pixels:
    """Return nearness: black ground, later things are nearer and brighter."""
    depth = np.zeros((CANVAS, CANVAS), np.uint8)
    for i in range(len(scene.things)):
        depth[coverage(scene, i, frame)] = 255 - 60 * (len(scene.things) - 1 - i)
    return np.repeat(depth[..., None], 3, axis=-1)


def layout_map(scene: Scene, frame: int = 0) -> Pixels:
    """Return filled bounding boxes on black, one grey level a thing."""
    layout = np.zeros((CANVAS, CANVAS), np.uint8)
    for i in range(len(scene.things)):
        box = bounding_box(coverage(scene, i, frame))
        if box is not None:
            left, top, right, bottom = box
            layout[top:bottom, left:right] = 255 - 60 * i
    return np.repeat(layout[..., None], 3, axis=-1)


def gray_map(picture: Pixels) -> Pixels:
    """Return the luma, three equal channels."""
    luma = picture @ np.array([0.299, 0.587, 0.114])
    return np.repeat((luma + 0.5).astype(np.uint8)[..., None], 3, axis=-1)


def bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Return (left, top, right, bottom), right and bottom exclusive; None when empty."""
    ys, xs = np.nonzero(mask)
    if not len(xs):
        return None
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def box_mask(mask: NDArray[np.bool_], pad: int) -> NDArray[np.bool_]:
    """Return the padded bounding box of a mask, filled."""
    filled = np.zeros_like(mask)
    box = bounding_box(mask)
    if box is not None:
        left, top, right, bottom = box
        filled[max(0, top - pad) : bottom + pad, max(0, left - pad) : right + pad] = True
    return filled


# --- random scenes -------------------------------------------------------------------------------


def random_look(rng: random.Random, background: Color | None) -> tuple[str, Color | None]:
    """Return (name, colour); shapes never have the colour of the ground."""
    if rng.random() < 0.5:
        colors: list[Color] = [c for c in sprites.COLORS if c != background]
        return rng.choice(sprites.SHAPES), rng.choice(colors)
    return rng.choice(sprites.ICONS), None


def make_thing(
    rng: random.Random,
    name: str,
    color: Color | None,
    size: Size,
    place: Place,
    motion: Motion | None = None,
) -> Thing:
    """Return the thing at its place, give or take two pixels."""
    dx, dy = OFFSETS[place]
    x = CANVAS // 2 + dx + rng.randint(-2, 2)
    y = CANVAS // 2 + dy + rng.randint(-2, 2)
    side = sprites.SIZES[size] + rng.choice((-2, 0, 2))
    return Thing(name, color, size, place, x, y, side, motion)


def random_scene(rng: random.Random, count: int | None = None, moving: bool = False) -> Scene:
    """Return a scene of `count` things (one to three at random); when moving, one thing moves."""
    background = rng.choice(tuple(sprites.COLORS))
    count = count or rng.choices((1, 2, 3), (0.7, 0.22, 0.08))[0]
    if count == 1:
        places: tuple[Place, ...] = (rng.choice(tuple(OFFSETS)),)
        sizes: tuple[Size, ...] = tuple(sprites.SIZES)
    elif count == 2:
        places = rng.choice((("left", "right"), ("top", "bottom")))
        sizes = ("small", "medium")
    else:
        places = ("left", "center", "right")
        sizes = ("small",)
    things: list[Thing] = []
    for place in places:
        name, color = random_look(rng, background)
        while any(other.name == name for other in things):
            name, color = random_look(rng, background)
        things.append(make_thing(rng, name, color, rng.choice(sizes), place))
    if moving:
        index = rng.randrange(count)
        things[index] = replace(things[index], motion=rng.choice(tuple(DIRECTIONS)))
    return Scene(background, tuple(things), rng.randint(-4, 4))


def jittered(rng: random.Random, scene: Scene) -> Scene:
    """Return the same words' scene drawn anew: other pixel offsets, sides and tint."""
    things = tuple(
        make_thing(rng, t.name, t.color, t.size, t.place, t.motion) for t in scene.things
    )
    return Scene(scene.background, things, rng.randint(-4, 4))
