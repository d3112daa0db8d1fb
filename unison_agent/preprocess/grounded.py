"""Masks of what words name on photographs, by Grounding DINO and SAM 2; it does not know what they are for.

S. Liu et al., "Grounding DINO", 2023, finds boxes that fit the words; N. Ravi et al., "SAM 2: Segment Anything in
Images and Videos", 2024, finds what fills a box. On a clip each frame is searched, and of several boxes the one
that lies where the thing was before is taken.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from PIL import Image

from unison_agent.errors import MissingDependencyError
from unison_agent.preprocess.edges import Floats
from unison_agent.preprocess.hub import load_model, load_tokenizer, pixel_batch
from unison_agent.preprocess.regions import Mask
from unison_agent.preprocess.target import ClipMasks, filled_in, not_found
from unison_agent.preprocess.target_words import wants_all
from unison_agent.progress import Progress, silent

try:
    import torch
    from transformers import (
        GroundingDinoForObjectDetection,
        PreTrainedTokenizerBase,
        Sam2Model,
        Sam2PromptEncoderConfig,
    )
except ImportError as error:
    raise MissingDependencyError(error.name or "transformers", extra="models") from error

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Box = tuple[float, float, float, float]
"""left, top, right, bottom in pixels."""

_SHORTEST, _LONGEST = 800, 1333  # pixels of the sides that Grounding DINO is shown
_FITS = 0.3  # a box fits the words with more than this
_NEARLY = 0.8  # boxes with this share of the best score fit as well
_SAME_PLACE = 0.5  # boxes that share more than this are one thing


class Grounded:
    """Both models.

    Args:
        detector: Finds boxes.
        tokenizer: Of the detector.
        segmenter: Finds what is in a box.
        fits: The least score of a box, 0 to 1.
    """

    def __init__(
        self,
        detector: GroundingDinoForObjectDetection,
        tokenizer: PreTrainedTokenizerBase,
        segmenter: Sam2Model,
        *,
        fits: float = _FITS,
    ) -> None:
        self._detector = detector
        self._tokenizer = tokenizer
        self._segmenter = segmenter
        self._fits = fits
        self.hashes: dict[str, str] = {}

    @classmethod
    def load(
        cls, detector: str, segmenter: str, progress: Progress = silent, *, fits: float = _FITS
    ) -> "Grounded":
        """Load both, each from a repository of the hub or from a folder.

        Raises:
            DownloadError: The hub could not be reached.
            WeightsError: The files are missing, damaged or of another model.
        """
        finder, of_finder = load_model(GroundingDinoForObjectDetection, detector, progress)
        filler, of_filler = load_model(Sam2Model, segmenter, progress)
        loaded = cls(finder, load_tokenizer(detector), filler, fits=fits)
        loaded.hashes = of_finder | of_filler
        return loaded

    def masks(self, frames: "Sequence[Picture]", target: str) -> ClipMasks:
        """Return the masks of `target` on every frame.

        Raises:
            MissingInputError: No frame has anything that fits the words, or the first that has one has several.
        """
        found: list[Mask | None] = []
        last: Box | None = None
        for frame in frames:
            boxes = self.boxes(frame, target)
            if boxes and not wants_all(target):
                if last is None and len(boxes) > 1:
                    raise not_found(target, f"{len(boxes)} things fit it")
                last = _nearest(boxes, last or boxes[0])
                boxes = [last]
            found.append(self._fill(frame, boxes) if boxes else None)
        if not any(mask is not None and mask.any() for mask in found):
            raise not_found(target, "nothing there fits the words")
        return filled_in(found, frames)

    @torch.inference_mode()
    def boxes(self, frame: "Picture", target: str) -> list[Box]:
        """Return the boxes that fit the words about as well as the best one, the best first."""
        scale = min(_SHORTEST / min(frame.size), _LONGEST / max(frame.size))
        size = (max(32, round(frame.width * scale)), max(32, round(frame.height * scale)))
        parameter = next(self._detector.parameters())
        words = self._tokenizer(f"{target.lower().strip(' .')}.", return_tensors="pt")
        output = self._detector(
            pixel_values=pixel_batch(frame, size).to(parameter.device, parameter.dtype),
            input_ids=cast("torch.Tensor", words["input_ids"]).to(parameter.device),
            token_type_ids=cast("torch.Tensor", words["token_type_ids"]).to(parameter.device),
            attention_mask=cast("torch.Tensor", words["attention_mask"]).to(parameter.device),
        )
        logits, places = cast("tuple[torch.Tensor, ...]", (output.logits, output.pred_boxes))
        scores: Floats = logits[0].float().sigmoid().amax(-1).cpu().numpy()
        centers: Floats = places[0].float().cpu().numpy()
        order = [int(i) for i in np.argsort(-scores)]
        kept: list[Box] = []
        for index in order:
            if scores[index] <= max(self._fits, _NEARLY * scores[order[0]]):
                break
            x, y, wide, tall = (float(value) for value in centers[index])
            box = (
                (x - wide / 2) * frame.width,
                (y - tall / 2) * frame.height,
                (x + wide / 2) * frame.width,
                (y + tall / 2) * frame.height,
            )
            if all(_shared(box, other) < _SAME_PLACE for other in kept):
                kept.append(box)
        return kept

    @torch.inference_mode()
    def _fill(self, frame: "Picture", boxes: Sequence[Box]) -> Mask:
        """Return what fills the boxes, shape [height, width]."""
        prompts = cast("Sam2PromptEncoderConfig", self._segmenter.config.prompt_encoder_config)  # pyright: ignore[reportUnknownMemberType]
        side = cast("int", prompts.image_size)
        parameter = next(self._segmenter.parameters())
        scale = np.array((side / frame.width, side / frame.height) * 2)
        scaled: list[list[float]] = (np.array(boxes) * scale).tolist()
        output = self._segmenter(
            pixel_values=pixel_batch(frame, (side, side)).to(parameter.device, parameter.dtype),
            input_boxes=torch.tensor([scaled], device=parameter.device, dtype=parameter.dtype),
            multimask_output=False,
        )
        logits = cast("torch.Tensor", output.pred_masks)[0, :, 0].float().amax(0).cpu().numpy()
        large = Image.fromarray(logits).resize(frame.size, Image.Resampling.BILINEAR)
        return np.asarray(large) > 0


def _nearest(boxes: Sequence[Box], place: Box) -> Box:
    return max(boxes, key=lambda box: _shared(box, place))


def _shared(one: Box, other: Box) -> float:
    """Return the intersection over union."""
    wide = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    tall = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return wide * tall / max(areas - wide * tall, 1e-9)
