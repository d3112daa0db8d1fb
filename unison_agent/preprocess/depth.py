"""Depth of photographs by a Depth Anything model, and the normals of what it shows; it knows no tasks.

L. Yang et al., "Depth Anything V2", 2024. The model says nearness without a unit: a map is made of it by its
least and most over the whole clip, so that it does not flicker.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unison_agent.errors import MissingDependencyError
from unison_agent.preprocess.edges import Floats, smoothed
from unison_agent.preprocess.hub import load_model, pixel_batch
from unison_agent.progress import Progress, silent

try:
    import torch
    from transformers import DepthAnythingForDepthEstimation
except ImportError as error:
    raise MissingDependencyError(error.name or "transformers", extra="models") from error

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_SHORTER_SIDE = 518  # pixels that the model is shown
_SIGMA_SHARE = 1 / 240  # of the shorter side: normals of single pixels are noise
_RELIEF = 0.8  # how deep the whole range of nearness is, in shorter sides of the picture


class DepthModel:
    """The network.

    Attributes:
        hashes: SHA-256 of its weights by file name.
    """

    def __init__(
        self, network: DepthAnythingForDepthEstimation, hashes: dict[str, str] | None = None
    ) -> None:
        self._network = network
        self.hashes = hashes or {}

    @classmethod
    def load(cls, name: str, progress: Progress = silent) -> "DepthModel":
        """Load from a repository of the hub, or from a folder.

        Raises:
            DownloadError: The hub could not be reached.
            WeightsError: The files are missing, damaged or of another model.
        """
        return cls(*load_model(DepthAnythingForDepthEstimation, name, progress))

    @torch.inference_mode()
    def nearness(self, frame: "Picture") -> Floats:
        """Return how near each pixel is, shape [height, width]; larger is nearer, without a unit."""
        patch = cast("int", self._network.config.patch_size)
        scale = _SHORTER_SIDE / min(frame.size)
        size = (_multiple(frame.width * scale, patch), _multiple(frame.height * scale, patch))
        parameter = next(self._network.parameters())
        batch = pixel_batch(frame, size).to(parameter.device, parameter.dtype)
        found = self._network(pixel_values=batch).predicted_depth[0].float().cpu().numpy()
        return np.asarray(Image.fromarray(found).resize(frame.size, Image.Resampling.BICUBIC))


def depth_maps(model: DepthModel) -> "Callable[[Sequence[Picture]], list[Picture]]":
    """Return what makes gray maps, white is near."""

    def make(frames: "Sequence[Picture]") -> "list[Picture]":
        return [
            Image.fromarray((255 * each + 0.5).astype(np.uint8)).convert("RGB")
            for each in _scaled([model.nearness(frame) for frame in frames])
        ]

    return make


def normal_maps(model: DepthModel) -> "Callable[[Sequence[Picture]], list[Picture]]":
    """Return what makes maps of unit vectors: red to the right, green up, blue to the viewer."""

    def make(frames: "Sequence[Picture]") -> "list[Picture]":
        near = _scaled([model.nearness(frame) for frame in frames])
        return [Image.fromarray(normals(each)) for each in near]

    return make


def normals(near: Floats) -> NDArray[np.uint8]:
    """Return the normals of a surface as colours, 128 is zero.

    Args:
        near: Height towards the viewer, 0 to 1, shape [height, width].

    Returns:
        Shape [height, width, 3].
    """
    side = min(near.shape)
    surface = smoothed(near[..., None], max(0.5, _SIGMA_SHARE * side))[..., 0] * _RELIEF * side
    down, right = cast("tuple[Floats, Floats]", np.gradient(surface))
    vectors: Floats = np.stack([-right, down, np.ones_like(surface)], -1)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors * 127.5 + 128).astype(np.uint8)


def _scaled(near: list[Floats]) -> list[Floats]:
    """Return nearness from 0 to 1 over all frames."""
    least, most = min(float(n.min()) for n in near), max(float(n.max()) for n in near)
    span = most - least or 1.0
    return [((n - least) / span).clip(0, 1).astype(np.float32) for n in near]


def _multiple(length: float, step: int) -> int:
    return max(step, round(length / step) * step)
