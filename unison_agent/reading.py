"""What the understanding model reads: tokens and frames of a batch as padded tensors; it knows no weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unison_agent import pixels
from unison_agent.conversation import Seen, Tokens
from unison_agent.media import Image, Medium, Video

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

VIDEO_FRAMES = 4  # of a clip, evenly spread; two pairs of 16 tokens each
_SECONDS_PER_PAIR = 1.0
_PADDING = 2

Frames = tuple[Literal["image", "video"], "NDArray[np.uint8]"]
"""A medium as the tower sees it: its kind and (frames, 64, 64, 3) uint8."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """One batch for the model, padded on the right.

    Attributes:
        ids: (B, L).
        types: (B, L), 0 text, 1 image, 2 video.
        mask: (B, L) bool.
        images: (16 * number of images, 1536) or None; videos likewise.
    """

    ids: "Tensor"
    types: "Tensor"
    mask: "Tensor"
    images: "Tensor | None"
    image_grid: "Tensor | None"
    videos: "Tensor | None"
    video_grid: "Tensor | None"


def inputs_of(rows: Sequence[Tokens], media: Sequence[Frames], dtype: "torch.dtype") -> Inputs:
    """Return the batch of these rows; `media` are those of all rows, one after another."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    ids = [torch.tensor(row.ids) for row in rows]
    images = [pixels.patches(pixels.pairs(f)).flatten(0, 1) for k, f in media if k == "image"]
    clips = [pixels.patches(pixels.pairs(f)) for k, f in media if k == "video"]
    side = pixels.SIDE // pixels.PATCH
    return Inputs(
        ids=pad_sequence(ids, batch_first=True, padding_value=_PADDING),
        types=pad_sequence([torch.tensor(row.types) for row in rows], batch_first=True),
        mask=pad_sequence([torch.ones_like(i, dtype=torch.bool) for i in ids], batch_first=True),
        images=torch.cat(images).to(dtype) if images else None,
        image_grid=torch.tensor([[1, side, side]] * len(images)) if images else None,
        videos=torch.cat([c.flatten(0, 1) for c in clips]).to(dtype) if clips else None,
        video_grid=torch.tensor([[len(c), side, side] for c in clips]) if clips else None,
    )


def frames_of(medium: Medium) -> Frames:
    """Return the frames of a medium that the tower sees, 64x64 each."""
    import numpy as np
    from PIL import Image as PILImage

    match medium:
        case Image():
            kind, pictures = "image", [medium.rgb()]
        case Video():
            kind, pictures = "video", medium.sample(VIDEO_FRAMES)
    side = (pixels.SIDE, pixels.SIDE)
    resized = [
        p if p.size == side else p.resize(side, PILImage.Resampling.BICUBIC, reducing_gap=3.0)
        for p in pictures
    ]
    return kind, np.stack([np.asarray(p, dtype=np.uint8) for p in resized])


def seen(frames: Frames) -> Seen:
    """Return how many tokens the frames take."""
    kind, values = frames
    return Seen(kind, -(-len(values) // 2) * pixels.TOKENS)


def multimodal(inputs: Inputs) -> dict[str, "Tensor"]:
    """Return the keyword arguments that only multimodal classes take."""
    import torch

    seconds = None
    if inputs.video_grid is not None:
        seconds = torch.full((len(inputs.video_grid),), _SECONDS_PER_PAIR)
    given: dict[str, Tensor | None] = {
        "mm_token_type_ids": inputs.types.int(),
        "pixel_values": inputs.images,
        "image_grid_thw": inputs.image_grid,
        "pixel_values_videos": inputs.videos,
        "video_grid_thw": inputs.video_grid,
        "second_per_grid_ts": seconds,
    }
    return {name: value for name, value in given.items() if value is not None}
