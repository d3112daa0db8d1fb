"""Requests about flat icon scenes, with the calls they mean: an endless seeded supply for the planning LoRA."""

import random
import re
from collections.abc import Callable

from unison_agent.planning.written import FieldValue, Slot
from unison_agent.tasks import MediaKind
from unison_agent.training.nano_phrases import (
    DIRECTIONS,
    ICONS,
    MAPS,
    PLACES,
    SHAPES,
    VERBS,
)
from unison_agent.training.nano_questions import question, words_only
from unison_agent.training.nano_wording import (
    Example,
    aloud,
    background,
    clip_noun,
    colour,
    motion,
    scene,
    thing,
    with_article,
    with_settings,
)

_ONE: tuple[MediaKind, ...] = ("image",)
_TWO: tuple[MediaKind, ...] = ("image", "image")
Maker = Callable[[random.Random], Example]


def _text_to_image(rng: random.Random) -> Example:
    form = rng.choice(
        ("draw {s}", "draw {s}", "paint {s}", "make an image of {s}", "make a picture of {s}", "create {s}",
         "generate {s}", "show me {s}", "I want {s}", "give me {s}", "{s}", "an icon of {s}", "design {s}",
         "I need a picture with {s}", "render {s}", "sketch me {s}", "image: {s}", "can you draw {s}",
         "a flat icon scene: {s}", "put {s} in a picture")
    )  # fmt: skip
    example = Example(aloud(rng, form.format(s=f"[{scene(rng)}]")), (), "text_to_image")
    return with_settings(rng, example, video=False)


def _text_to_video(rng: random.Random) -> Example:
    stated: dict[str, FieldValue] = {}
    form = rng.choice(
        ("make a {v} of [{s} {m}]", "create a {v} of [{s} {m}]", "a {v} of [{s} {m}]", "generate a {v}: [{s} {m}]",
         "animate [{s} {m}]", "I want a {v} where there is [{s} {m}]", "{v} of [{s}, {m}]", "show me [{s} {m}], as a {v}",
         "[{s} {m}], as a {v}", "film [{s} {m}]", "give me a {v} with [{s} {m}]", "[{s} {m}], animated")
    )  # fmt: skip
    noun = clip_noun(rng, stated) if "{v}" in form else ""
    text = aloud(rng, form.format(v=noun, s=scene(rng), m=motion(rng)))
    return with_settings(rng, Example(text, (), "text_to_video", {}, stated), video=True)


def _image_to_video(rng: random.Random) -> Example:
    stated: dict[str, FieldValue] = {}
    noun = rng.choice((*SHAPES, *ICONS))
    this = rng.choice(("this", "this", "this picture", "this image", "it", "{m0}", "the picture"))
    verb, where = rng.choice(VERBS), rng.choice(DIRECTIONS)
    ends = rng.random()
    if ends < 0.15:
        form = rng.choice(
            ("make a {v} that ends on {t}, with [the {n} {m}]", "the {v} should end with {t}, [{m}] before",
             "a {v} whose last frame is {t}: [the {n} comes in, {m}]", "let [a {n} {k} {w}] and finish like {t}",
             "use {t} as the final frame, [{n} {m}]")
        )  # fmt: skip
        media, roles = _ONE, {"last_frame": 0}
    elif ends < 0.35:
        form = rng.choice(
            ("make a {v} that starts with {{m0}} and ends with {{m1}}", "from the first picture to the second, {v}",
             "morph {{m0}} into {{m1}}, {v}", "a {v} between these two pictures", "start: {{m0}}, end: {{m1}}, [{m}]",
             "go from the first image to the second in a {v}", "let [the {n} {k} {w}] from {{m0}} to {{m1}}")
        )  # fmt: skip
        media, roles = _TWO, {"first_frame": 0, "last_frame": 1}
    else:
        form = rng.choice(
            ("make a {v} of {t}, [{m}]", "make a {v} of {t} [{m}]", "animate {t}", "animate {t}, [{m}]",
             "make {t} [move {w}]", "let [the {n} {k} {w}]", "make [the {n} {k} {w}]", "turn {t} into a {v}",
             "bring {t} to life, [{m}]", "start from {t} and [{k} the {n} {w}]", "make [the {n} in {t} {k} {w}]",
             "a {v} that begins with {t}, [the {n} {m}]", "create a {v} from {t} where [the {n} is {m}]",
             "let [it {k} {w}]", "I want [the {n} to {k} {w}] in a {v}", "{t} as a {v}, [{m}]")
        )  # fmt: skip
        media, roles = _ONE, {"first_frame": 0}
    clip = clip_noun(rng, stated) if "{v}" in form else ""
    text = form.format(v=clip, t=this, n=noun, k=verb, w=where, m=motion(rng))
    example = Example(aloud(rng, text), media, "image_to_video", dict(roles), stated)
    return with_settings(rng, example, video=True, often=0.3)


def _edited(rng: random.Random) -> tuple[str, str | None]:
    """Return an edit and the words that name what it changes."""
    what = rng.choice(
        (rng.choice((*SHAPES, *ICONS)), thing(rng), thing(rng, coloured=1.0),
         f"{thing(rng)} {rng.choice(PLACES)}", "background")
    )  # fmt: skip
    hue, other = colour(rng), thing(rng)
    if what == "background":
        form = rng.choice(
            ("make the background {c}", "turn the background {c}", "change the background to {c}",
             "replace the background with {c}", "recolor the background to {c}", "set the background to {c}",
             "paint the background {c}", "I want the background {c}", "{c} background instead of this background",
             "the background should be {c}", "swap the background for {c}")
        )  # fmt: skip
    else:
        form = rng.choice(
            ("turn the {x} {c}", "turn the {x} {c}", "make the {x} {c}", "recolor the {x} {c}",
             "recolour the {x} to {c}", "paint the {x} {c}", "change the colour of the {x} to {c}",
             "change the {x} to {c}", "the {x} should be {c}", "I want the {x} {c}", "colour the {x} in {c}",
             "replace the {x} by {o}", "replace the {x} with {o}", "replace the {x} by {o}", "swap the {x} for {o}",
             "change the {x} into {o}", "turn the {x} into {o}", "put {o} where the {x} is", "exchange the {x} for {o}",
             "{o} instead of the {x}", "remove the {x}", "remove the {x}", "delete the {x}", "erase the {x}",
             "take the {x} away", "get rid of the {x}", "make the {x} bigger", "make the {x} smaller",
             "no {x} any more, take it out")
        )  # fmt: skip
    return form.format(x=what, c=hue, o=with_article(other)), what


def _editing(rng: random.Random, kind: MediaKind) -> Example:
    edit, target = _edited(rng)
    noun = rng.choice(("picture", "image") if kind == "image" else ("video", "clip"))
    task = f"{kind}_editing"
    stated: dict[str, FieldValue] = {} if target is None else {"target": target}
    draw = rng.random()
    if draw < 0.25:
        mask: MediaKind = "image" if kind == "image" or rng.random() < 0.5 else "video"
        form = rng.choice(
            ("[{e}], {{m1}} is the mask", "[{e}] in {{m0}} using the mask {{m1}}", "[{e}]. The mask is attached.",
             "[{e}]; the second one is the mask", "[{e}] where the mask is white", "with the mask {{m1}}, [{e}] in {{m0}}",
             "[{e}], only inside the mask {{m1}}", "[{e}] ({{m1}} marks where)")
        )  # fmt: skip
        text = aloud(rng, form.format(e=edit))
        return Example(text, (kind, mask), task, {"source": 0, "mask": 1}, stated)
    if draw < 0.37:
        ordinal, index = rng.choice((("first", 0), ("second", 1)))
        form = rng.choice(
            (f"in the {ordinal} {noun}, [{edit}]", f"[{edit}] in the {ordinal} {noun}", f"[{edit}] in {{m{index}}}",
             f"in {{m{index}}}: [{edit}]", f"take the {ordinal} {noun} and [{edit}]")
        )  # fmt: skip
        return Example(aloud(rng, form), (kind, kind), task, {"source": index}, stated)
    form = rng.choice(
        ("[{e}]", "[{e}]", "[{e}]", "[{e}]", f"[{{e}}] in this {noun}", f"[{{e}}] in the {noun}", f"in this {noun}, [{{e}}]",
         "in {{m0}}, [{e}]", "[{e}] in {{m0}}", "[{e} and keep the rest]", "[{e} but leave everything else as it is]")
    )  # fmt: skip
    example = Example(aloud(rng, form.format(e=edit)), (kind,), task, {"source": 0}, stated)
    return with_settings(rng, example, video=kind == "video", often=0.12)


def _control(rng: random.Random, kind: MediaKind) -> Example:
    name, words = rng.choice(MAPS)
    word = rng.choice(words)
    subject = scene(rng) if rng.random() < 0.7 else with_article(thing(rng, coloured=1.0))
    stated: dict[str, FieldValue] = {} if name is None else {"control_type": name}
    if kind == "video":
        clip = clip_noun(rng, stated)
        subject = f"{clip} of [{subject} {motion(rng)}]"
        subject = subject if subject[0].isdigit() else with_article(subject)
    else:
        subject = f"[{subject}]"
    form = rng.choice(
        ("use {w} to draw {s}", "draw {s} from {w}", "draw {s} following {w}", "follow {w}: {s}", "{s}, following {w}",
         "make {s} with {w} as a guide", "with {w} as control, make {s}", "{w} is the guide, draw {s}",
         "create {s} that matches {w}", "generate {s} based on {w}", "keep to {w} and make {s}",
         "{s} in the structure of {w}", "take {w} and make {s} out of it", "{w} gives the structure: {s}")
    )  # fmt: skip
    owner = rng.choice(("these", "the", "my", "the attached") if word.endswith("s") else
                       ("this", "this", "the", "my", "the attached"))  # fmt: skip
    guide = rng.choice((f"{owner} {word}", f"{owner} {word}", f"the {word} in {{m0}}"))
    if kind == "video" and rng.random() < 0.6:
        guide = rng.choice((f"{owner.replace('these', 'this')} {word} {rng.choice(('video', 'clip'))}",
                            f"the {word} of this clip"))  # fmt: skip
    text = aloud(rng, form.format(w=guide, s=subject))
    example = Example(text, (kind,), f"{kind}_controllable_generation", {"control": 0}, stated)
    return with_settings(rng, example, video=kind == "video", often=0.2)


def _reference(rng: random.Random, kind: MediaKind) -> Example:
    stated: dict[str, FieldValue] = {}
    noun = rng.choice(
        (*SHAPES, *ICONS, "character", "character", "object", "subject", "icon", "figure", "thing")
    )
    what = rng.choice((f"this {noun}", f"this {noun}", f"the {noun} from {{m0}}", f"the {noun} in {{m0}}",
                       f"the same {noun}", f"the {noun} of this image"))  # fmt: skip
    place, back = rng.choice(PLACES), background(rng)
    if kind == "image":
        form = rng.choice(
            ("put [{x} {b} {p}]", "put [{x} {p} {b}]", "draw [{x} {p} {b}]", "draw [{x} {b}]", "show [{x} {b} {p}]",
             "make a new picture of [{x} {b}]", "use [{x} in a new image, {p} {b}]", "a new scene with [{x} {p}, {b}]",
             "place [{x} {p} {b}]", "draw [{x} again but {b} {p}]", "I want [{x} in another picture, {b}]",
             "[{x} {b}, {p}, as a new picture]", "create an image with [{x} next to {o} {b}]", "draw [{x} beside {o}]")
        )  # fmt: skip
    else:
        form = rng.choice(
            ("make a {v} of [{x} {m} {b}]", "a {v} with [{x} {m}, {b}]", "create a {v} in which [{x} is {m} {b}]",
             "[{x} {b}, {m}], as a {v}", "use [{x} in a new {v}, {m} {b}]", "put [{x} {b} and make a {v}, {m}]",
             "a new {v} starring [{x}, {m}, {b}]", "{v} of [{x} next to {o}, {m} {b}]")
        )  # fmt: skip
    clip = clip_noun(rng, stated) if "{v}" in form else ""
    text = form.format(x=what, b=back, p=place, m=motion(rng), o=with_article(thing(rng)), v=clip)
    example = Example(
        aloud(rng, text), ("image",), f"{kind}_reference_generation", {"references": [0]}, stated
    )
    if rng.random() < 0.12:
        two = rng.choice(("put [the {a} from {{m0}} and the {c} from {{m1}} together {b}]",
                          "one picture with [both of them, the {a} and the {c}, {b}]",
                          "draw [the {a} of the first image beside the {c} of the second {b}]"))  # fmt: skip
        if kind == "video":
            two = f"a {rng.choice(('video', 'clip'))}: {two.rstrip(']')} {motion(rng)}]"
        text = two.format(a=rng.choice(ICONS), c=rng.choice((*ICONS, *SHAPES)), b=back)
        example = Example(
            aloud(rng, text), ("image", "image"), example.task, {"references": [0, 1]}
        )
    return with_settings(rng, example, video=kind == "video", often=0.2)


def _missing(rng: random.Random) -> Example:
    """Take an example away from its media, where that leaves something to ask for."""
    make, slot = rng.choice(_LACKING)
    if make is None:
        noun = rng.choice(("image", "picture", "video", "clip"))
        kind: MediaKind = "image" if noun in ("image", "picture") else "video"
        text = rng.choice(("edit this", "change this {n}", "do something with this {n}", "edit the {n}",
                           "make this {n} different", "improve it", "change it", "use this")).format(n=noun)  # fmt: skip
        return Example(aloud(rng, text), (kind,), "", missing="question")
    for _ in range(20):
        example = make(rng)
        # Without its media, "draw the cat beside a star" would be a plain drawing: keep what points at something.
        points = re.search(
            r"\b(?:this|these|attached|my|in the (?:image|picture|video|clip))\b", example.text
        )
        asks = slot == "source" and "{m" not in example.text
        if len(example.media) == 1 and "{m" not in example.text and (points or asks):
            ends = set(example.roles) == {"last_frame"}
            return Example(example.text, (), "", missing="last_frame" if ends else slot)
    return words_only(rng)


def _of(make: Callable[[random.Random, MediaKind], Example], kind: MediaKind) -> Maker:
    return lambda rng: make(rng, kind)


MAKERS: tuple[Maker, ...] = (
    _text_to_image,
    _text_to_video,
    _image_to_video,
    _of(_editing, "image"),
    _of(_editing, "video"),
    _of(_control, "image"),
    _of(_control, "video"),
    _of(_reference, "image"),
    _of(_reference, "video"),
    _of(question, "image"),
    _of(question, "video"),
    words_only,
    _missing,
)
_WEIGHTS = (10, 8, 12, 15, 9, 9, 8, 9, 8, 8, 7, 6, 6)
_LACKING: tuple[tuple[Maker | None, Slot], ...] = (
    (_of(_editing, "image"), "source"),
    (_of(_editing, "video"), "source"),
    (_of(question, "image"), "source"),
    (_of(question, "video"), "source"),
    (_image_to_video, "first_frame"),
    (_of(_control, "image"), "control"),
    (_of(_reference, "image"), "references"),
    (None, "question"),
)


def make_example(rng: random.Random) -> Example:
    """Return one request about an icon scene, of a task drawn by chance."""
    return rng.choices(MAKERS, _WEIGHTS)[0](rng)
