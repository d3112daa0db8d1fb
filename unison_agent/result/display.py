"""Shows media in a notebook; it does not know what a result is."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from unison_agent.media import Image, Medium

INLINE_BYTES = 8 * 1024 * 1024
# Small pictures are shown enlarged, pixel by pixel.
_STYLE = "min-width:192px;max-width:100%;image-rendering:pixelated"


def html(media: Sequence[Medium], text: str | None) -> str:
    """Media as tags that carry their data, and the text below; what is too long is only named."""
    parts = [_image(medium) if isinstance(medium, Image) else _video(medium) for medium in media]
    if text is not None:
        parts.append(f"<p>{escape(text)}</p>")
    return "\n".join(parts)


def size(medium: Medium) -> str:
    """A few words: ``64x64`` or ``64x64, 17 frames at 8 fps``."""
    pixels = f"{medium.width}x{medium.height}"
    if isinstance(medium, Image):
        return pixels
    return f"{pixels}, {medium.num_frames} frames at {medium.fps:g} fps"


def base64(data: bytes) -> str:
    """Bytes as ASCII."""
    return b64encode(data).decode("ascii")


def _image(image: Image) -> str:
    return f'<img style="{_STYLE}" src="data:image/png;base64,{base64(image.png_bytes())}">'


def _video(video: Medium) -> str:
    data = b"" if isinstance(video, Image) else video.mp4_bytes()
    if len(data) > INLINE_BYTES:
        return f"<p>Video, {escape(size(video))}: too large to show here; save it.</p>"
    source = f"data:video/mp4;base64,{base64(data)}"
    return f'<video style="{_STYLE}" controls loop muted autoplay src="{source}"></video>'
