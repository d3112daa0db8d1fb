"""The nearest allowed picture size to what is wished; it does not know who wished it, or of time.

Every allowed size that could be the answer is weighed, in this order: how many wishes it breaks, how far
it is from those it breaks, then how much it looks like the picture it should resemble.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd, log

from unison_agent.errors import NegotiationError
from unison_agent.specs import Limits

_UPRIGHT = 3 / 4  # the shape of "portrait" where what it should resemble is square


@dataclass(frozen=True, slots=True)
class Aspect:
    """A wished shape.

    Attributes:
        text: As it was stated: ``"16:9"``, ``"square"``, ``"portrait"`` or ``"landscape"``.
        ratio: Width over height to aim for.
    """

    text: str
    ratio: float

    @classmethod
    def parse(cls, text: str, like: tuple[int, int]) -> "Aspect":
        """Read `text`; a word of orientation takes its ratio from the size `like`.

        Raises:
            NegotiationError: A side of the ratio is zero.
        """
        upright = min(like) / max(like) if like[0] != like[1] else _UPRIGHT
        match text:
            case "square":
                return cls(text, 1.0)
            case "portrait":
                return cls(text, upright)
            case "landscape":
                return cls(text, 1 / upright)
            case _:
                width, height = (float(side) for side in text.split(":"))
        if not width or not height:
            msg = f"aspect_ratio {text} is no shape: both sides must be above 0."
            raise NegotiationError(msg, hint='State one such as "16:9".')
        return cls(text, width / height)

    def fits(self, width: int, height: int, multiple_of: int) -> bool:
        """Say whether a size has this shape, up to the rounding of one side."""
        match self.text:
            case "portrait":
                return width < height
            case "landscape":
                return width > height
            case _:
                return fits_ratio(width, height, self.ratio, multiple_of)


@dataclass(frozen=True, slots=True)
class SizeWish:
    """What is wished of a size; None means nothing is.

    Attributes:
        width: Pixels.
        height: Pixels.
        lines: The shorter side, as in 480p, in pixels.
        aspect: The shape.
        like: ``(width, height)`` that decides what is left open.
    """

    width: int | None
    height: int | None
    lines: int | None
    aspect: Aspect | None
    like: tuple[int, int]

    @property
    def is_open(self) -> bool:
        """Whether nothing is wished, so that `like` alone decides."""
        return not (self.width or self.height or self.lines or self.aspect)

    @property
    def shape(self) -> float:
        """Width over height to aim for."""
        if self.width and self.height:
            return self.width / self.height
        return self.aspect.ratio if self.aspect else self.like[0] / self.like[1]


def fits_ratio(width: int, height: int, ratio: float, multiple_of: int) -> bool:
    """Say whether one side is the other times `ratio`, up to half of `multiple_of`."""
    slack = multiple_of / 2
    return abs(width - height * ratio) <= slack or abs(height - width / ratio) <= slack


def fits_lines(width: int, height: int, lines: int, multiple_of: int) -> bool:
    """Say whether the shorter side is `lines`, up to half of `multiple_of`."""
    return abs(min(width, height) - lines) <= multiple_of / 2


def shape_of(width: int, height: int) -> str:
    """Return the shape of a size as a ratio in lowest terms, e.g. ``"26:15"``."""
    common = gcd(width, height)
    return f"{width // common}:{height // common}"


def nearest_size(wish: SizeWish, limits: Limits, max_area: float) -> tuple[int, int]:
    """Return the allowed ``(width, height)`` nearest to `wish`, of at most `max_area` pixels."""
    return min(
        _candidates(wish, limits, max_area), key=lambda size: _cost(*size, wish, limits.multiple_of)
    )


def _candidates(wish: SizeWish, limits: Limits, max_area: float) -> Iterator[tuple[int, int]]:
    """Walk along both sides, each time with the few lengths of the other that could be best."""
    widths, heights = limits.widths(), limits.heights()
    shape = wish.shape
    for height in heights:
        for ideal in (height * shape, wish.width or wish.like[0], max_area / height, 0):
            width = _near(ideal, widths, at_most=max_area / height)
            if width is not None:
                yield width, height
    for width in widths:
        for ideal in (width / shape, wish.height or wish.like[1], max_area / width, 0):
            height = _near(ideal, heights, at_most=max_area / width)
            if height is not None:
                yield width, height


def _near(ideal: float, lengths: range, *, at_most: float) -> int | None:
    """Return the length nearest to `ideal` among those that are at most `at_most`."""
    count = min(len(lengths), int((at_most - lengths.start) // lengths.step) + 1)
    if count < 1:
        return None
    return lengths[min(max(round((ideal - lengths.start) / lengths.step), 0), count - 1)]


def _cost(width: int, height: int, wish: SizeWish, step: int) -> tuple[float, ...]:
    both = bool(wish.width and wish.height)
    shape = (
        0.0 if fits_ratio(width, height, wish.shape, step) else 2 * _far(width / height, wish.shape)
    )
    broken, far = 0, 0.0
    if both:
        broken += (width, height) != (wish.width, wish.height)
        far += shape
    for length, wished in ((width, wish.width), (height, wish.height)):
        if wished and length != wished:
            broken += not both
            far += _far(length, wished)
    if wish.lines and not both and not fits_lines(width, height, wish.lines, step):
        broken += 1
        far += _far(min(width, height), wish.lines)
    if wish.aspect and not both and not wish.aspect.fits(width, height, step):
        broken += 1
    if (wish.lines or wish.aspect or wish.is_open) and not both:
        far += shape
    if wish.is_open:
        far += _far(width, wish.like[0]) + _far(height, wish.like[1])
    area = _far(width * height, wish.like[0] * wish.like[1])
    # The last two settle ties, so that the same wish always gets the same size.
    return broken, far, shape, area, -width * height, -width


def _far(value: float, wished: float) -> float:
    return abs(log(value / wished))
