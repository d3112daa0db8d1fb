"""Batches that the generator learns from: drawings of one task at a time, as the pipeline would encode them.

It knows scenes, latents and pools of hidden states; it does not know the network or how it is trained.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from unison_agent.scenes import held_out, world
from unison_agent.scenes.examples import Drawing, drawing
from unison_agent.tasks import GENERATION_TASKS, GenerationTask
from unison_agent.training import closed_form_vae as vae
from unison_agent.training.closed_form_vae import Basis
from unison_agent.training.states import Pool, load_pool, pool_wording
from unison_agent.training.wan_transformer import PATCH

LATENT_CHANNELS = 24
TOKENS_A_STEP = 1536
# Frames of a clip and those of them that a batch shows, with how often. Motion shows over many frames, which cost;
# the ramp tells frames that are far apart from neighbours, so that a few of them teach it as well.
CLIPS = (
    (0.4, 17, slice(None)),
    (0.15, 17, slice(None, None, 2)),
    (0.25, 17, slice(None, None, 4)),
    (0.1, 17, slice(None, None, 8)),
    (0.1, 9, slice(None)),
)
# Share of the steps; text_to_image starts higher and gives way (see `choose`).
MIX: dict[GenerationTask, float] = {
    "text_to_image": 0.16,
    "image_editing": 0.05,
    "image_controllable_generation": 0.10,
    "image_reference_generation": 0.05,
    "text_to_video": 0.22,
    "image_to_video": 0.13,
    "video_editing": 0.09,
    "video_controllable_generation": 0.12,
    "video_reference_generation": 0.08,
}


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step learns from.

    Attributes:
        latents: (B, z, T, h, w), a reference first where there is one.
        control: (B, 2z + 16, T, h, w).
        states: (B, L, hidden).
        mask: (B, L).
    """

    latents: Tensor
    control: Tensor
    states: Tensor
    mask: Tensor


def scene_basis(num_pictures: int = 3000) -> Basis:
    """Return the PCA basis of random scenes, always the same."""
    rng = random.Random(123)
    pictures = np.stack([world.draw(world.random_scene(rng)) for _ in range(num_pictures)])
    return vae.principal_basis(_to_pixels(pictures[:, None])[:, :, 0], LATENT_CHANNELS)


def _to_pixels(frames: np.ndarray) -> Tensor:
    """(B, T, H, W, 3) uint8 -> (B, 3, T, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def _pack_mask(mask: Tensor) -> Tensor:
    """(B, T, H, W) -> (B, 16, T, H/4, W/4), as the pipeline packs it."""
    b, t, h, w = mask.shape
    cells = mask.view(b, t, h // vae.PATCH, vae.PATCH, w // vae.PATCH, vae.PATCH)
    return cells.permute(0, 3, 5, 1, 2, 4).reshape(b, -1, t, h // vae.PATCH, w // vae.PATCH)


def assemble(drawings: list[Drawing], basis: Basis) -> tuple[Tensor, Tensor]:
    """Return latents and control latents of equally long drawings, as the pipeline makes them."""
    latents = vae.encode(_to_pixels(np.stack([d.target for d in drawings])), basis)
    b, _, t, h, w = latents.shape
    first = drawings[0]
    if first.video is None:
        blank = vae.encode(torch.zeros(1, 3, 1, h * vae.PATCH, w * vae.PATCH), basis)
        blank = blank.expand(b, -1, t, -1, -1)
        control = torch.cat([blank, blank, torch.ones(b, vae.PATCH**2, t, h, w)], dim=1)
    else:
        video = _to_pixels(np.stack([cast("np.ndarray", d.video) for d in drawings]))
        if first.mask is None:
            mask = torch.ones(b, t, h * vae.PATCH, w * vae.PATCH)
        else:
            mask = torch.from_numpy(
                np.stack([cast("np.ndarray", d.mask) for d in drawings])
            ).float()
        kept, made = video * (1 - mask[:, None]), video * mask[:, None]
        parts = [vae.encode(kept, basis), vae.encode(made, basis), _pack_mask(mask)]
        control = torch.cat(parts, dim=1)
    if first.reference is None:
        return latents, control
    shown = vae.encode(_to_pixels(np.stack([d.reference for d in drawings])[:, None]), basis)  # pyright: ignore[reportArgumentType, reportCallIssue]
    nothing = shown.new_zeros(b, control.shape[1] - shown.shape[1], 1, h, w)
    return (
        torch.cat([shown, latents], dim=2),
        torch.cat([torch.cat([shown, nothing], dim=1), control], dim=2),
    )


class Source:
    """Batches of the pools that exist, of one task at a time."""

    def __init__(
        self,
        folder: Path,
        basis: Basis,
        seed: int,
        tasks: Iterable[GenerationTask] = GENERATION_TASKS,
        patch: int = PATCH,
    ) -> None:
        self.basis = basis
        self.rng = random.Random(seed)
        self.tokens_a_frame = (world.CANVAS // (vae.PATCH * patch)) ** 2
        self.pools: dict[GenerationTask, Pool] = {
            task: load_pool(folder / f"{task}.safetensors")
            for task in tasks
            if (folder / f"{task}.safetensors").exists()
        }
        self.indices = {
            task: [
                i for i in range(len(pool)) if not held_out.is_held_out(pool_wording(task, i).scene)
            ]
            for task, pool in self.pools.items()
        }

    def choose(self, share: float) -> GenerationTask:
        """Return a task; `share` of the run is done."""
        tasks = list(self.pools)
        weights = [MIX[t] + (0.2 * (1 - share) if t == "text_to_image" else 0.0) for t in tasks]
        return self.rng.choices(tasks, weights)[0]

    def batch(self, task: GenerationTask) -> Batch:
        """Return a batch of about TOKENS_A_STEP tokens."""
        moving = task.endswith("video") or task.startswith("video")
        _, full, shown = self.rng.choices(CLIPS, [often for often, _, _ in CLIPS])[0]
        if not moving:
            full, shown = 1, slice(None)
        num_frames = len(range(full)[shown])
        extra = 1 if task.endswith("reference_generation") else 0
        size = max(2, TOKENS_A_STEP // (self.tokens_a_frame * (num_frames + extra)))
        pool = self.pools[task]
        indices = self.rng.choices(self.indices[task], k=size)
        drawings = [
            _part(drawing(task, pool_wording(task, i), self.rng, full), shown) for i in indices
        ]
        latents, control = assemble(drawings, self.basis)
        states, mask = pool.batch(indices)
        return Batch(latents, control, states, mask)


def _part(drawn: Drawing, shown: slice) -> Drawing:
    """Return a drawing with some of its frames."""
    video, mask = drawn.video, drawn.mask
    return replace(
        drawn,
        target=drawn.target[shown],
        video=None if video is None else video[shown],
        mask=None if mask is None else mask[shown],
    )
