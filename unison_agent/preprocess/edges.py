"""Lines and grays of pictures, by arithmetic alone; it knows no models and no tasks.

Edges after J. Canny, "A Computational Approach to Edge Detection", IEEE TPAMI 8(6), 1986: smooth, take the
gradient, keep its ridges, and of the weak ridges only those that hang on a strong one.
"""

from collections.abc import Sequence
from math import pi, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

# A step between two flat areas counts by its height in gray levels, whatever the smoothing.
_WEAK_STEP, _STRONG_STEP = 18.0, 45.0
_SIGMA = 1.4  # pixels, on a picture of 480 lines or more
_SIGMA_LINES = 480


def canny_maps(frames: "Sequence[Picture]") -> "list[Picture]":
    """Return white edges on black, one pixel wide, RGB."""
    return [drawn(canny(np.asarray(frame.convert("RGB")))) for frame in frames]


def gray_maps(frames: "Sequence[Picture]") -> "list[Picture]":
    """Return the luma (ITU-R 601), three equal channels."""
    return [frame.convert("L").convert("RGB") for frame in frames]


def canny(picture: NDArray[np.uint8]) -> Mask:
    """Return where the edges of an RGB picture are, shape [height, width].

    The gradient of a pixel is that of its most changing channel, so that colours of one brightness have an
    edge between them.
    """
    lines = min(picture.shape[:2])
    sigma = max(0.6, _SIGMA * min(1.0, lines / _SIGMA_LINES))
    smooth = smoothed(picture.astype(np.float32), sigma)
    padded = np.pad(smooth, ((1, 1), (1, 1), (0, 0)), mode="edge")
    dx = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    dy = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    most = np.hypot(dx, dy).argmax(-1)[..., None]
    dx, dy = (np.take_along_axis(v, most, -1)[..., 0].astype(np.float32) for v in (dx, dy))
    # A step of height h, smoothed, has the slope h / (sigma sqrt(2 pi)); differences over two pixels lose
    # some of it where sigma is small.
    step = (np.hypot(dx, dy) * sqrt(2 * pi * (sigma**2 + 1 / 3))).astype(np.float32)
    return connected(ridges(step, dx, dy), step, _WEAK_STEP, _STRONG_STEP)


def ridges(height: Floats, dx: Floats, dy: Floats) -> Mask:
    """Return where `height` is largest among the neighbours across the ridge, all [height, width].

    Args:
        height: What is looked for.
        dx: The direction across the ridge, to the right.
        dy: The direction across the ridge, downwards.
    """
    # Four directions: 0, 45, 90 and 135 degrees, each a pair of opposite neighbours.
    direction = np.round(np.arctan2(dy, dx) / (pi / 4)).astype(np.int64) % 4
    padded = np.pad(height, 1)
    rows, columns = height.shape
    kept = np.zeros(height.shape, np.bool_)
    for index, (x, y) in enumerate(((1, 0), (1, 1), (0, 1), (-1, 1))):
        ahead = padded[1 + y : 1 + y + rows, 1 + x : 1 + x + columns]
        behind = padded[1 - y : 1 - y + rows, 1 - x : 1 - x + columns]
        kept |= (direction == index) & (height > behind) & (height >= ahead)
    return kept


def connected(lines: Mask, height: Floats, weak: float, strong: float) -> Mask:
    """Return the pixels of `lines` above `weak` that hang on one above `strong`."""
    columns = lines.shape[1] + 2
    open_ = np.pad(lines & (height > weak), 1).ravel()
    front = np.flatnonzero(np.pad(lines & (height > strong), 1).ravel())
    kept = np.zeros_like(open_)
    around = np.array([y * columns + x for y in (-1, 0, 1) for x in (-1, 0, 1)])
    while front.size:
        kept[front] = True
        open_[front] = False
        near = np.unique(front[:, None] + around)
        front = near[open_[near]]
    return kept.reshape(-1, columns)[1:-1, 1:-1]


def drawn(lines: Mask, *, dark: bool = False) -> "Picture":
    """Return lines as RGB: white on black, or black on white when `dark`."""
    values = np.where(lines, 0, 255) if dark else np.where(lines, 255, 0)
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def smoothed(values: Floats, sigma: float) -> Floats:
    """Return `values` [height, width, channels] under a Gaussian."""
    reach = max(1, round(3 * sigma))
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2)).astype(np.float32)
    kernel /= kernel.sum()
    for axis in (0, 1):
        length = values.shape[axis]
        widths = [(reach, reach) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(values, widths, mode="edge")
        values = np.zeros_like(values)
        for i, weight in enumerate(kernel):
            values += weight * padded.take(range(i, i + length), axis)
    return values
