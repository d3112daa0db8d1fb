"""Tools of one's own, as the command line takes them: ``unison-agent plan ... --tool examples/my_tools.py:CROP``."""

from typing import Literal

from PIL import ImageFilter
from pydantic import BaseModel, Field

from unison_agent import Image, ImageHandle, MediaSet, Stated, custom_tool


class Crop(BaseModel):
    """Cut a region out of an image."""

    image: ImageHandle
    width: Stated[int] = Field(gt=0)
    height: Stated[int] = Field(gt=0)


def crop(wanted: Crop, media: MediaSet) -> Image:
    """Return the upper left corner of an image."""
    return Image.from_pil(media.image(wanted.image).pil.crop((0, 0, wanted.width, wanted.height)))


class Weather(BaseModel):
    """Tell the weather of a city."""

    city: str
    day: Stated[Literal["today", "tomorrow"]] | None = None


def weather(wanted: Weather) -> str:
    """Return words that say what a real tool would look up."""
    return f"It is always sunny in {wanted.city}."


class Soften(BaseModel):
    """Soften an image until its details are gone."""

    image: ImageHandle


def soften(wanted: Soften, media: MediaSet) -> Image:
    """Return a blurred image."""
    return Image.from_pil(media.image(wanted.image).pil.filter(ImageFilter.GaussianBlur(4)))


CROP = custom_tool(Crop, crop)
ALL = [CROP, custom_tool(Weather, weather), custom_tool(Soften, soften)]
