"""Requests about icon scenes that mean several calls, and single calls that sound like several.

Each form has the words of step 1 in brackets and those of the later steps in the marks of `spans`.
"""

import random
from collections.abc import Callable

from unison_agent.planning.written import FieldValue
from unison_agent.tasks import MediaKind
from unison_agent.training.nano_phrases import DIRECTIONS, ICONS, IMAGE_QUESTIONS, SHAPES, VERBS
from unison_agent.training.nano_wording import (
    Example,
    Place,
    Step,
    aloud,
    background,
    clip_noun,
    colour,
    motion,
    say_number,
    scene,
    thing,
    with_article,
)
from unison_agent.training.spans import marked

_DRAW = ("draw", "paint", "make an image of", "make a picture of", "create", "generate", "sketch", "first draw",
         "start with a picture of", "first make", "i need a picture of", "render")  # fmt: skip
_LINKS = (", then ", ", then ", " and then ", ", and then ", ". Then ", "; then ", ", after that ", ". After that ",
          ", afterwards ", ", next ", ". Next, ", ", once it's done ", " and when that's ready, ", " and afterwards ",
          ", followed by: ", "; second step: ")  # fmt: skip


def make_plan(rng: random.Random) -> Example:
    """Return a request of several steps, or one that only sounds like it."""
    return rng.choices(_MAKERS, _WEIGHTS)[0](rng)


def _settings(rng: random.Random, stated: dict[str, FieldValue]) -> str:
    """Return words that state a setting of a drawing, or none."""
    match rng.choice(("", "", "", "size", "seed", "steps")):
        case "size":
            side = rng.choice((32, 64, 64, 96, 128, 256))
            stated |= {"width": side, "height": side}
            return rng.choice((", {0}x{0}", ", {0} by {0}", " at {0}x{0}")).format(side)
        case "seed":
            stated["seed"] = rng.choice((1, 3, 7, 42, rng.randrange(10_000)))
            return rng.choice((", seed {}", " with seed {}")).format(stated["seed"])
        case "steps":
            stated["steps"] = rng.choice((8, 10, 16, 20, 30))
            return rng.choice((" in {} steps", ", {} steps")).format(stated["steps"])
        case _:
            return ""


def _drawing(rng: random.Random, noun: str) -> tuple[str, Step]:
    """Return words for a first step that draws `noun`."""
    hue = f"{colour(rng)} " if rng.random() < 0.5 else ""
    back = f" {background(rng)}" if rng.random() < 0.5 else ""
    stated: dict[str, FieldValue] = {}
    words = f"{rng.choice(_DRAW)} [{with_article(hue + noun)}{back}]{_settings(rng, stated)}"
    return words, Step("text_to_image", {}, stated)


def _change(
    rng: random.Random, noun: str, number: int, source: str | int, kind: str = "image"
) -> tuple[str, Step]:
    """Return words for a step that changes what an earlier one made, `number` counted from 0."""
    form, target = rng.choice(
        (("[make it {c}]", None), ("[turn it {c}]", None), ("[turn the {n} {c}]", noun), ("[make the {n} {c}]", noun),
         ("[recolor the {n} to {c}]", noun), ("[replace the {n} by {o}]", noun), ("[put {o} next to it]", None),
         ("[add {o}]", None), ("[make the background {c}]", "background"), ("[remove the background]", "background"),
         ("[change the background to {c}]", "background"), ("[add {o} beside the {n}]", None),
         ("[make the {n} bigger]", noun), ("change it so that [the {n} is {c}]", None), ("[paint it {c}]", None))
    )  # fmt: skip
    words = marked(form, number).format(c=colour(rng), n=noun, o=with_article(thing(rng)))
    stated: dict[str, FieldValue] = {} if target is None else {"target": target}
    return words, Step(f"{kind}_editing", {"source": source}, stated)


def _moving(rng: random.Random, noun: str, number: int, frame: str | int) -> tuple[str, Step]:
    """Return words for a step that animates what an earlier one made."""
    stated: dict[str, FieldValue] = {}
    form = rng.choice(
        ("[animate it]", "[animate it {m}]", "animate it, [{m}]", "make a {v} of it, [{m}]", "make a {v} of it [{m}]",
         "let [the {n} {k} {w}]", "let [it {k} {w}]", "turn it into a {v}, [{m}]", "turn that into a {v}: [the {n} {m}]",
         "make a {v} from it in which [the {n} {k}s {w}]", "bring it to life, [{m}]", "make [the {n} {k} {w}]")
    )  # fmt: skip
    clip = clip_noun(rng, stated) if "{v}" in form else ""
    text = marked(form, number).format(
        v=clip, n=noun, m=motion(rng), k=rng.choice(VERBS), w=rng.choice(DIRECTIONS)
    )
    if not stated and rng.random() < 0.5:
        seconds = rng.choice((1, 2, 2, 3, 4, 5))
        stated["duration_seconds"] = seconds
        text += rng.choice((" for {} seconds", ", {} seconds", ", {} seconds long")).format(
            say_number(rng, seconds)
        )
    return text, Step("image_to_video", {"first_frame": frame}, stated)


def _noun(rng: random.Random) -> str:
    return rng.choice((*SHAPES, *ICONS))


def _joined(
    rng: random.Random, parts: list[tuple[str, Step]], media: tuple[MediaKind, ...] = ()
) -> Example:
    text = parts[0][0]
    for words, _ in parts[1:]:
        text += rng.choice(_LINKS) + words
    if rng.random() < 0.08:
        text = ". ".join(f"{number}) {words}" for number, (words, _) in enumerate(parts, start=1))
    first, *rest = (step for _, step in parts)
    return Example(
        aloud(rng, text), media, first.task, first.roles, dict(first.stated), then=tuple(rest)
    )


def _drawn_and_changed(rng: random.Random) -> Example:
    noun = _noun(rng)
    return _joined(rng, [_drawing(rng, noun), _change(rng, noun, 1, "step_1")])


def _drawn_and_animated(rng: random.Random) -> Example:
    noun = _noun(rng)
    return _joined(rng, [_drawing(rng, noun), _moving(rng, noun, 1, "step_1")])


def _three(rng: random.Random) -> Example:
    noun = _noun(rng)
    parts = [_drawing(rng, noun), _change(rng, noun, 1, "step_1"), _moving(rng, noun, 2, "step_2")]
    return _joined(rng, parts)


def _edited_and_animated(rng: random.Random) -> Example:
    noun = _noun(rng)
    words, step = _change(rng, noun, 0, 0)
    return _joined(rng, [(words, step), _moving(rng, noun, 1, "step_1")], ("image",))


def _guided_and_animated(rng: random.Random) -> Example:
    name, guide = rng.choice(
        (("canny", "these edges"), ("canny", "this edge map"), ("scribble", "this sketch"), ("depth", "the depth map"),
         ("layout", "this layout"))
    )  # fmt: skip
    noun = _noun(rng)
    form = rng.choice(("use {g} to draw [{s}]", "draw [{s}] following {g}", "[{s}] from {g}"))
    words = form.format(g=guide, s=f"{with_article(noun)} {background(rng)}")
    step = Step("image_controllable_generation", {"control": 0}, {"control_type": name})
    return _joined(rng, [(words, step), _moving(rng, noun, 1, "step_1")], ("image",))


def _asked_and_changed(rng: random.Random) -> Example:
    noun = _noun(rng)
    form = rng.choice(IMAGE_QUESTIONS)
    question = form.format(
        x=noun, o=_noun(rng), c=colour(rng), n="image", p="on the left", d="left"
    )
    asked = (f"[{question}]", Step("image_understanding", {}, {}))
    follow = _change if rng.random() < 0.7 else _moving
    return _joined(rng, [asked, follow(rng, noun, 1, 0)], ("image",))


def _two_drawings(rng: random.Random) -> Example:
    one, other = with_article(thing(rng)), with_article(thing(rng))
    form = rng.choice(
        ("draw [{a}] and, as a separate picture, <{b}>", "one picture of [{a}] and another one of <{b}>",
         "make two separate images: [{a}], and <{b}>", "first image: [{a}]. second image: <{b}>",
         "draw [{a}]. In a second picture draw <{b}>")
    )  # fmt: skip
    text = form.replace("<", chr(0xE002)).replace(">", chr(0xE003)).format(a=one, b=other)
    return Example(aloud(rng, text), (), "text_to_image", then=(Step("text_to_image", {}, {}),))


def _filmed_and_changed(rng: random.Random) -> Example:
    noun, stated = _noun(rng), dict[str, FieldValue]()
    clip = clip_noun(rng, stated)
    words = f"make a {clip} of [{with_article(noun)} {motion(rng)}]"
    parts = [(words, Step("text_to_video", {}, stated)), _change(rng, noun, 1, "step_1", "video")]
    return _joined(rng, parts)


def _drawn_and_reused(rng: random.Random) -> Example:
    noun = _noun(rng)
    form = rng.choice(
        ("put [the same {n} {b}] in a second picture", "make a new picture with [that same {n} {b}]",
         "use it as the reference for [a new scene, {b}]", "draw [that very {n} {b}] once more")
    )  # fmt: skip
    words = marked(form, 1).format(n=noun, b=background(rng))
    step = Step("image_reference_generation", {"references": ["step_1"]}, {})
    return _joined(rng, [_drawing(rng, noun), (words, step)])


def _only_sounds_like_it(rng: random.Random) -> Example:
    """Return one call with "then" or "and" inside what is to be seen, changed or answered."""
    one, other = _noun(rng), _noun(rng)
    way, back = rng.sample(DIRECTIONS, 2)
    forms: tuple[tuple[str, tuple[MediaKind, ...], str, dict[str, Place | list[Place]]], ...] = (
        ("make a video of [{a} moving {d} and then {e}]", (), "text_to_video", {}),
        ("[{a} moves {d}, then {b} comes in], as a clip", (), "text_to_video", {}),
        ("a video: [first {a} alone, then {b} beside it]", (), "text_to_video", {}),
        ("draw [{a} and then {b} beside it]", (), "text_to_image", {}),
        ("draw [{a}, then {b} below it], in one picture", (), "text_to_image", {}),
        ("a picture of [{a} and {b} {g}]", (), "text_to_image", {}),
        ("[make the {x} {c} and remove the {y}]", ("image",), "image_editing", {"source": 0}),
        ("[turn the {x} {c}, then make the background {h}]", ("image",), "image_editing", {"source": 0}),
        ("[remove the {x} and then add {b}]", ("image",), "image_editing", {"source": 0}),
        ("[recolor the {x} to {c} and after that erase the {y}]", ("video",), "video_editing", {"source": 0}),
        ("animate this: [first {d}, then {e}]", ("image",), "image_to_video", {"first_frame": 0}),
        ("make [the {x} {k} {d} and then {e}]", ("image",), "image_to_video", {"first_frame": 0}),
        ("what colour is the {x}, and then where is the {y}?", ("image",), "image_understanding", {}),
        ("tell me what moves first and what moves then", ("video",), "video_understanding", {}),
        ("what do i get if i draw {a} and then paint it {c}?", (), "text_understanding", {}),
    )  # fmt: skip
    form, media, task, roles = rng.choice(forms)
    text = form.format(
        a=with_article(one), b=with_article(other), x=one, y=other, c=colour(rng), h=colour(rng), d=way, e=back,
        g=background(rng), k=rng.choice(VERBS),
    )  # fmt: skip
    return Example(aloud(rng, text), media, task, roles)


def _drawn_twice(rng: random.Random) -> Example:
    """Return a plan whose first step draws a whole scene."""
    stated: dict[str, FieldValue] = {}
    drawn = (
        f"{rng.choice(_DRAW)} [{scene(rng)}]{_settings(rng, stated)}",
        Step("text_to_image", {}, stated),
    )
    noun = _noun(rng)
    follow = _change if rng.random() < 0.5 else _moving
    return _joined(rng, [drawn, follow(rng, noun, 1, "step_1")])


_MAKERS: tuple[Callable[[random.Random], Example], ...] = (
    _drawn_and_changed, _drawn_and_animated, _three, _edited_and_animated, _guided_and_animated, _asked_and_changed,
    _two_drawings, _filmed_and_changed, _drawn_and_reused, _drawn_twice, _only_sounds_like_it,
)  # fmt: skip
_WEIGHTS = (4, 4, 2, 3, 1.5, 2, 1, 1, 1, 3, 9)
