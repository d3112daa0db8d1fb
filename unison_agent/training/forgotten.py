"""Requests without what they speak of, as people forget to attach it or attach something else; makes no text."""

import random
import re
from collections.abc import Mapping

from unison_agent.planning.written import Slot
from unison_agent.tasks import MediaKind
from unison_agent.training.nano_wording import Example

# Of the requests that speak of what is attached, so many come without it, and so many with something else.
_ALL = 0.25
_OTHER_KIND = 0.08
# Of those with two media where one would be missed.
_ONE_OF_TWO = 0.2
_POINTING = re.compile(
    r"\b(?:attached|attachment|enclosed|(?:this|my|our|the) (?:\w+ )?(?:image|picture|photo\w*|pic|clip|video"
    r"|footage|film|drawing|sketch|still|(?:depth|edge|normal|pose) map|skeleton|layout|screenshot))\b",
    re.IGNORECASE,
)
_KIND: Mapping[MediaKind, re.Pattern[str]] = {
    "image": re.compile(
        r"\b(?:image|picture|photo\w*|pic|drawing|sketch|screenshot)\b", re.IGNORECASE
    ),
    "video": re.compile(r"\b(?:clip|video|vid|footage|film|recording)\b", re.IGNORECASE),
}
_MASK = re.compile(r"\bmask", re.IGNORECASE)
_ENDS = re.compile(
    r"\b(?:second|last|other|both|two|end\w*|finish\w*|between|finale|to the)\b", re.IGNORECASE
)
_ROLE_OF_TASK: Mapping[str, Slot] = {
    "image_understanding": "source",
    "video_understanding": "source",
    "image_editing": "source",
    "video_editing": "source",
    "image_controllable_generation": "control",
    "video_controllable_generation": "control",
    "image_reference_generation": "references",
    "video_reference_generation": "references",
    "image_to_video": "first_frame",
}


def forget(example: Example, rng: random.Random) -> Example | None:
    """Return the request with less or something else attached and the slot that is then empty, or None to leave it."""
    role = _ROLE_OF_TASK.get(example.task)
    if role is None or example.then or "{m" in example.text:
        return None
    match example.media:
        case (kind,) if _POINTING.search(example.text):
            if set(example.roles) == {"last_frame"}:
                role = "last_frame"
            drawn = rng.random()
            if drawn < _ALL:
                return _without(example, (), role)
            other: MediaKind = "video" if kind == "image" else "image"
            named = _KIND[kind].search(example.text) and not _KIND[other].search(example.text)
            # Pictures can be asked about as clips can, and one frame of a clip is a picture.
            if drawn < _ALL + _OTHER_KIND and named and not (kind == "image" and role == "source"):
                return _without(example, (other,), role)
        case (_, _) if rng.random() < _ONE_OF_TWO:
            roles = set(example.roles)
            if roles == {"source", "mask"} and _MASK.search(example.text):
                kept: MediaKind = "image" if example.task == "image_editing" else "video"
                return _without(example, (kept,), "mask")
            if roles == {"first_frame", "last_frame"} and _ENDS.search(example.text):
                # What is left is taken for the first image of the two.
                return _without(example, ("image",), _role_of_second(example))
        case _:
            pass
    return None


def _role_of_second(example: Example) -> Slot:
    return "first_frame" if example.roles["first_frame"] == 1 else "last_frame"


def _without(example: Example, media: tuple[MediaKind, ...], slot: Slot) -> Example:
    return Example(example.text, media, "needs_input", missing=slot)
