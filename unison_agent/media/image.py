"""A still picture, decoded and upright; it does not know where it will be used."""

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL import ImageOps
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from unison_agent.errors import MediaError, MediaLimitError, UnsupportedMediaError
from unison_agent.media.containers import Container, gif_size, identify, seen_through, webp_header
from unison_agent.media.sources import (
    DEFAULT_LIMITS,
    Blob,
    FileSource,
    Limits,
    check_pixels,
    read_source,
)

# What Pillow's parsers raise on damaged files.
DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)
_WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Image:
    """A picture; two are equal when their content is.

    Attributes:
        pil: RGB or RGBA, already turned as its EXIF orientation says. Do not change it in place.
        name: The file's name, for messages.
        sha256: Of the file's bytes; of the pixels when it was made in memory.
    """

    kind: ClassVar[Literal["image"]] = "image"

    pil: PIL.Image.Image = field(compare=False, repr=False)
    name: str = field(compare=False)
    sha256: str

    @classmethod
    def open(cls, source: FileSource, *, limits: Limits = DEFAULT_LIMITS) -> Self:
        """Read and decode a PNG, JPEG, WebP or GIF; of a moving one, the first frame.

        Raises:
            UnsupportedMediaError: It is no such image.
            MediaLimitError: It has too many bytes or pixels.
            MediaError: It is damaged or could not be read.
        """
        blob = read_source(source, limits)
        return cls.from_blob(blob, identify(blob.name, blob.data), limits=limits)

    @classmethod
    def from_blob(cls, blob: Blob, container: Container, *, limits: Limits) -> Self:
        """Decode bytes whose container is known; raises as `open` does."""
        try:
            pil = _upright(parse_image(blob, container, limits))
        except MediaError:
            raise
        except DECODE_ERRORS as error:
            msg = f"{blob.name}: damaged or cut short ({error})."
            raise MediaError(msg, hint="Copy or download it again.") from error
        return cls(pil, blob.name, blob.sha256)

    @classmethod
    def from_pil(cls, pil: PIL.Image.Image, *, limits: Limits = DEFAULT_LIMITS) -> Self:
        """Take a Pillow image, of any mode.

        Raises:
            MediaLimitError: It has too many pixels.
            UnsupportedMediaError: It holds fractions (mode F).
            MediaError: It is a lazily opened file that turns out to be damaged.
        """
        check_pixels("image", *pil.size, limits)
        try:
            upright = _upright(pil)
        except UnsupportedMediaError:
            raise
        except DECODE_ERRORS as error:
            raise MediaError(f"The image could not be decoded: {error}.") from error
        return cls(upright, "image", pixels_sha256(upright))

    @classmethod
    def from_array(cls, array: npt.NDArray[np.uint8], *, limits: Limits = DEFAULT_LIMITS) -> Self:
        """Take pixels.

        Args:
            array: uint8, ``[H, W]`` grey, ``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA.
            limits: At most ``max_pixels``.

        Raises:
            UnsupportedMediaError: Another dtype or shape, or no array.
            MediaLimitError: It has too many pixels.
        """
        if not isinstance(array, np.ndarray):  # pyright: ignore[reportUnnecessaryIsInstance] - users are untyped
            msg = f"Got {type(array).__name__}; expected a uint8 array [H, W], [H, W, 3] or [H, W, 4]."
            raise UnsupportedMediaError(msg, hint="Files are read by Image.open.")
        is_picture = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
        if not is_picture or array.dtype != np.uint8:
            msg = (
                f"Got an array of {array.dtype} with shape {tuple(array.shape)}; expected uint8 "
                "[H, W], [H, W, 3] or [H, W, 4]."
            )
            hint = "For a clip use Video.from_frames; for floats in 0..1 multiply by 255 first."
            raise UnsupportedMediaError(msg, hint=hint)
        check_pixels("array", array.shape[1], array.shape[0], limits)
        flat = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
        return cls.from_pil(PIL.Image.fromarray(np.ascontiguousarray(flat)), limits=limits)

    @property
    def width(self) -> int:
        """Pixels, after EXIF rotation."""
        return self.pil.width

    @property
    def height(self) -> int:
        """Pixels, after EXIF rotation."""
        return self.pil.height

    @property
    def has_alpha(self) -> bool:
        """Whether the picture has a transparency channel."""
        return self.pil.mode == "RGBA"

    def rgb(self, background: tuple[int, int, int] = _WHITE) -> PIL.Image.Image:
        """The picture without transparency, laid over `background`."""
        return flattened(self.pil, background)

    def png_bytes(self) -> bytes:
        """The picture as PNG; the same pixels give the same bytes."""
        buffer = io.BytesIO()
        self.pil.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    def webp_bytes(self, exif: bytes = b"") -> bytes:
        """The picture as lossless WebP; `exif` is a block of metadata to put in."""
        buffer = io.BytesIO()
        self.pil.save(buffer, "WEBP", lossless=True, exact=True, exif=exif)
        return buffer.getvalue()


def flattened(pil: PIL.Image.Image, background: tuple[int, int, int] = _WHITE) -> PIL.Image.Image:
    """An RGB or RGBA image as RGB, laid over `background`."""
    if pil.mode != "RGBA":
        return pil
    base = PIL.Image.new("RGBA", pil.size, (*background, 255))
    return PIL.Image.alpha_composite(base, pil).convert("RGB")


def pixels_sha256(*frames: PIL.Image.Image) -> str:
    """Hex digest of decoded pixels, with their modes and sizes."""
    digest = hashlib.sha256()
    for pil in frames:
        digest.update(f"{pil.mode} {pil.width}x{pil.height}\n".encode())
        digest.update(pil.tobytes())
    return digest.hexdigest()


def parse_image(blob: Blob, container: Container, limits: Limits) -> PIL.Image.Image:
    """Parse the header and check the size; pixels are decoded only when they are asked for.

    Raises:
        UnsupportedMediaError: A video container.
        MediaLimitError: Too many pixels.
        MediaError: A side of zero, or a WebP that is cut short. Pillow's own `DECODE_ERRORS` come
            as they are.
    """
    file = io.BytesIO(blob.data)
    match container:
        case "png" | "apng":
            pil = PngImageFile(file)
        case "jpeg":
            pil = JpegImageFile(file)
        case "gif":
            # Pillow looks at the first frame here, and has a limit of its own for it.
            check_pixels(blob.name, *gif_size(blob.data), limits)
            try:
                pil = GifImageFile(file)
            except PIL.Image.DecompressionBombError as error:
                raise MediaLimitError(f"{blob.name}: {error}") from error
        case "webp":
            # libwebp allocates the canvas as soon as it opens the file.
            header = webp_header(blob.name, blob.data)
            check_pixels(blob.name, header.width, header.height, limits)
            pil = WebPImageFile(io.BytesIO(seen_through(blob.data)))
        case _:
            msg = f"{blob.name}: a video ({container.upper()}); an image was expected."
            raise UnsupportedMediaError(msg, hint="Attach a PNG, JPEG, WebP or GIF.")
    check_pixels(blob.name, *pil.size, limits)
    return pil


def _upright(pil: PIL.Image.Image) -> PIL.Image.Image:
    """A copy in RGB or RGBA, turned by its EXIF orientation and free of file metadata."""
    pil.load()
    turned = ImageOps.exif_transpose(pil)
    if turned.mode.startswith("I;16"):
        # Pillow clips 16-bit grey at 255 when it converts; the high byte is what is seen.
        turned = PIL.Image.fromarray((np.asarray(turned) >> 8).astype(np.uint8))
    elif turned.mode == "I" and turned.getextrema()[1] > 255:  # pyright: ignore[reportOperatorIssue] - one band
        turned = PIL.Image.fromarray((np.asarray(turned) >> 8).clip(0, 255).astype(np.uint8))
    elif turned.mode == "F":
        msg = "a picture of mode F holds fractions, of which nothing says what is white."
        raise UnsupportedMediaError(msg, hint="Scale it to 0 to 255 and convert it to mode L.")
    mode = "RGBA" if turned.has_transparency_data else "RGB"
    clean = turned.copy() if turned.mode == mode else turned.convert(mode)
    clean.info = {}
    return clean
