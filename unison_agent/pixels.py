"""Frames as the patches the nano vision tower reads; it knows neither the tower nor files."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

SIDE: Final = 64  # every frame is brought to SIDE x SIDE
PATCH: Final = 16
TOKENS: Final = (SIDE // PATCH) ** 2  # of one pair of frames
_RAMP: Final = 0.25


def patches(frames: "Tensor") -> "Tensor":
    """Cut pairs of frames into the tower's input.

    The tower's attention is relative and its patches carry no position, so a flat picture would look
    the same from everywhere: a ramp over x is added to red and one over y to green.

    Args:
        frames: (N, 2, 64, 64, 3) uint8; an image is its own pair.

    Returns:
        (N, 16, 1536) float32, in the order of the class's patch embedding (channel, time, y, x).
    """
    import torch

    values = frames.float() / 127.5 - 1
    ramp = torch.linspace(-_RAMP, _RAMP, SIDE)
    values[..., 0] += ramp[None, None, None, :]
    values[..., 1] += ramp[None, None, :, None]
    n = values.shape[0]
    grid = SIDE // PATCH
    cut = values.view(n, 2, grid, PATCH, grid, PATCH, 3)
    return cut.permute(0, 2, 4, 6, 1, 3, 5).reshape(n, grid * grid, 3 * 2 * PATCH * PATCH)


def pairs(frames: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> "Tensor":
    """Return frames two by two, the last one doubled if need be: (ceil(n/2), 2, 64, 64, 3) uint8."""
    import torch

    rows = list(frames)
    if len(rows) % 2:
        rows.append(rows[-1])
    return torch.from_numpy(np.stack(rows)).view(-1, 2, SIDE, SIDE, 3)  # pyright: ignore[reportUnknownMemberType]
