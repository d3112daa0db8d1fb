"""Draws bodies as coloured sticks on black; it does not know how they were found.

The 18 joints, the 17 sticks and their colours are those of OpenPose (Z. Cao et al., "OpenPose: Realtime
Multi-Person 2D Pose Estimation using Part Affinity Fields", 2018), on which pose-guided generators are trained.
"""

import colorsys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Joint = Literal[
    "nose", "neck",
    "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
]  # fmt: skip
JOINTS: tuple[Joint, ...] = get_args(Joint)
Body = Mapping[Joint, tuple[float, float]]
"""Where the joints that are seen are, x and y in pixels."""

_STICKS: tuple[tuple[Joint, Joint], ...] = (
    ("neck", "right_shoulder"), ("neck", "left_shoulder"),
    ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
    ("neck", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ("neck", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
    ("neck", "nose"), ("nose", "right_eye"), ("right_eye", "right_ear"),
    ("nose", "left_eye"), ("left_eye", "left_ear"),
)  # fmt: skip
_DIM = 0.6  # sticks are darker than joints
_WIDTH_SHARE = 1 / 64  # of the shorter side
_SMOOTH = 4  # drawn larger by this and reduced


def draw_bodies(bodies: Sequence[Body], size: tuple[int, int]) -> "Picture":
    """Return all bodies on one black picture, RGB.

    Args:
        bodies: Each with the joints that are seen; a stick needs both of its ends.
        size: Width and height in pixels.
    """
    canvas = Image.new("RGB", (size[0] * _SMOOTH, size[1] * _SMOOTH))
    draw = ImageDraw.Draw(canvas)
    width = max(1.0, _WIDTH_SHARE * min(size)) * _SMOOTH
    for body in bodies:
        places = {joint: (x * _SMOOTH, y * _SMOOTH) for joint, (x, y) in body.items()}
        for index, (start, end) in enumerate(_STICKS):
            if start in places and end in places:
                color = _color(index, _DIM)
                draw.line((places[start], places[end]), color, round(width))
                for x, y in (places[start], places[end]):
                    draw.circle((x, y), width / 2, color)
        for joint, (x, y) in places.items():
            draw.circle((x, y), width / 2, _color(JOINTS.index(joint), 1.0))
    return canvas.resize(size, Image.Resampling.BOX)


def _color(index: int, brightness: float) -> tuple[int, int, int]:
    """Return one of 18 colours, evenly around the wheel from red."""
    r, g, b = colorsys.hsv_to_rgb(index / len(JOINTS), 1.0, brightness)
    return round(255 * r), round(255 * g), round(255 * b)
