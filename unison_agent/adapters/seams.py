"""How what was made is put into what is kept: soft masks and feathered seams; it knows no tasks and no pipeline.

A mask says of each pixel how much of it changes: 255 all, 0 nothing, and between them a share. Where it is 0, the
kept pixel comes out as it went in. The seam fades within the white, never outside of it.
"""

from collections.abc import Sequence
from math import log10

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from unison_agent.preprocess.regions import grown

Pictures = Sequence[PIL.Image.Image]
_FADE_SIDE = 240  # pixels of the shorter side for each pixel that a seam fades over
_WIDEST_FADE = 4
_BLACK, _WHITE = (
    32,
    223,
)  # compression and smoothing leave so much around what was drawn black and white


def share_of(mask: PIL.Image.Image, size: tuple[int, int]) -> PIL.Image.Image:
    """Return what a drawn mask says at `size`, mode L: black and white cleaned of noise, grays between them kept.

    A mask of two values stays one; a soft one is resized smoothly.
    """
    gray = np.asarray(mask.convert("L")).astype(np.float32)
    level = ((gray - _BLACK) * (255 / (_WHITE - _BLACK))).clip(0, 255).round().astype(np.uint8)
    soft = ((level > 0) & (level < 255)).any()
    way = PIL.Image.Resampling.BILINEAR if soft else PIL.Image.Resampling.NEAREST
    return PIL.Image.fromarray(level).resize(size, way)


def hard(mask: PIL.Image.Image) -> PIL.Image.Image:
    """Return where anything changes: 255 where `mask` is above 0, else 0. Pipelines take no other masks."""
    return PIL.Image.fromarray(np.where(np.asarray(mask) > 0, 255, 0).astype(np.uint8))


def composited(
    made: NDArray[np.uint8], kept: Pictures, masks: Pictures, *, fade: int | None = None
) -> NDArray[np.uint8]:
    """Return `made` laid into `kept` as the masks say, to the pixel where they are black.

    Args:
        made: Shape [num_frames, height, width, 3].
        kept: One RGB frame for each of `made`.
        masks: One L frame for each of `made`: 255 is what was to change, 0 what stays.
        fade: Pixels inside of the white over which `made` fades in; by default what suits the size, which is
            none for pictures of up to 119 pixels.
    """
    joined = np.empty_like(made)
    for index, (picture, mask) in enumerate(zip(kept, masks, strict=True)):
        share = _shares(np.asarray(mask), fade)[..., None]
        source = np.asarray(picture).astype(np.float32)
        joined[index] = (share * made[index] + (1 - share) * source).round().astype(np.uint8)
    return joined


def kept_db(made: NDArray[np.uint8], kept: Pictures, masks: Pictures) -> float | None:
    """Return the PSNR of `made` against `kept` where the masks are black, in dB; None where they are nowhere black.

    Arguments are those of `composited`; equal pixels count as 100 dB.
    """
    stays = np.stack([np.asarray(mask) for mask in masks]) == 0
    if not stays.any():
        return None
    source = np.stack([np.asarray(frame) for frame in kept])
    error = float(np.mean((made[stays].astype(np.float64) - source[stays]) ** 2))
    return 100.0 if error == 0 else min(100.0, 10 * log10(255**2 / error))


def _shares(mask: NDArray[np.uint8], fade: int | None) -> NDArray[np.float32]:
    """Return how much of each pixel changes, 0 to 1; the border of the picture is no seam."""
    share = mask.astype(np.float32) / np.float32(255)
    width = min(_WIDEST_FADE, round(min(mask.shape) / _FADE_SIDE)) if fade is None else fade
    outside = mask == 0
    for step in range(width):
        wider = grown(outside)
        ring = wider & ~outside
        share[ring] = np.minimum(share[ring], (step + 1) / (width + 1))
        outside = wider
    return share
