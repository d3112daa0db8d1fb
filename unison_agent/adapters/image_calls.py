"""The call of each class of image pipeline, argument by argument; it knows no tasks and checks no output."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from unison_agent.errors import GenerationError
from unison_agent.tasks import Generation, GrantedImage, GrantedVideo

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image as Picture

    from unison_agent.adapters.image_inputs import ImageInputs
    from unison_agent.pipelines.image import (
        Arguments,
        FluxKontextPipe,
        FluxPipe,
        Guided,
        Images,
        LoadedImagePipeline,
        QwenArguments,
        QwenImageEditPipe,
        QwenImagePipe,
        SdxlArguments,
        SdxlControlNetPipe,
        SdxlInpaintPipe,
        SdxlPipe,
    )
    from unison_agent.pipelines.vace import StepCallback

NO_NEGATIVE = "FLUX is guided by distillation and reads no negative prompt; it was left out."
# Of diffusers: the source still shows through the noise that is started from. It costs the first step.
_INPAINT_STRENGTH = 0.9999


@dataclass(frozen=True, slots=True)
class Sampling:
    """Words and sampling values of one output.

    Attributes:
        prompt: What to draw.
        negative_prompt: What to keep away from.
        width: Pixels.
        height: Pixels.
        steps: Of denoising; as many are run.
        guidance_scale: By the name that the class has for it.
        generator: Of the first noise.
        report: Told of each step.
    """

    prompt: str
    negative_prompt: str | None
    width: int
    height: int
    steps: int
    guidance_scale: float
    generator: "torch.Generator"
    report: "StepCallback"

    @classmethod
    def of(
        cls,
        call: Generation,
        granted: GrantedImage | GrantedVideo,
        index: int,
        report: "StepCallback",
    ) -> "Sampling":
        """Return those of output `index`, from 0, of a call."""
        import torch

        return cls(
            prompt=call.prompt,
            negative_prompt=call.negative_prompt,
            width=granted.width,
            height=granted.height,
            steps=granted.steps,
            guidance_scale=granted.guidance_scale,
            # On the CPU, so that a seed gives the same noise on every device.
            generator=torch.Generator("cpu").manual_seed(granted.seed + index),
            report=report,
        )


def draw(loaded: "LoadedImagePipeline", inputs: "ImageInputs", values: Sampling) -> "Images":
    """Run a pipeline once, for one picture."""
    match loaded.kind:
        case "StableDiffusionXLPipeline":
            # A list for the one adapter there is.
            shown = [list(inputs.references)] if inputs.references else None
            return cast("SdxlPipe", loaded.pipe)(ip_adapter_image=shown, **_sdxl(values))
        case "StableDiffusionXLInpaintPipeline":
            return cast("SdxlInpaintPipe", loaded.pipe)(
                image=_needed(inputs.image, loaded),
                mask_image=_needed(inputs.mask, loaded),
                strength=_INPAINT_STRENGTH,
                **_sdxl(replace(values, steps=values.steps + 1)),
            )
        case "StableDiffusionXLControlNetPipeline":
            return cast("SdxlControlNetPipe", loaded.pipe)(
                image=_needed(inputs.image, loaded),
                controlnet_conditioning_scale=loaded.control_scale,
                **_sdxl(values),
            )
        case "FluxPipeline":
            return cast("FluxPipe", loaded.pipe)(**guided(values))
        case "FluxKontextPipeline":
            return cast("FluxKontextPipe", loaded.pipe)(
                image=_needed(inputs.image, loaded),
                max_area=values.width * values.height,
                **guided(values),
            )
        case "QwenImagePipeline":
            return cast("QwenImagePipe", loaded.pipe)(**_qwen(values))
        case "QwenImageEditPipeline":
            return cast("QwenImageEditPipe", loaded.pipe)(
                image=_needed(inputs.image, loaded), **_qwen(values)
            )


def arguments(values: Sampling) -> "Arguments":
    """Return what every class is called with."""
    return {
        "prompt": values.prompt,
        "width": values.width,
        "height": values.height,
        "num_inference_steps": values.steps,
        "generator": values.generator,
        "output_type": "np",
        "callback_on_step_end": values.report,
    }


def guided(values: Sampling) -> "Guided":
    """Return the same with guidance by its usual name."""
    return {**arguments(values), "guidance_scale": values.guidance_scale}


def _sdxl(values: Sampling) -> "SdxlArguments":
    return {**guided(values), "negative_prompt": values.negative_prompt}


def _qwen(values: Sampling) -> "QwenArguments":
    # It guides only where there is something to keep away from.
    return {
        **arguments(values),
        "negative_prompt": values.negative_prompt or " ",
        "true_cfg_scale": values.guidance_scale,
    }


def _needed(picture: "Picture | None", loaded: "LoadedImagePipeline") -> "Picture":
    if picture is None:
        msg = f"{loaded.kind} needs a picture that this task does not give."
        raise GenerationError(msg, hint="Bind the task to another class in the tool pack.")
    return picture
