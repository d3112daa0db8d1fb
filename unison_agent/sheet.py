"""One picture that shows what went in and what came out; it does not know how it was made."""

from collections.abc import Sequence
from dataclasses import dataclass

import PIL.Image
from PIL import ImageDraw, ImageFont

from unison_agent.media import Medium, Video

Color = tuple[int, int, int]

_SCALE = 2  # drawn twice as large and reduced at the end: round corners come out smooth
_PAGE: Color = (244, 241, 234)
_CARD: Color = (255, 255, 255)
_EDGE: Color = (226, 221, 210)
_INK: Color = (38, 38, 46)
_SOFT: Color = (128, 126, 134)
_FILM: Color = (38, 38, 46)
_BUBBLE: Color = (236, 242, 252)
_ANSWERS: Color = (66, 109, 191)
_IMAGES: Color = (46, 139, 104)
_CLIPS: Color = (190, 92, 52)

_CARD_WIDTH = 560
_CARD_HEIGHT = 286
_GAP = 24
_PAD = 24
_INPUT = 72
_OUTPUT = 112
_HEADER = 96


@dataclass(frozen=True, slots=True)
class Cell:
    """One request and what became of it.

    Attributes:
        task: The task it was planned as.
        request: The user's words.
        inputs: What was attached.
        outputs: What was made.
        answer: What was answered instead.
        footer: A line of small print.
    """

    task: str
    request: str
    inputs: tuple[Medium, ...] = ()
    outputs: tuple[Medium, ...] = ()
    answer: str | None = None
    footer: str = ""


def contact_sheet(
    title: str, subtitle: str, cells: Sequence[Cell], *, columns: int = 3
) -> PIL.Image.Image:
    """Return all cells on one page, RGB.

    A clip is shown by its first, middle and last frame.
    """
    rows = -(-len(cells) // columns)
    width = _GAP + columns * (_CARD_WIDTH + _GAP)
    height = _HEADER + rows * (_CARD_HEIGHT + _GAP)
    page = PIL.Image.new("RGB", (width * _SCALE, height * _SCALE), _PAGE)
    pen = _Pen(page)
    pen.text(_GAP + 2, 22, title, 30, _INK)
    pen.text(_GAP + 2, 60, subtitle, 15, _SOFT)
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        left = _GAP + column * (_CARD_WIDTH + _GAP)
        _draw_cell(pen, cell, left, _HEADER + row * (_CARD_HEIGHT + _GAP))
    return page.resize((width, height), PIL.Image.Resampling.LANCZOS)


class _Pen:
    """Draws in page units on a page of _SCALE times as many pixels."""

    def __init__(self, page: PIL.Image.Image) -> None:
        self._page = page
        self._draw = ImageDraw.Draw(page)

    def text(self, x: float, y: float, words: str, size: float, color: Color) -> None:
        # Pillow's built-in face has the letters of Latin-1 only.
        words = words.encode("latin-1", "replace").decode("latin-1")
        self._draw.text((x * _SCALE, y * _SCALE), words, fill=color, font=_font(size))

    def box(
        self, x: float, y: float, w: float, h: float, color: Color, *, radius: float = 0
    ) -> None:
        corners = [x * _SCALE, y * _SCALE, (x + w) * _SCALE - 1, (y + h) * _SCALE - 1]
        self._draw.rounded_rectangle(corners, radius * _SCALE, fill=color)

    def polygon(self, points: Sequence[tuple[float, float]], color: Color) -> None:
        self._draw.polygon([(x * _SCALE, y * _SCALE) for x, y in points], fill=color)

    def picture(self, x: float, y: float, side: float, pil: PIL.Image.Image) -> None:
        """Fit a picture into a square with rounded corners."""
        pixels = round(side * _SCALE)
        fitted = PIL.Image.new("RGB", (pixels, pixels), _EDGE)
        zoom = pixels / max(pil.size)
        size = (max(1, round(pil.width * zoom)), max(1, round(pil.height * zoom)))
        inner = pil.resize(size, PIL.Image.Resampling.LANCZOS)
        fitted.paste(inner, ((pixels - size[0]) // 2, (pixels - size[1]) // 2))
        mask = PIL.Image.new("L", fitted.size, 0)
        ImageDraw.Draw(mask).rounded_rectangle(
            (0, 0, pixels - 1, pixels - 1), pixels // 14, fill=255
        )
        self._page.paste(fitted, (round(x * _SCALE), round(y * _SCALE)), mask)


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _SCALE)


def _text_width(words: str, size: float) -> float:
    return _font(size).getlength(words) / _SCALE


def _draw_cell(pen: _Pen, cell: Cell, left: float, top: float) -> None:
    pen.box(left, top, _CARD_WIDTH, _CARD_HEIGHT, _EDGE, radius=16)
    pen.box(left + 1, top + 1, _CARD_WIDTH - 2, _CARD_HEIGHT - 2, _CARD, radius=15)
    name = cell.task.replace("_", " ")
    pen.box(left + _PAD, top + 20, _text_width(name, 13) + 20, 22, _family(cell), radius=11)
    pen.text(left + _PAD + 10, top + 22, name, 13, _CARD)
    for index, line in enumerate(_wrapped(cell.request, 19, _CARD_WIDTH - 2 * _PAD, 2)):
        pen.text(left + _PAD, top + 52 + 25 * index, line, 19, _INK)
    _draw_flow(pen, cell, left + _PAD, top + 116)
    footer = _wrapped(cell.footer, 13, _CARD_WIDTH - 2 * _PAD, 1)
    pen.text(left + _PAD, top + _CARD_HEIGHT - 32, "".join(footer), 13, _SOFT)


def _family(cell: Cell) -> Color:
    if cell.answer is not None:
        return _ANSWERS
    return _CLIPS if any(isinstance(medium, Video) for medium in cell.outputs) else _IMAGES


def _draw_flow(pen: _Pen, cell: Cell, x: float, top: float) -> None:
    """Draw inputs, an arrow, outputs from left to right, centred on one line."""
    middle = top + _OUTPUT / 2 + 6
    start, half = x, _CARD_WIDTH / 2 - _PAD
    shown = sum(_medium_width(medium, _INPUT) + 10 for medium in cell.inputs)
    for medium in cell.inputs:  # what was made gets half of the card at least
        x = _draw_medium(pen, medium, x, middle, _INPUT * min(1.0, half / shown)) + 10
    if cell.inputs:
        _draw_arrow(pen, x + 4, middle)
        x += 40
    if cell.answer is not None:
        _draw_bubble(pen, cell.answer, x, middle, start + _CARD_WIDTH - 2 * _PAD - x)
    side = _OUTPUT
    space = start + _CARD_WIDTH - 2 * _PAD - x
    wanted = sum(_medium_width(medium, side) + 10 for medium in cell.outputs)
    if wanted > space:
        side = int(side * space / wanted)
    for medium in cell.outputs:
        x = _draw_medium(pen, medium, x, middle, side) + 10


def _draw_medium(pen: _Pen, medium: Medium, x: float, middle: float, side: float) -> float:
    """Draw an image, or a clip as a strip of film; return its right end."""
    if not isinstance(medium, Video):
        pen.picture(x, middle - side / 2, side, medium.rgb())
        return x + side
    side = _frame_side(side)
    width, height = _strip_width(side), side + 26
    pen.box(x, middle - height / 2, width, height, _FILM, radius=6)
    holes = round(width / 13)
    for index in range(holes):
        at = x + (index + 0.5) * width / holes - 3
        pen.box(at, middle - height / 2 + 4, 6, 5, _CARD, radius=1.5)
        pen.box(at, middle + height / 2 - 9, 6, 5, _CARD, radius=1.5)
    for index, frame in enumerate(medium.sample(3)):
        pen.picture(x + 5 + index * (side + 4), middle - side / 2, side, frame)
    return x + width


def _medium_width(medium: Medium, side: float) -> float:
    return _strip_width(_frame_side(side)) if isinstance(medium, Video) else side


def _frame_side(side: float) -> float:
    return side * 0.82


def _strip_width(side: float) -> float:
    return 3 * side + 2 * 4 + 10


def _draw_arrow(pen: _Pen, x: float, middle: float) -> None:
    pen.box(x, middle - 1.5, 18, 3, _SOFT, radius=1.5)
    pen.polygon([(x + 14, middle - 7), (x + 24, middle), (x + 14, middle + 7)], _SOFT)


def _draw_bubble(pen: _Pen, words: str, x: float, middle: float, space: float) -> None:
    lines = _wrapped(words, 17, space - 44, 4)
    width = max(_text_width(line, 17) for line in lines) + 32
    height = 24 * len(lines) + 22
    pen.box(x + 10, middle - height / 2, width, height, _BUBBLE, radius=14)
    pen.polygon([(x, middle + 8), (x + 14, middle - 7), (x + 14, middle + 7)], _BUBBLE)
    for index, line in enumerate(lines):
        pen.text(x + 26, middle - height / 2 + 10 + 24 * index, line, 17, _INK)


def _wrapped(words: str, size: float, width: float, most: int) -> list[str]:
    """Break words into at most `most` lines of `width`; what is left out shows as three dots."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and _text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    if len(lines) > most:
        lines = lines[:most]
        lines[-1] += "..."
    while _text_width(lines[-1], size) > width:
        lines[-1] = lines[-1].removesuffix("...")[:-1] + "..."
    return lines
