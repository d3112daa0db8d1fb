"""Words for flat icon scenes: things, scenes, motions, settings; knows no task and renders nothing.

The scenes are those nano can draw: shapes and icons with a colour, a size and a place, on a coloured
background, perhaps moving.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from unison_agent.planning.written import FieldValue, Slot
from unison_agent.tasks import MediaKind
from unison_agent.training.nano_phrases import (
    COLOURS,
    DIRECTIONS,
    ICONS,
    MOTIONS,
    NUMBER_WORDS,
    PLACES,
    SHAPES,
    SIZES,
)
from unison_agent.training.spans import capitalized, marked, strip_end

Place = int | str
"""An attachment's index (0-based), or the handle of what an earlier step made."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one call of a plan means, its words aside."""

    task: str
    roles: Mapping[str, Place | list[Place]]
    stated: Mapping[str, FieldValue]


@dataclass(slots=True)
class Example:
    """One request under construction.

    Attributes:
        text: The request, with `{m0}` where the first attachment is named, and so on, and with the words of
            each step between the marks of `spans`.
        media: Kinds of what is attached, in order.
        task: The first step's task.
        roles: Role to attachment index, or indices.
        stated: The other fields.
        missing: The empty slot when something is missing.
        then: The steps after the first.
    """

    text: str
    media: tuple[MediaKind, ...]
    task: str
    roles: Mapping[str, Place | list[Place]] = field(
        default_factory=dict[str, "Place | list[Place]"]
    )
    stated: dict[str, FieldValue] = field(default_factory=dict[str, FieldValue])
    missing: Slot | None = None
    then: tuple[Step, ...] = ()


def with_article(noun: str) -> str:
    """Return the noun with "a" or "an"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def colour(rng: random.Random) -> str:
    """Return a colour, seldom with a shade."""
    hue = rng.choice(COLOURS)
    return f"{rng.choice(('light', 'dark', 'bright'))} {hue}" if rng.random() < 0.1 else hue


def thing(rng: random.Random, *, coloured: float = 0.6, sized: float = 0.2) -> str:
    """Return a noun with perhaps a size and a colour: "small red star"; icons have colours seldom."""
    shape = rng.random() < 0.6
    noun = rng.choice(SHAPES if shape else ICONS)
    hue = f"{colour(rng)} " if rng.random() < (coloured if shape else coloured / 3) else ""
    size = f"{rng.choice(SIZES)} " if rng.random() < sized else ""
    return f"{size}{hue}{noun}"


def background(rng: random.Random) -> str:
    """Return a background in one of many wordings: "on a blue background"."""
    hue = colour(rng)
    return rng.choice(
        (f"on {with_article(hue)} background", f"on {hue}", f"over {with_article(hue)} background",
         f"with {with_article(hue)} background", f"on a plain {hue} background", f"against {hue}")
    )  # fmt: skip


def scene(rng: random.Random) -> str:
    """Return a scene: one to three things, perhaps placed, perhaps on a background."""
    parts = [
        with_article(thing(rng)) + (f" {rng.choice(PLACES)}" if rng.random() < 0.4 else "")
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3)))
    ]
    joined = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{joined} {background(rng)}" if rng.random() < 0.7 else joined


def say_number(rng: random.Random, value: int) -> str:
    """Return a number in digits, a quarter of the time in words where it is small."""
    return NUMBER_WORDS[value] if value in NUMBER_WORDS and rng.random() < 0.25 else str(value)


def with_settings(
    rng: random.Random, example: Example, *, video: bool, often: float = 0.45
) -> Example:
    """Append stated settings to the request in one of many wordings."""
    if rng.random() > often:
        return example
    kinds = [
        "size",
        "size",
        "size",
        "seed",
        "steps",
        "outputs",
        "guidance",
        "shape",
        "negative",
        "negative",
    ]
    kinds += ["frames", "frames_and_fps", "duration", "duration", "fps"] if video else []
    text = strip_end(example.text, ".")
    for kind in dict.fromkeys(rng.choices(kinds, k=rng.choice((1, 1, 2, 2, 3)))):
        addition, stated = _setting(rng, kind)
        if stated.keys() & example.stated.keys():
            continue
        example.stated |= stated
        if rng.random() < 0.12 and kind not in ("negative", "outputs"):
            text = addition + rng.choice((", ", ": ", ". ", "; ")) + text
        else:
            text += rng.choice((", ", ", ", ". ", " ", "; ")) + addition
    example.text = text
    return example


def _setting(rng: random.Random, kind: str) -> tuple[str, dict[str, FieldValue]]:
    match kind:
        case "size":
            width = rng.choice((64, 64, 64, 32, 96, 128, 256, 512, rng.randrange(16, 1024)))
            height = width if rng.random() < 0.75 else rng.choice((64, 48, 96, 128, 320, 480))
            form = rng.choice(
                ("{w} by {h}", "{w}x{h}", "{w} x {h} pixels", "size {w}x{h}", "{w}\N{MULTIPLICATION SIGN}{h}", "in {w}x{h}",
                 "width {w}, height {h}", "{w} wide and {h} tall", "{w} by {h} px", "at {w} by {h}")
            )  # fmt: skip
            return form.format(w=width, h=height), {"width": width, "height": height}
        case "seed":
            seed = rng.choice((0, 1, 3, 7, 11, 42, 123, rng.randrange(100_000)))
            return rng.choice(("seed {}", "seed={}", "with seed {}", "use seed {}")).format(seed), {
                "seed": seed
            }
        case "steps":
            steps = rng.choice((4, 6, 8, 10, 12, 16, 20, 25, 30, 50))
            return rng.choice(("{} steps", "in {} steps", "use {} steps", "steps {}")).format(
                steps
            ), {"steps": steps}
        case "outputs":
            count = rng.choice((2, 3, 4))
            return rng.choice(("{} versions", "give me {} variants", "{} different ones", "{} of them please",
                               "make {}", "{} variations", "{} alternatives", "{} options", "{} takes on it")).format(say_number(rng, count)), {"num_outputs": count}  # fmt: skip
        case "guidance":
            scale = rng.choice((1, 2, 3, 3.5, 4, 5, 6.5, 7.5))
            return rng.choice(("guidance {}", "cfg {}", "guidance scale {}", "cfg={}")).format(
                scale
            ), {"guidance_scale": scale}
        case "shape":
            name = rng.choice(("square", "portrait", "landscape", "16:9", "1:1", "9:16"))
            return rng.choice(("{}", "in {} format", "{} please")).format(name), {
                "aspect_ratio": name
            }
        case "frames":
            count = rng.choice((5, 9, 13, 17, 16, 12, 24, 33))
            return rng.choice(("{} frames", "with {} frames", "make it {} frames", "in {} frames")).format(
                say_number(rng, count)), {"num_frames": count}  # fmt: skip
        case "frames_and_fps":
            count, fps = rng.choice((5, 9, 13, 17, 25, 33, 81)), rng.choice((4, 6, 8, 12, 16, 24))
            form = rng.choice(
                ("{} frames at {} fps", "{} frames, {} fps", "{} frames, {} per second")
            )
            return form.format(count, fps), {"num_frames": count, "fps": fps}
        case "duration":
            seconds = rng.choice((1, 2, 2, 2, 3, 4, 5, 1.5))
            if rng.random() < 0.2:
                return f"{seconds}s", {"duration_seconds": seconds}
            said = say_number(rng, seconds) if isinstance(seconds, int) else str(seconds)
            return rng.choice(("{} seconds", "{} seconds long", "for {} seconds", "lasting {} s",
                               "it should last {} seconds")).format(said), {"duration_seconds": seconds}  # fmt: skip
        case "negative":
            avoided = rng.choice((f"{rng.choice((*SHAPES, *ICONS))}s", "text", "borders", "shadows", "people", "outlines",
                                  "blurry edges", "other shapes"))  # fmt: skip
            form = rng.choice(
                (
                    "no {}",
                    "without any {}",
                    "avoid {}",
                    "but no {}",
                    "negative prompt: {}",
                    "without {}",
                )
            )
            return form.format(avoided), {"negative_prompt": avoided}
        case _:
            fps = rng.choice((4, 6, 8, 8, 12, 16, 24))
            return rng.choice(("{} fps", "at {} fps", "{} frames per second", "fps {}")).format(
                fps
            ), {"fps": fps}


def clip_noun(rng: random.Random, stated: dict[str, FieldValue]) -> str:
    """Return "video" or a like word, a third of the time with its length in front."""
    noun = rng.choice(("video", "video", "clip", "animation", "short video", "short clip", "gif"))
    if rng.random() < 0.35 and not noun.startswith("short"):
        seconds = rng.choice((1, 2, 2, 2, 3, 4, 5))
        stated["duration_seconds"] = seconds
        if rng.random() < 0.15:
            return f"{seconds}s {noun}"
        return f"{say_number(rng, seconds)}{rng.choice((' second ', ' second ', '-second ', ' sec '))}{noun}"
    return noun


def motion(rng: random.Random) -> str:
    """Return a motion in one of many wordings: "moving left"."""
    return rng.choice(MOTIONS).format(d=rng.choice(DIRECTIONS))


def aloud(rng: random.Random, text: str) -> str:
    """Dress a request: politeness, case, final mark. Brackets around its words become the first step's marks."""
    text = marked(text)
    text = rng.choice(("",) * 9 + ("please ", "hey, ", "could you ", "now ", "ok ")) + text
    text = re.sub(r"\b([aA]) (?=animation)", r"\1n ", text)
    if rng.random() < 0.6:
        text = capitalized(text)
    return text + rng.choice(("", "", "", ".", ".", "!", " please", ", thanks"))
