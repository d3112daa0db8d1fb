"""Things on a flat ground: find the ground colour and what stands out from it; it knows no words.

Photographs have no flat ground, and are told apart rather than guessed at.
"""

from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Mask = NDArray[np.bool_]
"""Shape [height, width]."""
Box = tuple[int, int, int, int]
"""left, top, right, bottom; the last two are exclusive."""
ColorName = Literal[
    "black", "white", "gray", "red", "orange", "brown", "yellow", "green", "blue", "purple", "pink"
]
COLOR_NAMES: tuple[ColorName, ...] = get_args(ColorName)

_Number = TypeVar("_Number", np.bool_, np.int64)

_LONGEST_SIDE = 256  # larger pictures are searched in a smaller copy
_STANDS_OUT = 24  # a channel differs by more than this from the ground
_NEAR_GROUND = 32  # a border pixel within this of the ground colour belongs to it
_FLAT_BORDER = 0.6  # the least share of the border that must be ground
_SPECK = 0.0015  # parts below this share of the picture are noise


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One thing.

    Attributes:
        pixels: Where it is visible.
        box: Its bounding box.
        area: Number of its pixels.
        color: Mean RGB.
    """

    pixels: Mask
    box: Box
    area: int
    color: tuple[float, float, float]

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the box, x and y in pixels."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


@dataclass(frozen=True, slots=True, eq=False)
class FlatScene:
    """A picture taken apart.

    Attributes:
        picture: RGB, shape [height, width, 3], at most 256 pixels a side.
        ground: RGB of the background.
        regions: The things, largest first.
    """

    picture: NDArray[np.uint8]
    ground: tuple[int, int, int]
    regions: tuple[Region, ...]

    @property
    def foreground(self) -> Mask:
        """Where any thing is."""
        found = np.zeros(self.picture.shape[:2], np.bool_)
        for region in self.regions:
            found |= region.pixels
        return found

    @property
    def contrast(self) -> NDArray[np.int64]:
        """How far each pixel is from the ground, in its most different channel; 0 to 255."""
        return np.abs(self.picture.astype(np.int64) - self.ground).max(-1)

    def alone(self, region: Region) -> Image.Image:
        """Return the picture with `region` as its only thing."""
        canvas = np.empty_like(self.picture)
        canvas[:] = self.ground
        kept = grown(region.pixels)
        canvas[kept] = self.picture[kept]
        return Image.fromarray(canvas)


def flat_scene(image: Image.Image) -> FlatScene | None:
    """Take `image` apart; None when its border is not one flat colour."""
    image = image.convert("RGB")
    scale = _LONGEST_SIDE / max(image.size)
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BOX)
    picture = np.asarray(image)
    border = np.concatenate([picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1]])
    ground = np.median(border, axis=0)
    if (np.abs(border - ground).max(-1) <= _NEAR_GROUND).mean() < _FLAT_BORDER:
        return None
    stands_out = _without_holes(np.abs(picture - ground).max(-1) > _STANDS_OUT)
    r, g, b = (round(float(channel)) for channel in ground)
    return FlatScene(picture, (r, g, b), tuple(_gathered(parts(picture, stands_out))))


def parts(picture: NDArray[np.uint8], mask: Mask) -> list[Region]:
    """Return the connected parts of `mask` that are no specks, largest first."""
    labels = _labels(mask)
    numbers, counts = np.unique(labels[mask], return_counts=True)
    least = max(6.0, _SPECK * mask.size)
    found = [
        region_of(picture, labels == n) for n, c in zip(numbers, counts, strict=True) if c >= least
    ]
    return sorted(found, key=lambda region: -region.area)


def region_of(picture: NDArray[np.uint8], pixels: Mask) -> Region:
    """Return the region of all `pixels`, of which there must be one at least."""
    ys, xs = np.nonzero(pixels)
    box = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
    r, g, b = (float(channel) for channel in picture[pixels].mean(0))
    return Region(pixels, box, len(xs), (r, g, b))


def merged(picture: NDArray[np.uint8], regions: list[Region]) -> Region:
    """Return one region made of all."""
    return region_of(picture, np.logical_or.reduce([region.pixels for region in regions]))


def grown(mask: Mask, pixels: int = 1) -> Mask:
    """Return `mask` wider by `pixels` on every side."""
    for _ in range(pixels):
        mask = neighbourhood_max(mask)
    return mask


def padded_box(region: Region, pad: int) -> Mask:
    """Return the filled bounding box, wider by `pad` on every side."""
    left, top, right, bottom = region.box
    filled = np.zeros_like(region.pixels)
    filled[max(0, top - pad) : bottom + pad, max(0, left - pad) : right + pad] = True
    return filled


def color_names(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return for each pixel the index in COLOR_NAMES of what people would call its colour."""
    rgb = picture.astype(np.float32) / 255
    high, low = rgb.max(-1), rgb.min(-1)
    chroma = high - low
    saturation = chroma / np.maximum(high, 1e-6)
    safe = np.maximum(chroma, 1e-6)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    hue = 60 * np.select(
        [high == red, high == green],
        [(green - blue) / safe % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    gray = saturation < 0.15
    reddish = (hue < 16) | (hue >= 345)
    chosen: list[tuple[Mask, ColorName]] = [
        (high < 0.22, "black"),
        (gray & (high > 0.82), "white"),
        (gray, "gray"),
        (reddish & (saturation < 0.5) & (high > 0.7), "pink"),
        (reddish, "red"),
        ((hue < 42) & (high < 0.65), "brown"),
        (hue < 42, "orange"),
        (hue < 68, "yellow"),
        (hue < 165, "green"),
        (hue < 252, "blue"),
        (hue < 295, "purple"),
    ]
    index = {name: i for i, name in enumerate(COLOR_NAMES)}
    conditions = [condition for condition, _ in chosen]
    return np.select(conditions, [index[name] for _, name in chosen], index["pink"]).astype(
        np.uint8
    )


def neighbourhood_max(values: NDArray[_Number]) -> NDArray[_Number]:
    """Return for each pixel the largest value of it and its eight neighbours."""
    tall = np.pad(values, ((1, 1), (0, 0)))
    values = np.maximum(np.maximum(tall[:-2], tall[1:-1]), tall[2:])
    wide = np.pad(values, ((0, 0), (1, 1)))
    return np.maximum(np.maximum(wide[:, :-2], wide[:, 1:-1]), wide[:, 2:])


def _labels(mask: Mask) -> NDArray[np.int64]:
    """Return 0 outside of `mask` and one number for each part joined by sides or corners."""
    numbers = np.arange(1, mask.size + 1, dtype=np.int64).reshape(mask.shape)
    labels = np.where(mask, numbers, 0)
    while True:
        spread = np.where(mask, neighbourhood_max(labels), 0)
        if np.array_equal(spread, labels):
            return labels
        labels = spread


def _without_holes(mask: Mask) -> Mask:
    """Return `mask` with what it encloses: parts of a thing may have the ground's colour."""
    wide = np.pad(~mask, 1, constant_values=True)
    labels = _labels(wide)
    return (labels != labels[0, 0])[1:-1, 1:-1]


def _gathered(regions: list[Region]) -> list[Region]:
    """Put small parts back to the larger one they lie close beside: one icon often has several."""
    kept: list[Region] = []
    for region in regions:
        near = [
            i
            for i, other in enumerate(kept)
            if _within(region, other) or (region.area < 0.2 * other.area and _close(region, other))
        ]
        if near:
            other = kept[near[0]]
            kept[near[0]] = _joined(region, other)
        else:
            kept.append(region)
    return kept


def _joined(small: Region, large: Region) -> Region:
    area = small.area + large.area
    box = (
        min(small.box[0], large.box[0]),
        min(small.box[1], large.box[1]),
        max(small.box[2], large.box[2]),
        max(small.box[3], large.box[3]),
    )
    r, g, b = (
        (s * small.area + t * large.area) / area
        for s, t in zip(small.color, large.color, strict=True)
    )
    return Region(small.pixels | large.pixels, box, area, (r, g, b))


def _within(small: Region, large: Region) -> bool:
    """Return whether half of the one box lies in the other."""
    left, top = max(small.box[0], large.box[0]), max(small.box[1], large.box[1])
    right, bottom = min(small.box[2], large.box[2]), min(small.box[3], large.box[3])
    shared = max(0, right - left) * max(0, bottom - top)
    return 2 * shared >= (small.box[2] - small.box[0]) * (small.box[3] - small.box[1])


def _close(a: Region, b: Region) -> bool:
    gap_x = max(a.box[0] - b.box[2], b.box[0] - a.box[2], 0)
    gap_y = max(a.box[1] - b.box[3], b.box[1] - a.box[3], 0)
    return max(gap_x, gap_y) <= max(3, round(0.05 * max(a.pixels.shape)))
