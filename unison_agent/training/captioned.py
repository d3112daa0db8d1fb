"""Captioned pictures and clips, cached as the latents and hidden states that a connector learns from.

A folder holds `captions.jsonl`, a line {"file": "a.png" or "a.mp4", "text": "what is shown"} for each, all
sides as the pipeline takes them. Both models run once over it; what trains afterwards needs neither of them.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from unison_agent.errors import RequestError
from unison_agent.media import Image
from unison_agent.media.media_set import open_medium
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.training.frozen import Frozen
from unison_agent.training.states import Pool
from unison_agent.vlm import UnderstandingModel

CAPTIONS = "captions.jsonl"
_READ_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Captioned:
    """One line of a captions file."""

    file: Path
    text: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """Examples of one size.

    Attributes:
        latents: (N, C, T, h, w) in half precision.
        pool: The states of their captions, in the same order.
    """

    latents: Tensor
    pool: Pool

    def batch(self, indices: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Return latents (B, C, T, h, w), states (B, L, hidden) and their mask (B, L)."""
        return self.latents[indices].float(), *self.pool.batch(indices)


def read_captions(folder: Path) -> list[Captioned]:
    """Return the lines of a folder's captions file.

    Raises:
        RequestError: There is no such file, or a line is wrong; the message says which.
    """
    path = folder / CAPTIONS
    if not path.is_file():
        msg = f"No captions at {path}."
        raise RequestError(msg, hint='Write a line {"file": "a.png", "text": "..."} for each file.')
    found: list[Captioned] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = cast("dict[str, object]", json.loads(line))
            one = Captioned(folder / str(row["file"]), str(row["text"]))
        except (ValueError, KeyError, TypeError) as error:
            msg = (
                f'{path}, line {number}: expected {{"file": ..., "text": ...}}, got {line[:80]!r}.'
            )
            raise RequestError(msg) from error
        if not one.file.is_file():
            raise RequestError(f"{path}, line {number}: there is no file {row['file']!r}.")
        found.append(one)
    if not found:
        raise RequestError(f"{path} has no lines.")
    return found


def cache(
    captions: Sequence[Captioned],
    understanding: UnderstandingModel,
    frozen: Frozen,
    out: Path,
    progress: Progress = silent,
) -> None:
    """Run both models over all captions and write a file for each size into `out`."""
    latents: defaultdict[str, list[Tensor]] = defaultdict(list)
    states: defaultdict[str, list[Tensor]] = defaultdict(list)
    for start in range(0, len(captions), _READ_AT_ONCE):
        progress(ProgressEvent("encode", start, len(captions)))
        some = captions[start : start + _READ_AT_ONCE]
        read = understanding.read_batch([one.text for one in some], [[] for _ in some])
        for one, row, mask in zip(some, read.states, read.mask, strict=True):
            encoded = frozen.encode(_frames(one.file)).half().cpu()
            size = "x".join(map(str, encoded.shape[1:]))
            latents[size].append(encoded)
            states[size].append(row[mask].half().cpu())
    progress(ProgressEvent("encode", len(captions), len(captions)))
    out.mkdir(parents=True, exist_ok=True)
    for size, rows in states.items():
        starts = torch.tensor([0, *(len(row) for row in rows)]).cumsum(0)
        values = {
            "latents": torch.stack(latents[size]),
            "states": torch.cat(rows),
            "starts": starts,
        }
        save_file(values, out / f"{size}.safetensors")


def load_cache(folder: Path) -> list[Bucket]:
    """Return what `cache` wrote.

    Raises:
        RequestError: There is nothing.
    """
    found = [load_file(path) for path in sorted(folder.glob("*.safetensors"))]
    if not found:
        raise RequestError(f"Nothing is cached in {folder}.", hint="Run with --data first.")
    return [Bucket(one["latents"], Pool(one["states"], one["starts"])) for one in found]


def batches(
    buckets: Sequence[Bucket], size: int, rng: random.Random
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield batches without end, each of one bucket, as often as it has examples."""
    weights = [len(bucket.latents) for bucket in buckets]
    while True:
        bucket = rng.choices(buckets, weights)[0]
        yield bucket.batch(rng.choices(range(len(bucket.latents)), k=size))


def _frames(file: Path) -> NDArray[np.uint8]:
    medium = open_medium(file)
    pictures = [medium.rgb()] if isinstance(medium, Image) else list(medium.frames())
    return np.stack([np.asarray(picture, np.uint8) for picture in pictures])
