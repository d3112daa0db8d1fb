"""Shows media, plans and adjustments in a notebook as HTML; it does not know what a result is."""

import io
import sys
from base64 import b64encode
from collections.abc import Collection, Sequence
from html import escape
from pathlib import Path
from typing import cast

from unison_agent.errors import OutputError
from unison_agent.explain import Explanation
from unison_agent.media import Image, Medium, Video
from unison_agent.result.saving import write_whole
from unison_agent.tasks import Adjustment, Plan

# A notebook keeps what it shows: clips above this lie in a file beside it.
INLINE_BYTES = 4 * 1024 * 1024
CLIPS_FOLDER = "unison-agent-clips"
_POSTER_PIXELS = 480
# Small pictures are shown enlarged, pixel by pixel; what is larger than a column shrinks.
_STYLE = "min-width:192px;max-width:100%;image-rendering:{rendering}"
_CELL = "text-align:left;padding:2px 12px 2px 0;border-bottom:1px solid rgba(128,128,128,.3)"


def html(
    media: Sequence[Medium],
    text: str | None,
    *,
    plan: Plan | None = None,
    adjustments: Sequence[Adjustment] = (),
    notes: Sequence[str] = (),
    previews: Sequence[tuple[str, Image]] = (),
) -> str:
    """Media, the answer, what was changed, notes, and the plan with the words that state its values.

    Pictures and short clips carry their data. A long clip is shown by a poster, and played from a file that is
    written into `CLIPS_FOLDER` of the current folder, where a notebook's server finds it.
    """
    parts = [medium_html(medium) for medium in media]
    if len(parts) > 1:
        parts = [f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(parts)}</div>']
    if text is not None:
        parts.append(f"<p>{escape(text)}</p>")
    if adjustments:
        parts.append(_table(adjustments))
    parts += [f"<div><small>{escape(note)}</small></div>" for note in notes]
    for name, image in previews:
        shown = f"<figure>{medium_html(image)}<figcaption>{escape(name)}</figcaption></figure>"
        parts.append(f"<details><summary>{escape(name)}</summary>{shown}</details>")
    if plan is not None:
        parts.append(f"<details><summary>plan</summary>{Explanation(plan).html()}</details>")
    return "\n".join(parts)


def medium_html(medium: Medium) -> str:
    """One picture or clip as a tag."""
    return _image(medium) if isinstance(medium, Image) else _video(medium)


def size(medium: Medium) -> str:
    """A few words: ``64x64`` or ``64x64, 17 frames at 8 fps``."""
    pixels = f"{medium.width}x{medium.height}"
    if isinstance(medium, Image):
        return pixels
    return f"{pixels}, {medium.num_frames} frames at {medium.fps:g} fps"


def base64(data: bytes) -> str:
    """Bytes as ASCII."""
    return b64encode(data).decode("ascii")


def shows_html(include: Collection[str] | None, exclude: Collection[str] | None) -> bool:
    """Whether who asks for a bundle shows HTML; an IPython in a terminal asks and does not."""
    if "text/html" in (exclude or ()) or (include and "text/html" not in include):
        return False
    ask = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    formatter: object = getattr(ask(), "display_formatter", None)
    types = cast("Collection[str] | None", getattr(formatter, "active_types", None))
    return types is None or "text/html" in types


def _image(image: Image) -> str:
    source = f"data:image/png;base64,{base64(image.png_bytes())}"
    return f'<img style="{_style(image)}" alt="{size(image)}" src="{source}">'


def _video(video: Video) -> str:
    data = video.mp4_bytes()
    if len(data) <= INLINE_BYTES:
        source = f"data:video/mp4;base64,{base64(data)}"
        return (
            f'<video style="{_style(video)}" controls loop muted autoplay src="{source}"></video>'
        )
    poster = f"data:image/jpeg;base64,{base64(_poster(video))}"
    path = Path(CLIPS_FOLDER, f"{video.sha256[:16]}.mp4")
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole([(path, data)], overwrite=True)
    except (OSError, OutputError) as error:
        shown = f'<img style="{_style(video)}" alt="first frame" src="{poster}">'
        why = f"Video, {size(video)}, too long to show here: save it to play it ({error})."
        return f"<div>{shown}<p>{escape(why)}</p></div>"
    return (
        f'<video style="{_style(video)}" controls loop muted preload="none" poster="{poster}" '
        f'src="{path.as_posix()}"></video>'
    )


def _poster(video: Video) -> bytes:
    first = next(video.frames()).convert("RGB")
    first.thumbnail((_POSTER_PIXELS, _POSTER_PIXELS))
    file = io.BytesIO()
    first.save(file, "JPEG", quality=80)
    return file.getvalue()


def _style(medium: Medium) -> str:
    return _STYLE.format(rendering="pixelated" if medium.width <= 192 else "auto")


def _table(adjustments: Sequence[Adjustment]) -> str:
    heads = "".join(f'<th style="{_CELL}">{head}</th>' for head in ("", "asked", "granted", "why"))
    rows = "".join(_row(one) for one in adjustments)
    return f'<table style="border-collapse:collapse"><tr>{heads}</tr>{rows}</table>'


def _row(change: Adjustment) -> str:
    granted = "left out" if change.granted is None else str(change.granted)
    values = (change.field.replace("_", " "), str(change.asked), granted, change.reason)
    cells = "".join(f'<td style="{_CELL}">{escape(value)}</td>' for value in values)
    return f"<tr>{cells}</tr>"
