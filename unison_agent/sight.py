"""What a published Qwen2.5-VL sees of a medium, by the checkpoint's own image processor; it knows no tokens.

Frames of a clip are sized and numbered as the model was trained on them: two a second, each within its share
of the tokens. transformers' video processor needs torchvision, and is given frames without their times.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, cast

from unison_agent.errors import MediaError, MissingDependencyError, WeightsError
from unison_agent.media import Image, Medium, Video
from unison_agent.reading import Patches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from PIL.Image import Image as Picture
    from torch import Tensor
    from transformers import Qwen2VLImageProcessorPil

    class _Processor(Protocol):
        def __call__(
            self, *, images: Sequence[Picture], size: Mapping[str, int], return_tensors: str
        ) -> Mapping[str, Tensor]: ...


FPS = 2.0  # at which clips are read
_FEWEST, _MOST = 4, 768  # frames of a clip
_LEAST_TOKENS, _MOST_TOKENS = 128, 768  # of two frames
_CLIP_TOKENS = 16_384  # of a whole clip: as many as the largest picture has
_NARROWEST = 200  # one side over the other


class CheckpointSight:
    """Sees media as the image processor of a checkpoint says.

    Args:
        processor: Of Qwen2-VL, whose patching Qwen2.5-VL has.
    """

    def __init__(self, processor: "Qwen2VLImageProcessorPil") -> None:
        self._processor = processor
        self._pair = processor.temporal_patch_size
        self._merged = processor.merge_size**2
        self._token_pixels = (processor.patch_size * processor.merge_size) ** 2

    @classmethod
    def load(cls, folder: Path) -> "CheckpointSight":
        """Load the image processor of a checkpoint.

        Raises:
            WeightsError: preprocessor_config.json is missing or damaged.
            MissingDependencyError: transformers is not installed.
        """
        try:
            from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
                Qwen2VLImageProcessorPil,
            )
        except ImportError as error:
            raise MissingDependencyError(error.name or "transformers", extra="models") from error
        try:
            found = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)  # pyright: ignore[reportUnknownMemberType]
        except (OSError, ValueError, TypeError, KeyError) as error:
            msg = f"The image processor in {folder} cannot be read: {error}."
            raise WeightsError(msg) from error
        return cls(found)

    def __call__(self, medium: Medium) -> Patches:
        """Return the patches of a picture or of the frames of a clip.

        Raises:
            MediaError: It is too narrow to be seen, or a frame is damaged.
        """
        long, short = max(medium.width, medium.height), min(medium.width, medium.height)
        if long > _NARROWEST * short:
            msg = f"{medium.name} is {medium.width}x{medium.height}: too narrow to be looked at."
            raise MediaError(msg, hint=f"One side may be at most {_NARROWEST} times the other.")
        match medium:
            case Image():
                values, (height, width) = self._patched([medium.rgb()], None)
                grid, seconds = (1, height, width), 1.0
            case Video():
                frames = medium.sample(self._count(medium))
                between = (medium.num_frames - 1) / medium.fps / max(1, len(frames) - 1)
                frames += frames[-1:] * (-len(frames) % self._pair)
                values, (height, width) = self._patched(frames, self._frame_size(len(frames)))
                values = self._paired(values, len(frames))
                grid = (len(frames) // self._pair, height, width)
                seconds = (between or 1 / medium.fps) * self._pair
        return Patches(medium.kind, values, grid, math.prod(grid) // self._merged, seconds)

    def _count(self, clip: Video) -> int:
        wanted = min(_MOST, max(_FEWEST, round(clip.duration_seconds * FPS)))
        most = _CLIP_TOKENS // _LEAST_TOKENS * self._pair
        return min(wanted, most)

    def _frame_size(self, frames: int) -> "Mapping[str, int]":
        """Return the least and the most pixels of one frame among so many."""
        share = min(_MOST_TOKENS, _CLIP_TOKENS * self._pair // frames)
        own = cast("Mapping[str, int]", self._processor.size)
        least = min(_LEAST_TOKENS * self._token_pixels, own["longest_edge"])
        most = min(share * self._token_pixels, own["longest_edge"])
        return {"shortest_edge": least, "longest_edge": max(least, most)}

    def _patched(
        self, pictures: "Sequence[Picture]", size: "Mapping[str, int] | None"
    ) -> "tuple[Tensor, tuple[int, int]]":
        """Return the patches of pictures of one size, and how many are below and beside each other."""
        batch = cast("_Processor", self._processor)(
            images=pictures,
            size=dict(self._processor.size if size is None else size),
            return_tensors="pt",
        )
        _, height, width = (int(one) for one in batch["image_grid_thw"][0])
        return batch["pixel_values"], (height, width)

    def _paired(self, values: "Tensor", frames: int) -> "Tensor":
        """Return patches of frames two by two; the processor shows every frame as its own pair."""
        at_once = self._processor.patch_size**2
        alone = values.view(frames, -1, 3, self._pair, at_once)[:, :, :, 0]
        pairs = alone.view(frames // self._pair, self._pair, -1, 3, at_once)
        return pairs.permute(0, 2, 3, 1, 4).reshape(-1, values.shape[1])
