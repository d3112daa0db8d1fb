"""How each image task is put to a class of image pipeline: picture and mask; it runs nothing."""

from dataclasses import dataclass

import PIL.Image

from unison_agent.adapters import frames, seams
from unison_agent.adapters.edit_masks import MaskFinder, edit_masks
from unison_agent.errors import RequestError
from unison_agent.media import MediaSet
from unison_agent.pipeline_specs import ImageClass
from unison_agent.result import Preview
from unison_agent.tasks import (
    Generation,
    GrantedImage,
    ImageControllableGeneration,
    ImageEditing,
    ImageReferenceGeneration,
    TextToImage,
)

WHOLE = "The model changed the picture as a whole; attach a mask to keep what is black in it."


@dataclass(frozen=True, slots=True)
class ImageInputs:
    """What a pipeline is given, apart from the prompt and the sampling values.

    Attributes:
        image: What is changed, followed or shown, RGB; None where words are all.
        mask: L, 0 or 255, at the granted size: white is what may change.
        keep: The same with grays, of which a share changes. With one, the black part of `image`, which is at that
            size too, comes out as it went in, to the pixel.
        references: RGB, of any size; what an IP-Adapter sees.
        notes: What the user should know, in sentences.
        previews: Small pictures that the notes speak of.
    """

    image: PIL.Image.Image | None = None
    mask: PIL.Image.Image | None = None
    keep: PIL.Image.Image | None = None
    references: tuple[PIL.Image.Image, ...] = ()
    notes: tuple[str, ...] = ()
    previews: tuple[Preview, ...] = ()


def image_inputs(
    call: Generation,
    kind: ImageClass,
    granted: GrantedImage,
    media: MediaSet,
    find_mask: MaskFinder | None = None,
) -> ImageInputs:
    """Return what a pipeline of class `kind` needs for `call`.

    Args:
        call: The task and the handles of its media.
        kind: Inpainting needs a mask; classes that edit by words do without.
        granted: The size.
        media: Where the handles are found.
        find_mask: Finds the mask of an edit that needs one and has none.

    Raises:
        MissingInputError: An edit needs a mask, and none could be found.
        RequestError: A handle is unknown, of the wrong kind, or does not fit; or it is no task of images.
    """
    size = (granted.width, granted.height)
    match call:
        case TextToImage():
            return ImageInputs()
        case ImageEditing():
            source = frames.picture(media.image(call.source), size)
            if call.mask is None and kind != "StableDiffusionXLInpaintPipeline":
                return ImageInputs(source, notes=(WHOLE,))
            found = edit_masks(call, (source,), media, find_mask)
            (mask,) = found.masks
            return ImageInputs(
                source, seams.hard(mask), mask, notes=found.notes, previews=found.previews
            )
        case ImageControllableGeneration():
            return ImageInputs(frames.picture(media.image(call.control), size))
        case ImageReferenceGeneration() if kind == "StableDiffusionXLPipeline":
            return ImageInputs(references=tuple(media.image(h).rgb() for h in call.references))
        case ImageReferenceGeneration():
            if len(call.references) != 1:
                msg = f"{len(call.references)} references were given, {kind} takes 1."
                raise RequestError(msg, hint="Attach one image, or name the one to use.")
            return ImageInputs(media.image(call.references[0]).rgb())
        case _:
            msg = "This adapter makes images."
            raise RequestError(msg, hint="Give clips to a tool with the video adapter.")
