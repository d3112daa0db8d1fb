"""What the understanding model reads: tokens and patches of a batch as padded tensors; it knows no weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unison_agent import pixels
from unison_agent.conversation import Seen, Tokens
from unison_agent.media import Image, Medium, Video

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel

VIDEO_FRAMES = 4  # of a clip, evenly spread; two pairs of 16 tokens each
_SECONDS_PER_PAIR = 1.0

Frames = tuple[Literal["image", "video"], "NDArray[np.uint8]"]
"""A medium as nano's tower sees it: its kind and (frames, 64, 64, 3) uint8."""


@dataclass(frozen=True, slots=True)
class Patches:
    """A medium as a vision tower reads it.

    Attributes:
        kind: Its kind.
        values: (t * h * w, channels * 2 * patch * patch) float32; frames are read two by two.
        grid: t, h, w, in patches.
        num_tokens: How many tokens they become.
        seconds: Between two steps of t.
    """

    kind: Literal["image", "video"]
    values: "Tensor"
    grid: tuple[int, int, int]
    num_tokens: int
    seconds: float = _SECONDS_PER_PAIR


Sight = Callable[[Medium], Patches]
"""How a model sees a medium."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """One batch for the model, padded on the right.

    Attributes:
        ids: (B, L).
        types: (B, L), 0 text, 1 image, 2 video.
        mask: (B, L) bool.
        images: The patches of all images, one after another, or None; videos likewise.
        image_grid: (images, 3): t, h, w of each; video_grid likewise.
        seconds: (videos,), between two steps of t.
    """

    ids: "Tensor"
    types: "Tensor"
    mask: "Tensor"
    images: "Tensor | None"
    image_grid: "Tensor | None"
    videos: "Tensor | None"
    video_grid: "Tensor | None"
    seconds: "Tensor | None"


def inputs_of(
    rows: Sequence[Tokens], media: Sequence[Patches], model: "PreTrainedModel", padding: int
) -> Inputs:
    """Return the batch of these rows, where the model is and in its dtype.

    Args:
        rows: Conversations.
        media: Those of all rows, one after another.
        model: What reads them.
        padding: The token behind shorter rows.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    place = model.device

    def joined(kind: str) -> "tuple[Tensor, Tensor] | tuple[None, None]":
        those = [one for one in media if one.kind == kind]
        if not those:
            return None, None
        values = torch.cat([one.values for one in those])
        grids = torch.tensor([one.grid for one in those], device=place)
        return values.to(place, model.dtype), grids

    ids = [torch.tensor(row.ids) for row in rows]
    types = [torch.tensor(row.types) for row in rows]
    seen = [torch.ones_like(one, dtype=torch.bool) for one in ids]
    (images, image_grid), (videos, video_grid) = joined("image"), joined("video")
    seconds = [one.seconds for one in media if one.kind == "video"]
    return Inputs(
        ids=pad_sequence(ids, batch_first=True, padding_value=padding).to(place),
        types=pad_sequence(types, batch_first=True).to(place),
        mask=pad_sequence(seen, batch_first=True).to(place),
        images=images,
        image_grid=image_grid,
        videos=videos,
        video_grid=video_grid,
        seconds=torch.tensor(seconds, device=place) if seconds else None,
    )


def nano_sight(medium: Medium) -> Patches:
    """See a medium as nano's tower does."""
    return patches_of(frames_of(medium))


def patches_of(frames: Frames) -> Patches:
    """Return the frames as the patches that nano's tower reads."""
    kind, values = frames
    cut = pixels.patches(pixels.pairs(values))
    side = pixels.SIDE // pixels.PATCH
    return Patches(kind, cut.flatten(0, 1), (len(cut), side, side), len(cut) * pixels.TOKENS)


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


def seen(patches: Patches) -> Seen:
    """Return how many tokens the patches take."""
    return Seen(patches.kind, patches.num_tokens)


def multimodal(inputs: Inputs) -> dict[str, "Tensor"]:
    """Return the keyword arguments that only multimodal classes take."""
    given: dict[str, Tensor | None] = {
        "mm_token_type_ids": inputs.types.int(),
        "pixel_values": inputs.images,
        "image_grid_thw": inputs.image_grid,
        "pixel_values_videos": inputs.videos,
        "video_grid_thw": inputs.video_grid,
        "second_per_grid_ts": inputs.seconds,
    }
    return {name: value for name, value in given.items() if value is not None}
