"""A WanVACE pipeline as the library uses it, and the checks that its parts fit; it knows no files.

What diffusers cannot see is set here after every load: the true scale factors of the VAE. What it would
only notice in the middle of a run is refused here: a transformer that does not fit its VAE.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Protocol, cast

from unison_agent.errors import WeightsError
from unison_agent.pipelines.loading import ignore_advice

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image as PilImage

_LOG = "diffusers.pipelines.wan.pipeline_wan_vace"


class VaceTransformerConfig(Protocol):
    """What is read from a WanVACETransformer3DModel's config."""

    patch_size: tuple[int, int, int]
    in_channels: int
    vace_in_channels: int
    text_dim: int


class VaceTransformer(Protocol):
    """The denoiser of a pipeline."""

    config: VaceTransformerConfig


class VaceFrames(Protocol):
    """A pipeline's output: `frames` has shape [1, num_frames, height, width, 3], values 0 to 1."""

    frames: "NDArray[np.float32]"


StepCallback = Callable[[object, int, object, dict[str, object]], dict[str, object]]


class VacePipe(Protocol):
    """The part of diffusers' WanVACEPipeline that is used."""

    transformer: VaceTransformer
    text_encoder: object | None
    device: "torch.device"
    vae_scale_factor_spatial: int
    vae_scale_factor_temporal: int
    video_processor: object

    def __call__(
        self,
        *,
        prompt: str | None,
        negative_prompt: str | None,
        prompt_embeds: "torch.Tensor | None",
        negative_prompt_embeds: "torch.Tensor | None",
        video: "Sequence[PilImage] | None",
        mask: "Sequence[PilImage] | None",
        reference_images: "Sequence[PilImage] | None",
        width: int,
        height: int,
        num_frames: int,
        num_inference_steps: int,
        guidance_scale: float,
        generator: "torch.Generator",
        output_type: str,
        callback_on_step_end: StepCallback,
    ) -> VaceFrames:
        """Run the denoising loop."""
        ...

    def encode_prompt(
        self,
        *,
        prompt: str,
        negative_prompt: str,
        do_classifier_free_guidance: bool,
        max_sequence_length: int,
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Return the embeddings of both, (1, max_sequence_length, text_dim), zero behind their tokens."""
        ...

    def maybe_free_model_hooks(self) -> None:
        """Bring offloaded models back to rest."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedPipeline:
    """A pipeline ready to run, for all tasks; it runs one call at a time, so hold `lock` meanwhile.

    Attributes:
        name: What to call it in messages.
        pipe: The diffusers pipeline.
        vae_spatial: Pixels a latent cell, along each side.
        vae_temporal: Frames a latent frame.
        blank_ramp: Gray levels a frame of what is still to be made.
        guided_share: Share of the steps, from the first on, that guidance steers.
        hashes: SHA-256 of its files by name.
        source: ``owner/name@commit`` of a pipeline of the hub.
    """

    name: str
    pipe: VacePipe
    vae_spatial: int
    vae_temporal: int
    blank_ramp: float = 0.0
    guided_share: float = 1.0
    hashes: Mapping[str, str] = field(default_factory=dict[str, str])
    source: str | None = None
    lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    @property
    def size_multiple(self) -> int:
        """Width and height must be multiples of this many pixels."""
        return self.vae_spatial * self.pipe.transformer.config.patch_size[1]

    @property
    def text_dim(self) -> int:
        """Width of the prompt embeddings the transformer takes."""
        return self.pipe.transformer.config.text_dim

    @property
    def has_text_encoder(self) -> bool:
        """Whether it can read a prompt by itself."""
        return self.pipe.text_encoder is not None


def adopt(
    pipe: object,
    *,
    name: str,
    vae_spatial: int,
    vae_temporal: int,
    blank_ramp: float = 0.0,
    guided_share: float = 1.0,
    hashes: Mapping[str, str] | None = None,
    source: str | None = None,
) -> LoadedPipeline:
    """Take over a WanVACEPipeline object: set its scale factors and check that its parts fit.

    Raises:
        WeightsError: Transformer, VAE or scheduler do not belong together.
    """
    from diffusers.video_processor import VideoProcessor

    vace = cast("VacePipe", pipe)
    vace.vae_scale_factor_spatial = vae_spatial
    vace.vae_scale_factor_temporal = vae_temporal
    vace.video_processor = VideoProcessor(vae_scale_factor=vae_spatial)
    _check_parts(pipe, name, vae_spatial)
    pipe.set_progress_bar_config(disable=True)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    if vae_temporal == 1:
        # It advises that num_frames - 1 be divisible by 1, which no number heeds.
        ignore_advice(_LOG, "has to be divisible by 1. Rounding")
    return LoadedPipeline(
        name, vace, vae_spatial, vae_temporal, blank_ramp, guided_share, hashes or {}, source
    )


def _check_parts(pipe: object, name: str, vae_spatial: int) -> None:
    parts = cast("_Parts", pipe)
    transformer, z_dim = parts.transformer.config, parts.vae.config.z_dim
    if transformer.in_channels != z_dim:
        msg = f"{name}: the transformer takes {transformer.in_channels} channels, the VAE gives {z_dim}."
        raise WeightsError(msg)
    expected = 2 * z_dim + vae_spatial**2
    if transformer.vace_in_channels != expected:
        msg = (
            f"{name}: vace_in_channels is {transformer.vace_in_channels}, expected 2 x {z_dim} + "
            f"{vae_spatial}^2 = {expected}."
        )
        raise WeightsError(msg, hint="Check vae_spatial in the tool pack.")
    if parts.scheduler.config.get("use_dynamic_shifting"):
        msg = f"{name}: the scheduler uses dynamic shifting, which Wan VACE cannot run."
        raise WeightsError(msg, hint="Use UniPC with use_flow_sigmas=True and a fixed flow_shift.")


class _VaeConfig(Protocol):
    z_dim: int


class _Vae(Protocol):
    config: _VaeConfig


class _Scheduler(Protocol):
    config: Mapping[str, object]


class _Parts(Protocol):
    transformer: VaceTransformer
    vae: _Vae
    scheduler: _Scheduler
