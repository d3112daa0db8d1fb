"""The call of each class of image pipeline, argument by argument; it knows no tasks and checks no output."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from unison_agent.errors import GenerationError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image as Picture

    from unison_agent.adapters.image_inputs import ImageInputs
    from unison_agent.pipelines.image import (
        FluxKontextPipe,
        FluxPipe,
        Images,
        LoadedImagePipeline,
        QwenImageEditPipe,
        QwenImagePipe,
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


def draw(loaded: "LoadedImagePipeline", inputs: "ImageInputs", values: Sampling) -> "Images":
    """Run a pipeline once, for one picture."""
    match loaded.kind:
        case "StableDiffusionXLPipeline":
            return cast("SdxlPipe", loaded.pipe)(
                prompt=values.prompt,
                negative_prompt=values.negative_prompt,
                width=values.width,
                height=values.height,
                num_inference_steps=values.steps,
                guidance_scale=values.guidance_scale,
                generator=values.generator,
                output_type="np",
                callback_on_step_end=values.report,
            )
        case "StableDiffusionXLInpaintPipeline":
            return cast("SdxlInpaintPipe", loaded.pipe)(
                prompt=values.prompt,
                negative_prompt=values.negative_prompt,
                image=_needed(inputs.image, loaded),
                mask_image=_needed(inputs.mask, loaded),
                strength=_INPAINT_STRENGTH,
                width=values.width,
                height=values.height,
                num_inference_steps=values.steps + 1,
                guidance_scale=values.guidance_scale,
                generator=values.generator,
                output_type="np",
                callback_on_step_end=values.report,
            )
        case "StableDiffusionXLControlNetPipeline":
            return cast("SdxlControlNetPipe", loaded.pipe)(
                prompt=values.prompt,
                negative_prompt=values.negative_prompt,
                image=_needed(inputs.image, loaded),
                controlnet_conditioning_scale=loaded.control_scale,
                width=values.width,
                height=values.height,
                num_inference_steps=values.steps,
                guidance_scale=values.guidance_scale,
                generator=values.generator,
                output_type="np",
                callback_on_step_end=values.report,
            )
        case "FluxPipeline":
            return cast("FluxPipe", loaded.pipe)(
                prompt=values.prompt,
                width=values.width,
                height=values.height,
                num_inference_steps=values.steps,
                guidance_scale=values.guidance_scale,
                generator=values.generator,
                output_type="np",
                callback_on_step_end=values.report,
            )
        case "FluxKontextPipeline":
            return cast("FluxKontextPipe", loaded.pipe)(
                image=_needed(inputs.image, loaded),
                prompt=values.prompt,
                width=values.width,
                height=values.height,
                max_area=values.width * values.height,
                num_inference_steps=values.steps,
                guidance_scale=values.guidance_scale,
                generator=values.generator,
                output_type="np",
                callback_on_step_end=values.report,
            )
        case "QwenImagePipeline":
            return cast("QwenImagePipe", loaded.pipe)(
                prompt=values.prompt,
                negative_prompt=values.negative_prompt or " ",
                width=values.width,
                height=values.height,
                num_inference_steps=values.steps,
                true_cfg_scale=values.guidance_scale,
                generator=values.generator,
                output_type="np",
                callback_on_step_end=values.report,
            )
        case "QwenImageEditPipeline":
            return cast("QwenImageEditPipe", loaded.pipe)(
                image=_needed(inputs.image, loaded),
                prompt=values.prompt,
                negative_prompt=values.negative_prompt or " ",
                width=values.width,
                height=values.height,
                num_inference_steps=values.steps,
                true_cfg_scale=values.guidance_scale,
                generator=values.generator,
                output_type="np",
                callback_on_step_end=values.report,
            )


def _needed(picture: "Picture | None", loaded: "LoadedImagePipeline") -> "Picture":
    if picture is None:
        msg = f"{loaded.kind} needs a picture that this task does not give."
        raise GenerationError(msg, hint="Bind the task to another class in the tool pack.")
    return picture
