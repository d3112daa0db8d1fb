"""Pictures in the terminal itself; it does not know how they came about.

textual-image asks the terminal what it can do (kitty's graphics, sixel, else blocks of colour), and does so
when it is imported: only here, and only where somebody watches.
"""

import os
import sys
from collections.abc import Iterable

import PIL.Image

from unison_agent.cli.telling import stdout
from unison_agent.errors import MissingDependencyError
from unison_agent.media import Image, Medium

_FRAMES = 4  # of a clip, side by side


def check_inline() -> bool:
    """Whether pictures can be shown: somebody watches a terminal that has a size, and the library is there.

    Raises:
        MissingDependencyError: textual-image is not installed.
    """
    if not stdout().is_terminal or not sys.stdout.isatty() or not _columns():
        return False
    try:
        import textual_image.renderable  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise MissingDependencyError("textual_image", extra="terminal") from error
    return True


def show_inline(media: Iterable[Medium]) -> None:
    """Print pictures, and some frames of each clip; call `check_inline` first."""
    from textual_image.renderable import Image as Picture

    console = stdout()
    for medium in media:
        pil = medium.rgb() if isinstance(medium, Image) else _strip(medium.sample(_FRAMES))
        columns = min(console.width, 24 if isinstance(medium, Image) else 24 * _FRAMES)
        console.print(Picture(pil, width=columns, height="auto"))


def _columns() -> int:
    """Return the columns of the terminal itself; 0 where it does not know them, as some of scripts do not."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return 0


def _strip(frames: list[PIL.Image.Image]) -> PIL.Image.Image:
    width, height = frames[0].size
    strip = PIL.Image.new("RGB", (width * len(frames), height))
    for index, frame in enumerate(frames):
        strip.paste(frame, (width * index, 0))
    return strip
