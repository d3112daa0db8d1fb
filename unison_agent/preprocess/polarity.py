"""Whether a mask looks as if black and white were swapped in it; it changes none and knows no calls.

White is what an edit makes anew. A mask that is white all around, and black just where a thing stands, keeps that
thing and loses the rest: what is meant when the background is to change, and a slip when the thing is.
"""

import re
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image

from unison_agent.preprocess.regions import FlatScene, Mask, flat_scene, grown
from unison_agent.preprocess.target_words import names_ground

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

_MOSTLY = 0.5  # least share of the picture that is white
_AROUND = 0.95  # least share of the border that is white
_SPECK = 0.002  # a black part below this share of the picture says nothing
_COVERED = 0.6  # least share of a thing that the black part covers
_ROOMY = 6.0  # the black part is at most so many times as large as the things in it
_STANDS_OUT = 24.0  # RGB distance between the black part and what is close around it
_PREVIEW_SIDE = 256
_TINT = np.array([255, 0, 160], np.float32)
# Words beside those for backgrounds that mean all but a thing.
_AROUND_WORDS = re.compile(
    r"\b(around|behind|surroundings?|scenery|scene|setting|sky|keep|except|everything|outside|elsewhere)\b",
    re.IGNORECASE,
)


def looks_inverted(mask: "Picture", source: "Picture", words: str) -> bool:
    """Return whether `mask` is likely to be meant the other way round.

    Args:
        mask: L, 0 or 255; white is what the edit makes.
        source: RGB, of the same size.
        words: What is to be done; where they speak of the background, a mask of all but a thing is meant.
    """
    white = np.asarray(mask) > 127
    border = np.concatenate([white[0], white[-1], white[1:-1, 0], white[1:-1, -1]])
    black = ~white
    if white.mean() < _MOSTLY or border.mean() < _AROUND or black.mean() < _SPECK:
        return False
    if names_ground(words) or _AROUND_WORDS.search(words):
        return False
    scene = flat_scene(source)
    if scene is not None:
        return _on_a_thing(black, scene)
    return _stands_out(black, np.asarray(source.convert("RGB")))


def preview(mask: "Picture", source: "Picture", *, inverted: bool) -> "Picture":
    """Return a small picture of `source` in which what would be made anew is tinted."""
    small = source.convert("RGB")
    small.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
    change = np.asarray(mask.resize(small.size, PIL.Image.Resampling.NEAREST)) > 127
    values = np.asarray(small).astype(np.float32)
    changed = (change != inverted)[..., None]
    tinted = np.where(changed, 0.35 * values + 0.65 * _TINT, values)
    return PIL.Image.fromarray(tinted.round().astype(np.uint8))


def _on_a_thing(black: Mask, scene: FlatScene) -> bool:
    """Return whether the black part covers things of a flat scene, with little of the ground around them."""
    height, width = scene.picture.shape[:2]
    drawn = PIL.Image.fromarray(black).resize((width, height), PIL.Image.Resampling.NEAREST)
    kept = np.asarray(drawn)
    inside = [r for r in scene.regions if kept[r.pixels].mean() >= _COVERED]
    return bool(inside) and kept.sum() <= _ROOMY * sum(region.area for region in inside)


def _stands_out(black: Mask, picture: "NDArray[np.uint8]") -> bool:
    """Return whether the black part differs in colour from a rim around it."""
    rim = grown(black, max(2, max(black.shape) // 24)) & ~black
    if not rim.any():
        return False
    inside, around = picture[black].mean(axis=0), picture[rim].mean(axis=0)
    return bool(np.linalg.norm(inside - around) > _STANDS_OUT)
