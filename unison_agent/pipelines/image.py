"""Image pipelines of diffusers as the library uses them: what is called with which arguments; it knows no files.

Each class of pipeline has its own signature, so each has a protocol of its own here, with what only it takes.
"""

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Protocol, TypedDict, Unpack

from unison_agent.pipelines.vace import StepCallback

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

    from unison_agent.pipeline_specs import ImageClass


class Images(Protocol):
    """A pipeline's output: `images` has shape [1, height, width, 3], values 0 to 1."""

    images: "NDArray[np.float32]"


class Arguments(TypedDict):
    """What every class is called with."""

    prompt: str
    width: int
    height: int
    num_inference_steps: int
    generator: "torch.Generator"
    output_type: str
    callback_on_step_end: StepCallback


class Guided(Arguments):
    """The same with guidance by its usual name."""

    guidance_scale: float


class SdxlArguments(Guided):
    """What the classes of SDXL have in common."""

    negative_prompt: str | None


class QwenArguments(Arguments):
    """What the classes of Qwen-Image have in common; without a negative prompt they do not guide at all."""

    negative_prompt: str
    true_cfg_scale: float


class SdxlPipe(Protocol):
    """StableDiffusionXLPipeline; with an IP-Adapter it needs references, without it takes none."""

    def __call__(
        self, *, ip_adapter_image: "list[list[Picture]] | None", **common: Unpack[SdxlArguments]
    ) -> Images:
        """Run the denoising loop."""
        ...


class SdxlInpaintPipe(Protocol):
    """StableDiffusionXLInpaintPipeline."""

    def __call__(
        self,
        *,
        image: "Picture",
        mask_image: "Picture",
        strength: float,
        **common: Unpack[SdxlArguments],
    ) -> Images:
        """Run the denoising loop."""
        ...


class SdxlControlNetPipe(Protocol):
    """StableDiffusionXLControlNetPipeline."""

    def __call__(
        self,
        *,
        image: "Picture",
        controlnet_conditioning_scale: float,
        **common: Unpack[SdxlArguments],
    ) -> Images:
        """Run the denoising loop."""
        ...


class FluxPipe(Protocol):
    """FluxPipeline."""

    def __call__(self, **common: Unpack[Guided]) -> Images:
        """Run the denoising loop."""
        ...


class FluxKontextPipe(Protocol):
    """FluxKontextPipeline; it fits width and height to `max_area`."""

    def __call__(
        self,
        *,
        image: "Picture",
        max_area: int,
        **common: Unpack[Guided],
    ) -> Images:
        """Run the denoising loop."""
        ...


class QwenImagePipe(Protocol):
    """QwenImagePipeline."""

    def __call__(self, **common: Unpack[QwenArguments]) -> Images:
        """Run the denoising loop."""
        ...


class QwenImageEditPipe(Protocol):
    """QwenImageEditPipeline."""

    def __call__(
        self,
        *,
        image: "Picture",
        **common: Unpack[QwenArguments],
    ) -> Images:
        """Run the denoising loop."""
        ...


class _ImageProcessor(Protocol):
    config: "_ProcessorConfig"


class _ProcessorConfig(Protocol):
    vae_scale_factor: int


class Pipe(Protocol):
    """What every pipeline has."""

    @property
    def components(self) -> "Mapping[str, object]":
        """The models by name."""
        ...

    def set_progress_bar_config(self, *, disable: bool) -> None:
        """Show a bar on the terminal, or none."""
        ...

    def maybe_free_model_hooks(self) -> None:
        """Bring offloaded models back to rest."""
        ...


class Shared(Pipe, Protocol):
    """What all of images have."""

    image_processor: _ImageProcessor


@dataclass(frozen=True, slots=True)
class LoadedImagePipeline:
    """A pipeline that is ready to run.

    Attributes:
        name: What to call it in messages.
        kind: Its class.
        pipe: An object of that class.
        control_scale: How much a ControlNet counts.
        hashes: SHA-256 of its files, by the names that records give them.
        sources: ``owner/name@commit`` by the same names, of what came from the hub.
        lock: Held while it runs; pipelines of one checkpoint share it, for they share its models.
    """

    name: str
    kind: "ImageClass"
    pipe: Shared
    control_scale: float = 1.0
    hashes: "Mapping[str, str]" = field(default_factory=dict[str, str])
    sources: "Mapping[str, str | None]" = field(default_factory=dict[str, "str | None"])
    lock: Lock = field(default_factory=Lock)

    @property
    def size_multiple(self) -> int:
        """Pixels that width and height are multiples of, or the pipeline makes another size."""
        return self.pipe.image_processor.config.vae_scale_factor
