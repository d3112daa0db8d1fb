"""What the words say that name a thing on a picture: colour, place, size and noun; it sees no pixels."""

import re
from dataclasses import dataclass
from typing import Self

from unison_agent.preprocess.regions import COLOR_NAMES, ColorName

_COLOR_WORDS: dict[str, ColorName] = {
    **{name: name for name in COLOR_NAMES},
    "grey": "gray", "silver": "gray", "violet": "purple", "magenta": "pink", "gold": "yellow",
    "golden": "yellow", "cyan": "blue", "navy": "blue", "crimson": "red", "lime": "green",
}  # fmt: skip
_PLACE_WORDS: dict[str, tuple[int, int]] = {
    "left": (-1, 0), "leftmost": (-1, 0), "right": (1, 0), "rightmost": (1, 0),
    "top": (0, -1), "upper": (0, -1), "topmost": (0, -1), "highest": (0, -1),
    "bottom": (0, 1), "lower": (0, 1), "lowest": (0, 1),
}  # fmt: skip
_CENTER_WORDS = {"center", "centre", "middle", "central"}
_SIZE_WORDS = {
    "small": -1, "smaller": -1, "smallest": -1, "little": -1, "tiny": -1,
    "large": 1, "larger": 1, "largest": 1, "big": 1, "bigger": 1, "biggest": 1,
}  # fmt: skip
_ALL_WORDS = {"all", "both", "every", "each", "everything", "them"}
_EMPTY_WORDS = {
    "a", "an", "the", "this", "that", "these", "those", "it", "its", "my", "of", "in", "on", "at", "to",
    "with", "side", "part", "one", "ones", "thing", "things", "object", "objects", "shape", "shapes",
    "icon", "icons", "item", "items", "subject", "medium", "sized", "size", "colored", "coloured",
}  # fmt: skip
_SUBJECT_WORDS = {"main", "foreground", "subject", "salient", "central", "whole", "entire"}
_GROUND_WORDS = {"background", "backdrop", "ground", "backgrounds"}
_ON_A_GROUND = re.compile(
    r"\b(on|against|over|with|in front of)\b[^,]*\b(background|backdrop|ground)\b", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the words say.

    Attributes:
        ground: Whether they name the background.
        several: Whether they name everything that fits them.
        color: Of the thing, if one is named.
        places: Where it is, each (right, down) by -1, 0 or 1.
        central: Whether it is in the middle.
        size: 1 for the largest, -1 for the smallest, 0 for none said.
        noun: What is left of the words.
    """

    ground: bool
    several: bool
    color: ColorName | None
    places: tuple[tuple[int, int], ...]
    central: bool
    size: int
    noun: str

    @classmethod
    def read(cls, target: str) -> Self:
        """Return what the words of `target` say."""
        words = _WORD.findall(_ON_A_GROUND.sub(" ", target.lower()))
        known = _COLOR_WORDS.keys() | _PLACE_WORDS.keys() | _CENTER_WORDS | _SIZE_WORDS.keys()
        rest = [w for w in words if w not in known | _EMPTY_WORDS | _ALL_WORDS]
        return cls(
            ground=any(word in _GROUND_WORDS for word in words),
            several=any(word in _ALL_WORDS for word in words),
            color=next((_COLOR_WORDS[word] for word in words if word in _COLOR_WORDS), None),
            places=tuple(_PLACE_WORDS[word] for word in words if word in _PLACE_WORDS),
            central=any(word in _CENTER_WORDS for word in words),
            size=next((_SIZE_WORDS[word] for word in words if word in _SIZE_WORDS), 0),
            noun=" ".join(rest),
        )


def names_ground(target: str) -> bool:
    """Return whether the words name the background."""
    return Wanted.read(target).ground


def names_subject(target: str) -> bool:
    """Return whether the words name the main thing without saying what it is."""
    words = set(_WORD.findall(target.lower()))
    said = words - _EMPTY_WORDS - _SUBJECT_WORDS
    return bool(words) and not said


def wants_all(target: str) -> bool:
    """Return whether the words name everything that fits them."""
    return Wanted.read(target).several
