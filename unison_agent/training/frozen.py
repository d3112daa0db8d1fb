"""A frozen diffusion transformer as a connector meets it in training: pixels in, a flow-matching loss out.

It knows how Wan VACE is fed, not where prompt embeddings come from. Anything else with these three methods
can be trained for as well.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unison_agent.adapters.frames import blank_levels

if TYPE_CHECKING:
    from diffusers import AutoencoderKLWan, WanVACEPipeline, WanVACETransformer3DModel

    from unison_agent.pipelines.vace import LoadedPipeline

SMALLEST_SIGMA = 0.2  # below it almost nothing is left for the words to say


class Frozen(Protocol):
    """What a connector is trained against; none of its weights change."""

    @property
    def text_dim(self) -> int:
        """Width of the prompt embeddings."""
        ...

    def encode(self, frames: NDArray[np.uint8]) -> Tensor:
        """Return the latents of (T, H, W, 3) pixels."""
        ...

    def loss(self, prompt_embeds: Tensor, latents: Tensor, sigma: Tensor) -> Tensor:
        """Return the loss of each sample, shape (B,), at noise levels (B,)."""
        ...


@dataclass(frozen=True, slots=True)
class FrozenVace:
    """A Wan VACE pipeline that makes everything anew: no source, no mask, no reference.

    Attributes:
        pipeline: Its weights lose their gradients here.
    """

    pipeline: "LoadedPipeline"

    def __post_init__(self) -> None:
        self._transformer.requires_grad_(False)
        self._vae.requires_grad_(False)

    @property
    def text_dim(self) -> int:
        """Width of the prompt embeddings."""
        return self.pipeline.text_dim

    @property
    def _pipe(self) -> "WanVACEPipeline":
        return cast("WanVACEPipeline", self.pipeline.pipe)

    @property
    def _transformer(self) -> "WanVACETransformer3DModel":
        return cast("WanVACETransformer3DModel", self._pipe.transformer)

    @property
    def _vae(self) -> "AutoencoderKLWan":
        return cast("AutoencoderKLWan", self._pipe.vae)

    @torch.no_grad()
    def encode(self, frames: NDArray[np.uint8]) -> Tensor:
        """Return latents (C, T', h, w), normalised as the pipeline's, of (T, H, W, 3) pixels."""
        video = torch.from_numpy(frames.copy()).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
        vae = self._vae
        latents = vae.encode(video.to(vae.device, vae.dtype)).latent_dist.mode()[0]  # pyright: ignore[reportAttributeAccessIssue]
        mean, std = (
            torch.tensor(values, device=latents.device).view(-1, 1, 1, 1)
            for values in (vae.config.latents_mean, vae.config.latents_std)  # pyright: ignore[reportAttributeAccessIssue]
        )
        return (latents.float() - mean) / std

    @torch.no_grad()
    def _control(self, num_frames: int, height: int, width: int) -> Tensor:
        """Return VACE's control (1, 2C + mask, T', h, w) of frames that are all to be made."""
        place = self._pipe.device
        video = torch.zeros(1, 3, num_frames, height, width, device=place)
        if num_frames > 1 and self.pipeline.blank_ramp:
            levels = torch.tensor(blank_levels(num_frames, self.pipeline.blank_ramp), device=place)
            video += (levels / 127.5 - 1).view(1, 1, -1, 1, 1)
        mask = torch.ones_like(video)
        latents = self._pipe.prepare_video_latents(video, mask, [[]])  # pyright: ignore[reportArgumentType]
        return torch.cat([latents, self._pipe.prepare_masks(mask, [[]])], dim=1)  # pyright: ignore[reportArgumentType]

    def loss(self, prompt_embeds: Tensor, latents: Tensor, sigma: Tensor) -> Tensor:
        """Return the flow-matching loss of each sample (Lipman et al., arXiv 2210.02747), shape (B,).

        Args:
            prompt_embeds: (B, tokens, text_dim), with gradients.
            latents: (B, C, T', h, w), clean.
            sigma: (B,), 1 is noise alone.
        """
        count, _, frames, height, width = latents.shape
        spatial, temporal = self.pipeline.vae_spatial, self.pipeline.vae_temporal
        control = self._control((frames - 1) * temporal + 1, height * spatial, width * spatial)
        noise = torch.randn_like(latents)
        s = sigma.view(-1, 1, 1, 1, 1)
        noisy = (1 - s) * latents + s * noise
        dtype = self._transformer.dtype
        said = self._transformer(
            hidden_states=noisy.to(dtype),
            timestep=sigma * 1000,
            encoder_hidden_states=prompt_embeds.to(dtype),
            control_hidden_states=control.expand(count, -1, -1, -1, -1).to(dtype),
            return_dict=False,
        )[0].float()
        # Either way the error is that of the velocity, noise - clean.
        if self._pipe.scheduler.config["prediction_type"] == "sample":
            error = (said - latents) / s.clamp_min(SMALLEST_SIGMA)
        else:
            error = said - (noise - latents)
        return error.pow(2).mean((1, 2, 3, 4))
