"""From the words that name a thing to the mask of that thing, on scenes with a flat ground.

It does not know what the mask is for. Colour, size and place words are settled by the pixels; which of
several things a noun means is asked of the understanding model, one thing at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, log
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

from unison_agent.errors import MissingInputError
from unison_agent.media import Image, Medium
from unison_agent.preprocess.regions import (
    COLOR_NAMES,
    FlatScene,
    Mask,
    Region,
    color_names,
    flat_scene,
    grown,
    merged,
    neighbourhood_max,
    padded_box,
    parts,
)
from unison_agent.preprocess.target_words import Wanted

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

# A mask is the padded box of its thing, so that another shape has room in its place.
_PAD = 4 / 64
_QUESTION = "What is it?"
_UNSURE = 2.0  # things whose log-likelihoods differ by less than this are left to the place words


class Scorer(Protocol):
    """The part of the understanding model that is needed."""

    def score(self, medium: Medium, question: str, options: Sequence[str], /) -> list[float]:
        """Return the log-likelihood of each option as the answer."""
        ...


@dataclass(frozen=True, slots=True)
class ClipMasks:
    """The masks of a clip.

    Attributes:
        masks: One a frame, mode L, white where the target is.
        missed: Frames on which the target was not seen; their mask is that of the nearest frame with one.
    """

    masks: "tuple[Picture, ...]"
    missed: tuple[int, ...] = ()


def find_mask(image: "Picture", target: str, scorer: Scorer | None = None) -> "Picture":
    """Return the mask of `target` on one image (mode L, white = target, the image's size).

    Raises:
        MissingInputError: The ground is not flat, nothing fits the words, or several things do.
    """
    return find_masks([image], target, scorer).masks[0]


def find_masks(frames: "Sequence[Picture]", target: str, scorer: Scorer | None = None) -> ClipMasks:
    """Return the masks of `target` on every frame.

    The words are read on the first frame where they fit; from there the same thing is followed.

    Raises:
        MissingInputError: As for `find_mask`, on all frames.
    """
    wanted = Wanted.read(target)
    scenes = [flat_scene(frame) for frame in frames]
    flat = [scene for scene in scenes if scene is not None]
    if not flat:
        raise not_found(target, "the background is not one flat colour")
    if wanted.ground:
        found = [None if scene is None else _ground_mask(scene) for scene in scenes]
    else:
        found = _follow(scenes, wanted, target, scorer)
    return filled_in(found, frames)


def filled_in(found: "Sequence[Mask | None]", frames: "Sequence[Picture]") -> ClipMasks:
    """Return masks at the frames' sizes; a frame without one gets that of the nearest frame.

    Args:
        found: One a frame, None where the target is not seen; one at least is there.
        frames: The clip.
    """
    seen = {i: mask for i, mask in enumerate(found) if mask is not None}
    masks: list[Picture] = []
    for i, frame in enumerate(frames):
        nearest = min(seen, key=lambda j: abs(i - j))
        drawn = PilImage.fromarray(seen[nearest].astype(np.uint8) * 255)
        masks.append(drawn.resize(frame.size, PilImage.Resampling.NEAREST))
    missed = tuple(i for i in range(len(frames)) if i not in seen)
    return ClipMasks(tuple(masks), missed)


def _follow(
    scenes: Sequence[FlatScene | None], wanted: Wanted, target: str, scorer: Scorer | None
) -> list[Mask | None]:
    """Return the thing's mask on each frame, None where it is not seen; on one frame at least it is."""
    chosen: list[Region | None] = [None] * len(scenes)
    start, reason = None, ""
    for i, scene in enumerate(scenes):
        try:
            if scene is not None:
                chosen[i] = _choose(scene, wanted, target, scorer)
                start = i
                break
        except _NoFitError as error:
            reason = reason or error.reason
    if start is None:
        raise not_found(target, reason)
    for order in (range(start + 1, len(scenes)), range(start - 1, -1, -1)):
        last = chosen[start]
        for i in order:
            scene = scenes[i]
            if scene is not None and last is not None:
                chosen[i] = _same(scene, wanted, last)
                last = chosen[i] or last
    return [
        None if scene is None or region is None else _mask(scene, region)
        for scene, region in zip(scenes, chosen, strict=True)
    ]


class _NoFitError(Exception):
    """No thing of this frame fits the words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _choose(scene: FlatScene, wanted: Wanted, target: str, scorer: Scorer | None) -> Region:
    if not scene.regions:
        raise _NoFitError("nothing stands out from the background")
    regions = _candidates(scene, wanted)
    if not regions:
        msg = f"nothing there is {wanted.color}"
        raise _NoFitError(msg)
    if wanted.several:
        return merged(scene.picture, regions)
    if len(regions) > 1 and wanted.noun and scorer is not None:
        scores = [
            scorer.score(Image.from_pil(scene.alone(r)), _QUESTION, (_phrase(wanted.noun),))[0]
            for r in regions
        ]
        settled = not (wanted.places or wanted.central or wanted.size)
        margin = 0.0 if settled else _UNSURE
        regions = [r for r, s in zip(regions, scores, strict=True) if s >= max(scores) - margin]
    if len(regions) > 1 and wanted.size:
        extreme = max(wanted.size * region.area for region in regions)
        regions = [r for r in regions if wanted.size * r.area > extreme - 0.15 * abs(extreme)]
    if len(regions) > 1 and (wanted.places or wanted.central):
        least = min(_place_cost(wanted, region) for region in regions)
        regions = [r for r in regions if _place_cost(wanted, r) < least + 0.05]
    if len(regions) > 1:
        raise not_found(target, f"{len(regions)} things fit it")
    return regions[0]


def _place_cost(wanted: Wanted, region: Region) -> float:
    """Return how far `region` is from the place asked for, in sides of the picture."""
    height, width = region.pixels.shape
    x, y = region.center[0] / width - 0.5, region.center[1] / height - 0.5
    cost = sum(-(dx * x + dy * y) for dx, dy in wanted.places)
    return cost + (hypot(x, y) if wanted.central and not wanted.places else 0.0)


def _candidates(scene: FlatScene, wanted: Wanted) -> list[Region]:
    """Return the things of the colour asked for; of things that touch, the part of that colour."""
    if wanted.color is None:
        return list(scene.regions)
    is_color: Mask = color_names(scene.picture) == COLOR_NAMES.index(wanted.color)
    found: list[Region] = []
    for region in scene.regions:
        pieces = parts(scene.picture, region.pixels & is_color)
        pieces = [piece for piece in pieces if piece.area >= 0.05 * region.area]
        if not pieces:
            continue
        colored = merged(scene.picture, pieces)
        if colored.area < 0.1 * region.area:
            continue
        whole = colored.area >= 0.7 * region.area or _box_area(colored) >= 0.55 * _box_area(region)
        found.append(region if whole else colored)
    return found


def _same(scene: FlatScene, wanted: Wanted, last: Region) -> Region | None:
    """Return the thing of this frame that is most like `last`, None when none is."""
    regions = _candidates(scene, wanted)
    if not regions:
        return None
    if wanted.several:
        return merged(scene.picture, regions)
    side = max(last.pixels.shape)

    def difference(region: Region) -> float:
        (x, y), (u, v) = region.center, last.center
        moved = hypot(x - u, y - v) / side
        recolored = max(abs(a - b) for a, b in zip(region.color, last.color, strict=True)) / 255
        return moved + recolored + 0.3 * abs(log(region.area / last.area))

    best = min(regions, key=difference)
    return best if difference(best) < 0.75 else None


def _mask(scene: FlatScene, region: Region) -> Mask:
    """Return the box around `region` without what belongs to other things."""
    pad = max(1, round(_PAD * max(scene.picture.shape[:2])))
    others = scene.foreground & ~region.pixels
    mask: NDArray[np.bool_] = (padded_box(region, pad) & ~others) | region.pixels
    return mask


def _ground_mask(scene: FlatScene) -> Mask:
    """Return all but the things; the soft rim that is more ground than thing goes with the ground."""
    things = scene.foreground
    contrast = scene.contrast
    rim = things & grown(~things)
    soft = rim & (2 * contrast <= neighbourhood_max(contrast))
    return ~things | soft


def _box_area(region: Region) -> int:
    left, top, right, bottom = region.box
    return (right - left) * (bottom - top)


def _phrase(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def not_found(target: str, reason: str) -> MissingInputError:
    """Return the error that asks for a mask."""
    return MissingInputError(
        f"No mask is attached, and {target!r} could not be found: {reason}.",
        slot="mask",
        question=f"Where is {target!r}? Attach a mask of the same size, white where to change.",
    )
