"""Questions about icon scenes and about nothing attached, with the calls they mean."""

import random

from unison_agent.tasks import MediaKind
from unison_agent.training.nano_phrases import (
    COLOURS,
    DIRECTIONS,
    ICONS,
    IMAGE_QUESTIONS,
    PAIR_QUESTIONS,
    PLACES,
    SHAPES,
    TEXT_QUESTIONS,
    VIDEO_QUESTIONS,
)
from unison_agent.training.nano_wording import Example


def question(rng: random.Random, kind: MediaKind) -> Example:
    """Return a question about one attached medium of that kind, or about two images."""
    thing_, other = rng.choice((*SHAPES, *ICONS)), rng.choice((*SHAPES, *ICONS))
    forms = VIDEO_QUESTIONS if kind == "video" and rng.random() < 0.7 else IMAGE_QUESTIONS
    form = rng.choice(forms)
    here = "image" if kind == "image" else "video"
    text = form.format(x=thing_, o=other, c=rng.choice(COLOURS), n=here, p=rng.choice(PLACES),
                       d=rng.choice(DIRECTIONS))  # fmt: skip
    media: tuple[MediaKind, ...] = (kind,)
    if rng.random() < 0.15:
        text = f"{rng.choice(('in {m0}, ', '{m0}: ', 'look at {m0}. '))}{text}"
    elif kind == "image" and rng.random() < 0.12:
        text = rng.choice(PAIR_QUESTIONS).format(x=thing_, c=rng.choice(COLOURS))
        media = ("image", "image")
    return Example(_asked(rng, text), media, f"{kind}_understanding")


def words_only(rng: random.Random) -> Example:
    """Return a question about nothing attached."""
    form = rng.choice(TEXT_QUESTIONS)
    text = form.format(x=rng.choice((*SHAPES, *ICONS)), o=rng.choice((*SHAPES, *ICONS)),
                       c=rng.choice(COLOURS), d=rng.choice(COLOURS), i=rng.choice(ICONS),
                       n=rng.choice((2, 3, 4, 8, 16, 64)))  # fmt: skip
    return Example(_asked(rng, text), (), "text_understanding")


def _asked(rng: random.Random, text: str) -> str:
    text = rng.choice(("",) * 8 + ("please tell me, ", "hi, ", "quick question: ")) + text
    if rng.random() < 0.65:
        text = text[:1].upper() + text[1:]
    return text.rstrip("?") if rng.random() < 0.15 else text
