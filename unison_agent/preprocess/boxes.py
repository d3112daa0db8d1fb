"""The layout of a flat scene: where its things are, as boxes; it loads no models.

Photographs have no flat ground: their layout is refused rather than guessed at.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unison_agent.errors import RequestError
from unison_agent.preprocess.regions import flat_scene

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_GRAY_STEP = 60  # between one thing and the next smaller
_DARKEST = 75


def layout_maps(frames: "Sequence[Picture]") -> "list[Picture]":
    """Return filled bounding boxes on black, the largest white, RGB.

    Raises:
        RequestError: A frame has no flat ground.
    """
    return [_boxes(frame) for frame in frames]


def _boxes(frame: "Picture") -> "Picture":
    scene = flat_scene(frame)
    if scene is None:
        raise RequestError(
            "A layout map is made of things on a flat ground, and this footage has none.",
            hint="Attach a layout map: gray boxes on black.",
        )
    drawn = np.zeros(scene.picture.shape, np.uint8)
    for index, region in enumerate(scene.regions):
        left, top, right, bottom = region.box
        drawn[top:bottom, left:right] = max(_DARKEST, 255 - _GRAY_STEP * index)
    return Image.fromarray(drawn).resize(frame.size, Image.Resampling.NEAREST)
