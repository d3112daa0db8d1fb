"""Scenes in words: captions, requests, questions with answers; it knows no pixels.

What is left unsaid has a meaning: no size is medium, no place is the centre, no ground is white.
"""

import random
import re
from dataclasses import dataclass

from unison_agent.scenes import sprites
from unison_agent.scenes.world import OFFSETS, Motion, Place, Scene, Thing

_PLACES: dict[Place, tuple[str, ...]] = {
    "left": ("on the left", "at the left", "to the left", "on the left side"),
    "right": ("on the right", "at the right", "to the right", "on the right side"),
    "top": ("at the top", "on the top", "in the upper part"),
    "bottom": ("at the bottom", "on the bottom", "in the lower part"),
    "center": ("in the center", "in the middle", "at the center", "in the centre"),
}
_MOTIONS: dict[Motion, tuple[str, ...]] = {
    "left": ("moving left", "moving to the left", "going left", "that moves left"),
    "right": ("moving right", "moving to the right", "going right", "that moves right"),
    "up": ("moving up", "going up", "rising", "that moves up"),
    "down": ("moving down", "going down", "falling", "that moves down"),
}
_IMPERATIVE_MOTIONS: dict[Motion, tuple[str, ...]] = {
    "left": ("move it left", "make it move left", "moving left", "let it go to the left"),
    "right": ("move it right", "make it move right", "moving right", "let it go to the right"),
    "up": ("move it up", "make it move up", "moving up", "let it rise"),
    "down": ("move it down", "make it move down", "moving down", "let it fall"),
}
_COUNTS = ("zero", "one", "two", "three")
_IMAGE_OPENERS = (
    "{c}", "{c}", "{c}", "Draw {c}", "draw {c}", "Please draw {c}.", "Make a picture of {c}",
    "make an image of {c}", "an image of {c}", "Generate {c}", "Create {c}", "paint {c}",
    "I want a picture of {c}.", "show me {c}", "Can you draw {c}?", "a flat icon of {c}",
    "create an image with {c}", "I need {c}", "Could you make {c}, please?", "picture: {c}",
)  # fmt: skip
_VIDEO_OPENERS = (
    "{c}", "{c}", "Make a video of {c}", "make a clip of {c}", "a video of {c}", "Animate {c}",
    "a 2 second video of {c}", "Make a 2 second clip of {c}", "Generate a short video of {c}",
    "create a video with {c}", "show {c} in a video", "Please make a clip: {c}.",
)  # fmt: skip
_CLOSERS = (
    ", 64 by 64", ", 64x64", " at 64x64", ", 64 x 64 pixels", ", seed 7", ", 12 steps", ", please",
)  # fmt: skip
_CONTROL_OPENERS = (
    "{c}", "Follow this {m}: {c}", "Use the {m} to draw {c}", "{c}, following the {m}",
    "draw {c} with this {m}", "Turn this {m} into {c}", "Make {c} from these {m}",
    "with the attached {m} as a guide, draw {c}", "{m} attached, {c}",
)  # fmt: skip
MAP_WORDS = {
    "canny": ("edges", "edge map", "outline"),
    "scribble": ("sketch", "scribble", "line drawing"),
    "depth": ("depth map", "depth"),
    "layout": ("layout", "layout map", "boxes"),
    "gray": ("gray picture", "black and white picture", "grayscale image"),
}


def article(word: str) -> str:
    """Return "a" or "an"."""
    return "an" if word[0] in "aeiou" else "a"


def thing_phrase(rng: random.Random, thing: Thing, *, place: bool = True) -> str:
    """Return e.g. "a large red star on the left"; default size and centre may be left unsaid."""
    words: list[str] = []
    if thing.size != "medium" or rng.random() < 0.15:
        words.append(thing.size)
    if thing.color is not None:
        words.append(thing.color)
    words.append(thing.name)
    phrase = " ".join((article(words[0]), *words))
    if thing.motion is not None:
        phrase += " " + rng.choice(_MOTIONS[thing.motion])
    if place and (thing.place != "center" or rng.random() < 0.4):
        phrase += " " + rng.choice(_PLACES[thing.place])
    return phrase


def caption(rng: random.Random, scene: Scene) -> str:
    """Return the scene in one phrase."""
    things = " and ".join(thing_phrase(rng, thing) for thing in scene.things)
    ground = scene.background
    if ground == "white" and rng.random() < 0.3:
        return things
    a = article(ground)
    ending = rng.choice(
        (
            f" on {a} {ground} background",
            f" on {a} {ground} background",
            f" on {ground}",
            f", {ground} background",
            f" with {a} {ground} background",
            f" in front of {a} {ground} background",
        )
    )
    if rng.random() < 0.08:
        return f"{a} {ground} background with {things}"
    return things + ending


def image_request(rng: random.Random, scene: Scene) -> str:
    """Return a caption as a person would ask for it."""
    return _close(rng, rng.choice(_IMAGE_OPENERS).format(c=caption(rng, scene)))


def video_request(rng: random.Random, scene: Scene) -> str:
    """Return a request for a clip of the scene."""
    return _close(rng, rng.choice(_VIDEO_OPENERS).format(c=caption(rng, scene)))


def control_request(rng: random.Random, scene: Scene, map_kind: str) -> str:
    """Return a request for the scene after a control map."""
    opener = rng.choice(_CONTROL_OPENERS)
    return opener.format(c=caption(rng, scene), m=rng.choice(MAP_WORDS[map_kind]))


def animate_request(rng: random.Random, thing: Thing, *, last: bool) -> str:
    """Return a request to animate a given picture (its first or last frame)."""
    motion: Motion = thing.motion or "right"
    how = rng.choice(_IMPERATIVE_MOTIONS[motion])
    name = thing.name
    if last:
        return rng.choice(
            (
                f"make a video that ends with this, the {name} {rng.choice(_MOTIONS[motion])}",
                f"this is the last frame, {how}",
                f"a clip ending in this picture, {how}",
            )
        )
    return rng.choice(
        (
            f"make a 2 second video of this, {how}",
            f"animate this, {how}",
            f"{how}",
            f"the {name} {rng.choice(_MOTIONS[motion])}",
            f"turn this picture into a clip of the {name} {rng.choice(_MOTIONS[motion])}",
            f"start from this picture, {how}",
        )
    )


def reference_request(rng: random.Random, scene: Scene, *, video: bool) -> str:
    """Return a request to put the thing of a reference picture into the scene."""
    thing = scene.things[0]
    noun = rng.choice((thing.name, "thing", "character", "object", thing.name))
    size = "" if thing.size == "medium" and rng.random() < 0.8 else f" {thing.size}"
    place = "" if thing.place == "center" else " " + rng.choice(_PLACES[thing.place])
    motion = "" if thing.motion is None else " " + rng.choice(_MOTIONS[thing.motion])
    ground = f" on {article(scene.background)} {scene.background} background"
    if video:
        opener = rng.choice(("a video of this", "make a clip with this", "show this"))
    else:
        opener = rng.choice(("put this", "draw this", "a picture of this", "show this", "use this"))
    return f"{opener}{size} {noun}{motion}{place}{ground}"


def _close(rng: random.Random, text: str) -> str:
    if rng.random() < 0.15 and text[-1] not in ".?":
        return text + rng.choice(_CLOSERS)
    return text


# --- questions -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a scene and its one right answer; `topic` says what it asks for."""

    text: str
    answer: str
    topic: str = ""


def plain_caption(scene: Scene) -> str:
    """Return the one canonical description, with nothing left unsaid."""
    parts: list[str] = []
    for t in scene.things:
        words = " ".join(w for w in (t.size, t.color, t.name) if w)
        motion = "" if t.motion is None else f" moving {t.motion}"
        place = "in the center" if t.place == "center" else rng_free_place(t.place)
        parts.append(f"{article(words)} {words}{motion} {place}")
    ground = scene.background
    return " and ".join(parts) + f" on {article(ground)} {ground} background"


def told(description: str) -> frozenset[str]:
    """Return the facts of a description in the form of `plain_caption`, e.g. "color: red star".

    Things may come in any order. What is in no such form tells nothing of what it would have been about.
    """
    facts: set[str] = set()
    text = description.strip().rstrip(".").lower()
    if ground := _TOLD_GROUND.search(text):
        facts.add(f"ground: {ground[1]}")
        text = text[: ground.start()]
    for phrase in text.split(" and "):
        if not (thing := _TOLD_THING.fullmatch(phrase.strip())):
            continue
        name = thing["name"]
        facts.add(f"name: {name}")
        facts |= {f"{k}: {thing[k]} {name}" for k in ("size", "color", "motion") if thing[k]}
        place = next((p for p, said in _PLACES.items() if thing["place"].strip() in said), None)
        facts |= {f"place: {place} {name}"} if place else set()
    return frozenset(facts)


def rng_free_place(place: Place) -> str:
    """Return the first wording of a place."""
    return _PLACES[place][0]


def question(rng: random.Random, scene: Scene) -> Question:
    """Return one of the questions the scene can answer."""
    thing = rng.choice(scene.things)
    known = "the " + thing.name
    moving = next((t for t in scene.things if t.motion is not None), None)
    kinds = ["name", "ground", "count", "place", "there", "describe"]
    kinds += ["color", "color"] if thing.color is not None else []
    kinds += ["motion", "motion", "motion"] if moving is not None else []
    topic = rng.choice(kinds)
    match topic:
        case "color":
            text = rng.choice(
                ("What color is {}?", "what colour is {}", "Which color does {} have?")
            )
            return Question(text.format(known), str(thing.color), topic)
        case "ground":
            text = ("What color is the background?", "which colour is the background?")
            return Question(rng.choice(text), scene.background, topic)
        case "count":
            text = (
                "How many things are there?",
                "how many objects can you see?",
                "Count the objects.",
            )
            return Question(rng.choice(text), _COUNTS[len(scene.things)], topic)
        case "place":
            text = rng.choice(("Where is {}?", "where is {} in the picture?"))
            return Question(text.format(known), thing.place, topic)
        case "there":
            if rng.random() < 0.5:
                return Question(f"Is there {article(thing.name)} {thing.name}?", "yes", topic)
            absent = [n for n in sprites.NAMES if all(t.name != n for t in scene.things)]
            other = rng.choice(absent)
            return Question(f"Is there {article(other)} {other}?", "no", topic)
        case "motion":
            text = (
                "Which way does it move?",
                "In which direction does it move?",
                "where does it go?",
            )
            return Question(rng.choice(text), str(moving.motion if moving else ""), topic)
        case "describe":
            text = ("Describe the picture.", "describe this", "What can you see?", "caption this")
            return Question(rng.choice(text), plain_caption(scene), topic)
        case _:
            text = ("What is it?", "What is in the picture?", "What is shown?", "name the object")
            names = " and ".join(f"{article(t.name)} {t.name}" for t in scene.things)
            return Question(rng.choice(text), names, topic)


_TOLD_GROUND = re.compile(r" on an? (\w+) background$")
_TOLD_THING = re.compile(
    r"an? (?:(?P<size>small|medium|large) )?(?:(?P<color>{}) )?(?P<name>\w+)"
    r"(?: moving (?P<motion>\w+))?(?P<place>(?: \w+){{0,5}})".format("|".join(sprites.COLORS))
)


# --- the sixteen words that sum up a picture, for the vision tower's first training -----------------

EMPTY = "nothing"
SUMMARY_LENGTH = 16
NAME_POSITION = 2  # of the first thing
SUMMARY_WORDS: tuple[str, ...] = (
    *sprites.NAMES, *sprites.COLORS, *sprites.SIZES, *OFFSETS,
    "up", "down", "still", "one", "two", "three", "background", "a", EMPTY,
)  # fmt: skip


def summary(scene: Scene, *, moving: bool) -> tuple[str, ...]:
    """Return size, colour, name and place of three things, count, ground, "background", motion."""
    words: list[str] = []
    for i in range(3):
        if i < len(scene.things):
            t = scene.things[i]
            words += [t.size, t.color or "a", t.name, t.place]
        else:
            words += [EMPTY] * 4
    motion = next((t.motion for t in scene.things if t.motion), None) if moving else None
    return (*words, _COUNTS[len(scene.things)], scene.background, "background", motion or "still")
