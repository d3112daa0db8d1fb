"""Tells a ready control map from ordinary footage, by geometry alone; it loads no models and changes nothing.

What it cannot tell it says so about, and such media are to be taken as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unison_agent.preprocess.regions import Mask, grown, parts
from unison_agent.tasks import ControlType

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_LONGEST_SIDE = 512  # larger pictures are looked at in a copy, without new values between old ones
_FRAMES = 3  # of a clip are looked at
_SAME = 10  # channels or levels that differ by less may do so from compression
_FLAT = 6  # a picture whose values stray less from their mean shows nothing
_DARK, _BRIGHT = 48, 207  # black and white, after compression
_SMOOTH = 1.5  # gray levels a pixel of a depth map differs from its neighbours' mean


@dataclass(frozen=True, slots=True)
class Look:
    """What footage looks like.

    Attributes:
        maps: The control types that it may be a ready map of.
        why: What was seen, in a few words.
        sure: False when too little is seen to say; then `maps` is empty.
    """

    maps: tuple[ControlType, ...]
    why: str
    sure: bool = True

    def is_raw(self, control_type: ControlType | None) -> bool:
        """Return whether a map has yet to be made before the footage can be followed.

        A map of another type than is said is taken as it is, but for gray: what may be a gray map may be
        ordinary footage too, from which the map that is said can be made.
        """
        if not self.sure:
            return False
        unsaid = control_type is None or control_type in self.maps
        return not self.maps or ("gray" in self.maps and not unsaid)


def look(frames: "Sequence[Picture]") -> Look:
    """Return what the frames look like; of a clip, a few are looked at.

    Args:
        frames: RGB, at least one, of one size.
    """
    last = len(frames) - 1
    chosen = sorted({0, last // 2, last})[:_FRAMES]
    looks = [seen for i in chosen if (seen := _look(_small(frames[i]))).sure]
    if not looks:
        return Look((), "too little is seen", sure=False)
    raw = next((seen for seen in looks if not seen.maps), None)
    if raw is not None:
        return raw
    shared: tuple[ControlType, ...] = tuple(
        kind for kind in looks[0].maps if all(kind in seen.maps for seen in looks)
    )
    return (
        Look(shared, looks[0].why) if shared else Look((), "the frames look different", sure=False)
    )


def _small(frame: "Picture") -> NDArray[np.uint8]:
    scale = _LONGEST_SIDE / max(frame.size)
    if scale < 1:
        size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
        frame = frame.resize(size, Image.Resampling.NEAREST)
    return np.asarray(frame.convert("RGB"))


def _look(picture: NDArray[np.uint8]) -> Look:
    values = picture.astype(np.int16)
    if np.abs(values - values.mean((0, 1))).max() < _FLAT:
        return Look((), "one flat colour", sure=False)
    is_gray = (values.max(-1) - values.min(-1) < _SAME).mean() > 0.99
    return _look_gray(values.mean(-1).astype(np.int16)) if is_gray else _look_coloured(values)


def _look_gray(luma: NDArray[np.int16]) -> Look:
    dark, bright = luma < _DARK, luma > _BRIGHT
    lines = dark if dark.sum() < bright.sum() else bright
    if (dark | bright).mean() > 0.75 and 0 < lines.mean() < 0.35 and _is_thin(lines, 5 / 512):
        return Look(("canny", "scribble"), "thin lines in black and white")
    if dark.mean() > 0.1 and _is_boxes(luma):
        return Look(("layout", "depth"), "flat gray boxes on black")
    if (dark | bright).mean() > 0.85 and lines.any():
        return Look(("canny", "scribble", "depth"), "areas and lines in black and white")
    if _is_smooth(luma) or _has_few_levels(luma):
        return Look(("depth", "gray"), "smooth gray areas")
    return Look(("gray",), "gray, with texture")


def _look_coloured(values: NDArray[np.int16]) -> Look:
    brightest, chroma = values.max(-1), values.max(-1) - values.min(-1)
    drawn = brightest > _DARK
    if drawn.mean() < 0.35:
        vivid = drawn & (chroma > 0.5 * brightest)
        few_gray = vivid.sum() > 0.65 * drawn.sum()
        if few_gray and _hues(values[vivid]) >= 3 and _is_thin(drawn, 9 / 512):
            return Look(("pose",), "thin coloured sticks on black")
    vectors = values / 127.5 - 1
    length = np.linalg.norm(vectors, axis=-1)
    facing = (vectors[..., 2] > -0.1) & (np.abs(length - 1) < 0.15)
    # A blue ground has such a length too. A wall that fills half of a map of normals faces the viewer.
    ground = np.median(vectors[..., :2], axis=(0, 1))
    is_flat = (np.abs(vectors[..., :2] - ground) < 0.05).all(-1).mean() > 0.5
    if facing.mean() > 0.85 and np.abs(ground).max() < (0.1 if is_flat else 0.7):
        return Look(("normal",), "bluish unit vectors")
    return Look((), "colours of ordinary footage")


def _is_thin(drawn: Mask, share: float) -> bool:
    """Return whether little is left of what is drawn when its rim is taken off."""
    rim = max(1, round(share * max(drawn.shape)))
    left = ~grown(~np.pad(drawn, rim), rim)
    return left.sum() < 0.2 * drawn.sum()


def _is_boxes(luma: NDArray[np.int16]) -> bool:
    """Return whether all that is not black is a few upright boxes, each of one gray."""
    drawn = luma >= _DARK
    levels, counts = np.unique(luma[drawn] // _SAME, return_counts=True)
    flat = levels[counts > 0.02 * drawn.sum()]
    if not 0 < len(flat) <= 8:
        return False
    picture = np.repeat(luma.astype(np.uint8)[..., None], 3, -1)
    filled = boxes = 0
    for level in flat:
        for part in parts(picture, drawn & (np.abs(luma // _SAME - level) <= 1)):
            left, top, right, bottom = part.box
            filled += part.area
            boxes += (right - left) * (bottom - top)
    return filled > 0.85 * boxes and filled > 0.85 * drawn.sum()


def _is_smooth(luma: NDArray[np.int16]) -> bool:
    """Return whether most pixels hardly differ from the mean of their four neighbours."""
    wide = np.pad(luma, 1, mode="edge")
    around = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
    return bool(np.quantile(np.abs(luma - around / 4), 0.8) < _SMOOTH)


def _has_few_levels(luma: NDArray[np.int16]) -> bool:
    """Return whether six narrow bands hold nearly all pixels, as where things are drawn flat."""
    counts = np.bincount((luma + _SAME // 2).ravel() // _SAME)
    return bool(np.sort(counts)[-6:].sum() > 0.9 * luma.size)


def _hues(colors: NDArray[np.int16]) -> int:
    """Return how many of 12 hues take more than a fiftieth of the colours [n, 3]."""
    red, green, blue = colors.T.astype(np.float32)
    angle = np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)
    counts = np.bincount(
        np.floor((angle / (2 * np.pi) % 1) * 12).astype(np.int64) % 12, minlength=12
    )
    return int((counts > 0.02 * len(colors)).sum())
