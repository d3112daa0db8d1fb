"""Requests as token ids: fixed templates around user text that can never become control.

It knows the tokens of a template and the number of tokens of a picture; not models, not pixels.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from unison_agent import compose
from unison_agent.decoding import TURN_HEAD, plain_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_SYSTEM: Final = "<|im_start|>system\nYou are a helpful AI assistant.<|im_end|>\n"
_OPEN: Final = "<|im_start|>user\n"
_CLOSE: Final = "<|im_end|>\n"
_ANSWER: Final = "<|im_start|>assistant\n"

# What the connector reads: media, then the prompt, no system text and no answer.
READ_TEMPLATE: Final = f"{_OPEN}{{media}}{{prompt}}{_CLOSE}"
READ_TEMPLATE_SHA256: Final = hashlib.sha256(READ_TEMPLATE.encode()).hexdigest()


def chat_head(system: str) -> str:
    """Return what Qwen2.5-VL's own template puts before the content of a user's turn."""
    return f"<|im_start|>system\n{system}<|im_end|>\n{_OPEN}"


# The paper's planner and projector were trained on it.
CHAT_HEAD: Final = chat_head("You are a helpful assistant.")
CHAT_TEMPLATE: Final = f"{CHAT_HEAD}{{prompt}}{_CLOSE}"
CHAT_TEMPLATE_SHA256: Final = hashlib.sha256(CHAT_TEMPLATE.encode()).hexdigest()
CHAT_CLOSING_TOKENS: Final = 2  # <|im_end|> and the line's end
PLACEHOLDERS: Final = {"image": "<IMGPAD>", "video": "<VIDPAD>"}
_NAMED = re.compile(r"<(?:IMG|VID)PAD>|(?<![A-Za-z0-9_])(?:image|video)_[1-9]\d*(?!\w)", re.ASCII)

TokenType = Literal[0, 1, 2]  # text, image, video: as the class's multimodal RoPE has them


@dataclass(frozen=True, slots=True)
class Heads:
    """What stands before the content of a user's turn.

    Attributes:
        plan: Of a request to be planned.
        text: Of a question about nothing that is attached.
        media: Of a question about media.
    """

    plan: str = TURN_HEAD
    text: str = _SYSTEM + _OPEN
    media: str = _OPEN


NANO_HEADS: Final = Heads()


@dataclass(frozen=True, slots=True)
class Seen:
    """How many tokens one attached medium takes."""

    kind: Literal["image", "video"]
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """Ids of one conversation and the type of each.

    Attributes:
        ids: Length L.
        types: Length L; 0 text, 1 image, 2 video.
    """

    ids: tuple[int, ...]
    types: tuple[int, ...]


def user_ids(tokenizer: "PreTrainedTokenizerFast", text: str) -> list[int]:
    """Encode text of a user: an added token in it is spelled out, never taken as one."""
    return plain_ids(tokenizer, text)


def place_attachments(
    text: str, attachments: Sequence[tuple[str, str]]
) -> tuple[str, tuple[int, ...]]:
    """Return a text without the names of its attachments, and before which characters their placeholders stand.

    Where the text names every attachment in its place and in order, as image_1 or as <IMGPAD>, they stand
    there; else the text is as it was and they stand before it.

    Args:
        text: What a user says.
        attachments: ``(handle, kind)``, in order.
    """
    named = list(_NAMED.finditer(text))
    if len(named) != len(attachments) or not all(
        match.group() in (handle, PLACEHOLDERS.get(kind))
        for match, (handle, kind) in zip(named, attachments, strict=True)
    ):
        return text, (0,) * len(attachments)
    places: list[int] = []
    removed = 0
    for match in named:
        places.append(match.start() - removed)
        removed += len(match.group())
    return (_NAMED.sub("", text) if named else text), tuple(places)


def chatting(
    tokenizer: "PreTrainedTokenizerFast", prompt: str, attachments: Sequence[tuple[str, str]] = ()
) -> Tokens:
    """Return the conversation that the paper's projector reads (CHAT_TEMPLATE): words and placeholders.

    A placeholder that the tokenizer does not have is left out.
    """
    added = tokenizer.get_added_vocab()
    text, places = place_attachments(prompt, attachments)
    ids = list(tokenizer(CHAT_HEAD, add_special_tokens=False)["input_ids"])  # pyright: ignore[reportArgumentType, reportUnknownArgumentType]
    begin = 0
    for place, (_, kind) in zip(places, attachments, strict=True):
        ids += user_ids(tokenizer, text[begin:place])
        ids += [added[name] for name in (PLACEHOLDERS.get(kind),) if name in added]
        begin = place
    ids += user_ids(tokenizer, text[begin:])
    ids += list(tokenizer(_CLOSE, add_special_tokens=False)["input_ids"])  # pyright: ignore[reportArgumentType, reportUnknownArgumentType]
    return Tokens(tuple(ids), (0,) * len(ids))


def reading(
    tokenizer: "PreTrainedTokenizerFast", prompt: str, media: Sequence[Seen] = ()
) -> Tokens:
    """Return the conversation whose hidden states the connector reads (READ_TEMPLATE)."""
    return _build(tokenizer, _OPEN, prompt, media, answer=False)


def asking(
    tokenizer: "PreTrainedTokenizerFast",
    question: str,
    media: Sequence[Seen] = (),
    heads: Heads = NANO_HEADS,
) -> Tokens:
    """Return a conversation that ends where the answer begins."""
    return _build(tokenizer, heads.media if media else heads.text, question, media, answer=True)


def _build(
    tokenizer: "PreTrainedTokenizerFast",
    head: str,
    text: str,
    media: Sequence[Seen],
    *,
    answer: bool,
) -> Tokens:
    def control(template: str) -> list[int]:
        return list(tokenizer(template, add_special_tokens=False)["input_ids"])  # pyright: ignore[reportArgumentType, reportUnknownArgumentType]

    ids = control(head)
    types = [0] * len(ids)
    for seen in media:
        pad = compose.IMAGE_PAD if seen.kind == "image" else compose.VIDEO_PAD
        ids += control(compose.VISION_START) + control(pad) * seen.num_tokens
        ids += control(compose.VISION_END)
        types += [0] + [1 if seen.kind == "image" else 2] * seen.num_tokens + [0]
    rest = user_ids(tokenizer, text) + control(_CLOSE + (_ANSWER if answer else ""))
    return Tokens(tuple(ids + rest), tuple(types + [0] * len(rest)))
