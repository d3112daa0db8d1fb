"""Look at a 64x64 picture of one thing and say what is there; it does not know what was asked.

Ground, colour and place are geometry. The name is what nano's vision tower sees: a learned judge, so its
own accuracy on true renderings is always reported beside what it says of generated ones.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from unison_agent import conversation, pixels
from unison_agent.scenes import sprites, words, world

if TYPE_CHECKING:
    from unison_agent.vlm import UnderstandingModel

_DIFFERENT = 60  # summed over channels
_SMALLEST_AREA = 12


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is seen in one picture; None where nothing stands out from the ground."""

    ground: str
    color: str | None
    place: str | None
    name: str


def nearest_color(rgb: NDArray[np.floating]) -> str:
    """Return the named colour closest to RGB values in 0 to 255."""
    table = np.array(list(sprites.COLORS.values()), np.float64)
    return list(sprites.COLORS)[int(np.abs(table - rgb).sum(-1).argmin())]


def ground_of(picture: world.Pixels) -> NDArray[np.floating]:
    """Return the median colour of the border."""
    border = [picture[0], picture[-1], picture[:, 0], picture[:, -1]]
    return np.median(np.concatenate(border).astype(np.float64), axis=0)


def foreground(picture: world.Pixels) -> NDArray[np.bool_]:
    """Return where a picture differs from its ground, shape (64, 64)."""
    return np.abs(picture - ground_of(picture)).sum(-1) > _DIFFERENT


def center(picture: world.Pixels) -> tuple[float, float] | None:
    """Return the middle of what stands out as (x, y) pixels, None when nothing does."""
    ys, xs = np.nonzero(foreground(picture))
    if len(xs) < _SMALLEST_AREA:
        return None
    return float(xs.mean()), float(ys.mean())


def parts(picture: world.Pixels) -> list[NDArray[np.bool_]]:
    """Return what stands out as separate things, each shape (64, 64), the largest first.

    What lies at most two pixels apart is one thing: icons have parts.
    """
    left = foreground(picture)
    found: list[NDArray[np.bool_]] = []
    while left.any():
        seed = np.zeros_like(left)
        seed.flat[left.argmax()] = True
        size = 0
        while (grown := int(seed.sum())) > size:
            size = grown
            seed = _wider(_wider(_wider(seed))) & left
        left = left & ~seed
        if size >= _SMALLEST_AREA:
            found.append(seed)
    return sorted(found, key=lambda part: -int(part.sum()))


def alone(picture: world.Pixels, part: NDArray[np.bool_]) -> world.Pixels:
    """Return the picture with nothing but one part of `parts` on its ground."""
    ground = ground_of(picture).astype(np.uint8)
    return np.where(_wider(part)[..., None], picture, ground)


def _wider(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask with its neighbouring pixels, corners included."""
    padded = np.pad(mask, 1)
    rows, columns = mask.shape
    moved = [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    return np.any(moved, axis=0)


def centred(picture: world.Pixels) -> world.Pixels:
    """Return the picture moved so that what stands out is in the middle, where the tower knows names best."""
    found = center(picture)
    if found is None:
        return picture
    dx, dy = (round(world.CANVAS / 2 - at) for at in found)
    moved = np.empty_like(picture)
    moved[:] = ground_of(picture).astype(np.uint8)
    rows, columns = (slice(max(0, d), world.CANVAS + min(0, d)) for d in (dy, dx))
    from_rows, from_columns = (slice(max(0, -d), world.CANVAS + min(0, -d)) for d in (dy, dx))
    moved[rows, columns] = picture[from_rows, from_columns]
    return moved


def look(picture: world.Pixels, name: str) -> Sighting:
    """Return a sighting, with the name already found (see `names`)."""
    ground = nearest_color(ground_of(picture))
    middle = center(picture)
    if middle is None:
        return Sighting(ground, None, None, name)
    values = picture[foreground(picture)].astype(np.float64)
    half = world.CANVAS / 2

    def distance(place: world.Place) -> float:
        dx, dy = world.OFFSETS[place]
        return (middle[0] - half - dx) ** 2 + (middle[1] - half - dy) ** 2

    place = min(world.OFFSETS, key=distance)
    return Sighting(ground, nearest_color(np.median(values, axis=0)), place, name)


def names(model: "UnderstandingModel", pictures: list[world.Pixels]) -> list[str]:
    """Return what the vision tower calls the first thing of each picture."""
    import torch

    tower = model.model.model.visual
    table = cast("torch.nn.Embedding", model.model.get_input_embeddings()).weight.float()
    tokenizer = model.tokenizer
    ids = [conversation.user_ids(tokenizer, " " + word) for word in sprites.NAMES]
    vectors = torch.stack([table[row].mean(0) for row in ids])
    position = words.NAME_POSITION
    found: list[str] = []
    with torch.inference_mode():
        for picture in pictures:
            patches = pixels.patches(pixels.pairs([picture]))[0].to(model.model.dtype)
            grid = torch.tensor([[1, 4, 4]])
            seen = tower(patches, grid_thw=grid).pooler_output[position].float()
            found.append(sprites.NAMES[int((vectors - seen).pow(2).sum(-1).argmin())])
    return found
