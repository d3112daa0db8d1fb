"""Sketches of photographs by the HED network; it knows no tasks.

S. Xie and Z. Tu, "Holistically-Nested Edge Detection", ICCV 2015: the convolutions of VGG16 with an edge map
read off each of its five stages, and one map made of the five. The weights are those trained on BSDS500.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unison_agent.errors import MissingDependencyError, WeightsError
from unison_agent.preprocess.edges import Floats, connected, drawn, ridges, smoothed
from unison_agent.preprocess.regions import grown

try:
    import torch
    import torch.nn.functional as F  # noqa: N812 (the name everyone uses)
    from torch import Tensor, nn
except ImportError as error:
    raise MissingDependencyError(error.name or "torch", extra="models") from error

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

# Output channels and the offsets in bytes of weights and biases, stage by stage. The file is HDF5, pinned by
# hash and not compressed: where its tensors lie is known, and no reader is needed.
_STAGES = (
    ((64, 10_992, 19_952), (64, 24_048, 20_208)),
    ((128, 177_520, 20_464), (128, 475_136, 20_976)),
    ((256, 1_072_360, 2_254_056), (256, 2_258_152, 2_255_080), (256, 4_619_496, 6_978_792)),
    ((512, 6_987_520, 11_708_160), (512, 11_712_256, 21_149_440), (512, 21_153_536, 30_590_720)),
    ((512, 30_599_448, 40_038_680), (512, 40_042_776, 49_479_960), (512, 49_484_056, 58_921_240)),
)
_SIDE_OUTPUTS = (
    (21_488, 21_744),
    (6_979_816, 21_748),
    (58_931_144, 21_752),
    (58_935_856, 21_756),
    (58_940_608, 21_760),
)
_FUSE = (21_764, 21_784)
_MEAN_BGR = (104.007, 116.669, 122.679)

# Small pictures are enlarged to be looked at, large ones reduced: the network has learned on 320 to 480 lines.
_SIDES = (192, 480)
_WEAK, _STRONG = 0.15, 0.45
_SIGMA = 1.5  # pixels, on 480 lines
_LINE_SHARE = 1 / 400  # of the shorter side is the width of a line


class Hed(nn.Module):
    """The network."""

    def __init__(self) -> None:
        super().__init__()
        channels = 3
        stages: list[nn.ModuleList] = []
        side_outputs: list[nn.Conv2d] = []
        for stage in _STAGES:
            convolutions: list[nn.Conv2d] = []
            for wide, _, _ in stage:
                convolutions.append(nn.Conv2d(channels, wide, 3, padding=1))
                channels = wide
            stages.append(nn.ModuleList(convolutions))
            side_outputs.append(nn.Conv2d(channels, 1, 1))
        self.stages = nn.ModuleList(stages)
        self.side_outputs = nn.ModuleList(side_outputs)
        self.fuse = nn.Conv2d(5, 1, 1)

    @classmethod
    def load(cls, path: Path) -> "Hed":
        """Read the pinned file.

        Raises:
            WeightsError: The file is shorter than it must be.
        """
        network = cls()
        data = np.memmap(path, np.uint8, mode="r")
        for stage, side, places, at in zip(
            network.stages, network.side_outputs, _STAGES, _SIDE_OUTPUTS, strict=True
        ):
            for convolution, (_, *place) in zip(_convolutions(stage), places, strict=True):
                _fill(convolution, data, place, path)
            _fill(side, data, at, path)
        _fill(network.fuse, data, _FUSE, path)
        return network.eval().requires_grad_(False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return how likely each pixel is an edge.

        Args:
            pictures: RGB, 0 to 255, shape [batch, 3, height, width].

        Returns:
            Shape [batch, 1, height, width], 0 to 1.
        """
        size = pictures.shape[-2:]
        hidden = pictures.flip(1) - pictures.new_tensor(_MEAN_BGR)[:, None, None]
        sides: list[Tensor] = []
        for index, (stage, side) in enumerate(zip(self.stages, self.side_outputs, strict=True)):
            hidden = hidden if index == 0 else F.max_pool2d(hidden, 2)
            for convolution in _convolutions(stage):
                hidden = F.relu(convolution(hidden))
            sides.append(F.interpolate(side(hidden), size, mode="bilinear", align_corners=False))
        return torch.sigmoid(self.fuse(torch.cat(sides, 1)))


def hed_sketches(network: Hed) -> "Callable[[Sequence[Picture]], list[Picture]]":
    """Return what draws frames as black lines on white, as Wan VACE has seen scribbles."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = network.to(device)

    @torch.inference_mode()
    def draw(frames: "Sequence[Picture]") -> "list[Picture]":
        return [drawn(_lines(edge_likelihood(network, frame)), dark=True) for frame in frames]

    return draw


def edge_likelihood(network: Hed, frame: "Picture") -> Floats:
    """Return the network's answer at the frame's size, shape [height, width], 0 to 1."""
    least, most = _SIDES
    shorter = min(frame.size)
    scale = min(max(shorter, least), most) / shorter
    size = (max(16, round(frame.width * scale)), max(16, round(frame.height * scale)))
    seen = frame.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    pixels = torch.as_tensor(np.array(seen, np.float32)).permute(2, 0, 1)[None]
    found = network(pixels.to(next(network.parameters()).device))[0, 0].float().cpu().numpy()
    likelihood = Image.fromarray(found).resize(frame.size, Image.Resampling.BILINEAR)
    return np.asarray(likelihood, np.float32)


def _lines(likelihood: Floats) -> NDArray[np.bool_]:
    """Return the ridges of the likelihood as lines of one width."""
    sigma = _SIGMA * min(1.0, min(likelihood.shape) / 480)
    if sigma > 0.5:
        likelihood = smoothed(likelihood[..., None], sigma)[..., 0]
    dy, dx = np.gradient(likelihood)
    # Across a ridge the curvature is largest: the main axis of the second derivatives.
    dxy, dxx = np.gradient(dx)
    dyy, _ = np.gradient(dy)
    angle = 0.5 * np.arctan2(2 * dxy, dxx - dyy) + np.pi / 2
    thin = ridges(likelihood, np.cos(angle), np.sin(angle))
    lines = connected(thin, likelihood, _WEAK, _STRONG)
    width = max(1, round(_LINE_SHARE * min(lines.shape)))
    return grown(lines, width // 2) if width > 1 else lines


def _convolutions(stage: nn.Module) -> list[nn.Conv2d]:
    return [module for module in stage.children() if isinstance(module, nn.Conv2d)]


def _fill(module: nn.Module, data: NDArray[np.uint8], place: Sequence[int], path: Path) -> None:
    """Copy a kernel, stored [height, width, in, out], and its bias from their places in the file."""
    assert isinstance(module, nn.Conv2d)
    height, width = module.kernel_size
    shapes = ((height, width, module.in_channels, module.out_channels), (module.out_channels,))
    found: list[Tensor] = []
    for shape, start in zip(shapes, place, strict=True):
        stop = start + 4 * int(np.prod(shape))
        if stop > data.size:
            msg = f"{path} is too short: {data.size} bytes, and a tensor ends at {stop}."
            raise WeightsError(msg, hint="Remove it, and it is fetched again.")
        found.append(torch.as_tensor(np.array(data[start:stop]).view("<f4").reshape(shape)))
    module.weight.data = found[0].permute(3, 2, 0, 1).contiguous()
    assert module.bias is not None
    module.bias.data = found[1]
