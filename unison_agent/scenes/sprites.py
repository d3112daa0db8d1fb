"""Shapes, icons and colours as small RGBA arrays; it does not know where they are put or said."""

import functools
import math
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Shape = Literal["circle", "square", "triangle", "star", "heart", "diamond", "cross", "moon"]
Color = Literal[
    "red", "green", "blue", "yellow", "white", "black", "pink", "purple", "orange", "gray"
]
Size = Literal["small", "medium", "large"]

SHAPES: tuple[Shape, ...] = get_args(Shape)
COLORS: dict[Color, tuple[int, int, int]] = {
    "red": (220, 50, 50),
    "green": (60, 170, 80),
    "blue": (60, 110, 220),
    "yellow": (245, 215, 70),
    "white": (245, 245, 245),
    "black": (25, 25, 30),
    "pink": (245, 160, 195),
    "purple": (135, 75, 185),
    "orange": (240, 140, 45),
    "gray": (135, 135, 140),
}
SIZES: dict[Size, int] = {"small": 18, "medium": 28, "large": 40}
ICONS: tuple[str, ...] = (
    "dog", "cat", "frog", "panda", "lion", "pig", "fox", "fish",
    "crab", "octopus", "penguin", "owl", "butterfly", "turtle", "apple", "banana",
    "pizza", "strawberry", "carrot", "rocket", "car", "bus", "airplane", "boat",
    "flower", "cactus", "mushroom", "house", "ball", "balloon", "umbrella", "tree",
)  # fmt: skip
NAMES: tuple[str, ...] = (*SHAPES, *ICONS)

# The sheet of icon pictures: Noto Emoji (Apache-2.0), drawn by training/icons.py.
SHEET = Path(__file__).with_name("noto_icons.png")
SIDE = 96
COLUMNS = 8
_OVERSAMPLING = 8
_FULL = np.float32(255)

Sprite = NDArray[np.float32]
"""RGBA in [0, 1], shape (side, side, 4)."""


def _outline(shape: Shape, side: int) -> Image.Image:
    """Return the shape's coverage as an 8-bit image of `side` oversampled pixels."""
    n = side * _OVERSAMPLING
    image = Image.new("L", (n, n), 0)
    draw = ImageDraw.Draw(image)
    m = n * 0.05
    match shape:
        case "circle":
            draw.ellipse((m, m, n - m, n - m), fill=255)
        case "square":
            draw.rectangle((2 * m, 2 * m, n - 2 * m, n - 2 * m), fill=255)
        case "triangle":
            draw.polygon([(n / 2, m), (n - m, n - m), (m, n - m)], fill=255)
        case "star":
            points = [
                (n / 2 + n * r * math.sin(a), n * 0.52 - n * r * math.cos(a))
                for a, r in ((i * math.pi / 5, 0.2 if i % 2 else 0.5) for i in range(10))
            ]
            draw.polygon(points, fill=255)
        case "heart":
            t = np.linspace(0, 2 * math.pi, 200)
            x = 16 * np.sin(t) ** 3
            y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
            points = [
                (n / 2 + a * n / 35, n * 0.46 - b * n / 35) for a, b in zip(x, y, strict=True)
            ]
            draw.polygon(points, fill=255)
        case "diamond":
            draw.polygon([(n / 2, 0), (n * 0.85, n / 2), (n / 2, n), (n * 0.15, n / 2)], fill=255)
        case "cross":
            a, b = n * 0.35, n * 0.65
            draw.rectangle((a, m, b, n - m), fill=255)
            draw.rectangle((m, a, n - m, b), fill=255)
        case "moon":
            draw.ellipse((m, m, n - m, n - m), fill=255)
            draw.ellipse((n * 0.38, m, n * 1.2, n - m), fill=0)
    return image


@functools.cache
def shape_sprite(shape: Shape, color: Color, side: int) -> Sprite:
    """Return a one-colour shape, anti-aliased."""
    alpha = np.asarray(_outline(shape, side).resize((side, side), Image.Resampling.BOX), np.float32)
    rgb = np.broadcast_to(np.array(COLORS[color], np.float32), (side, side, 3))
    return np.concatenate([rgb, alpha[..., None]], axis=-1) / _FULL


@functools.cache
def icon_sprite(name: str, side: int) -> Sprite:
    """Return an icon of the sheet, resized."""
    index = ICONS.index(name)
    left, top = index % COLUMNS * SIDE, index // COLUMNS * SIDE
    cell = _sheet().crop((left, top, left + SIDE, top + SIDE))
    # Premultiplied, so that the transparent surroundings do not bleed dark into the edge.
    resized = cell.convert("RGBa").resize((side, side), Image.Resampling.LANCZOS).convert("RGBA")
    return np.asarray(resized, np.float32) / _FULL


@functools.cache
def _sheet() -> Image.Image:
    return Image.open(SHEET).convert("RGBA")
