"""What a picture is about, by U2-Net's small version; it knows no words and no tasks.

X. Qin et al., "U2-Net: Going Deeper with Nested U-Structure for Salient Object Detection", 2020.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unison_agent.errors import MissingDependencyError, WeightsError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_SIDE, _INPUT = 320, "input.1"
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Session(Protocol):
    """The part of onnxruntime that is needed."""

    def run(
        self, outputs: None, inputs: dict[str, NDArray[np.float32]], /
    ) -> list[NDArray[np.float32]]:
        """Return all outputs."""
        ...


class SalientObject:
    """The network.

    Args:
        path: Of u2netp.onnx.

    Raises:
        MissingDependencyError: onnxruntime, which runs it, is not installed.
        WeightsError: The file is no such network.
    """

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingDependencyError("onnxruntime", extra="control") from error
        try:
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            self._session = cast("_Session", session)
        except Exception as error:
            msg = f"{path} is no network that can be run: {error}."
            raise WeightsError(msg, hint="Remove it, and it is fetched again.") from error

    def likelihood(self, frame: "Picture") -> NDArray[np.float32]:
        """Return how likely each pixel belongs to it, shape [height, width], 0 to 1."""
        small = frame.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        pixels = (np.asarray(small, np.float32) / 255 - _MEAN) / _SPREAD
        batch = pixels.transpose(2, 0, 1)[None].astype(np.float32)
        found = self._session.run(None, {_INPUT: batch})[0][0, 0]
        back = Image.fromarray(found).resize(frame.size, Image.Resampling.BILINEAR)
        return np.asarray(back, np.float32)

    def masks(self, frames: "Sequence[Picture]") -> "list[Picture]":
        """Return one mask a frame, mode L, 255 on the thing and 0 elsewhere; black where there is none."""
        likely = (self.likelihood(frame) for frame in frames)
        return [Image.fromarray(np.where(each > 0.5, 255, 0).astype(np.uint8)) for each in likely]
