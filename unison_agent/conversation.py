"""Requests as token ids: fixed templates around user text that can never become control.

It knows the tokens of a template and the number of tokens of a picture; not models, not pixels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from unison_agent import compose
from unison_agent.decoding import plain_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_SYSTEM: Final = "<|im_start|>system\nYou are a helpful AI assistant.<|im_end|>\n"
_OPEN: Final = "<|im_start|>user\n"
_CLOSE: Final = "<|im_end|>\n"
_ANSWER: Final = "<|im_start|>assistant\n"

# What the connector reads: media, then the prompt, no system text and no answer.
READ_TEMPLATE: Final = f"{_OPEN}{{media}}{{prompt}}{_CLOSE}"
READ_TEMPLATE_SHA256: Final = hashlib.sha256(READ_TEMPLATE.encode()).hexdigest()

TokenType = Literal[0, 1, 2]  # text, image, video: as the class's multimodal RoPE has them


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


def reading(
    tokenizer: "PreTrainedTokenizerFast", prompt: str, media: Sequence[Seen] = ()
) -> Tokens:
    """Return the conversation whose hidden states the connector reads (READ_TEMPLATE)."""
    return _build(tokenizer, "", prompt, media, answer=False)


def asking(
    tokenizer: "PreTrainedTokenizerFast", question: str, media: Sequence[Seen] = ()
) -> Tokens:
    """Return a conversation that ends where the answer begins."""
    return _build(tokenizer, "" if media else _SYSTEM, question, media, answer=True)


def _build(
    tokenizer: "PreTrainedTokenizerFast",
    system: str,
    text: str,
    media: Sequence[Seen],
    *,
    answer: bool,
) -> Tokens:
    def control(template: str) -> list[int]:
        return list(tokenizer(template, add_special_tokens=False)["input_ids"])  # pyright: ignore[reportArgumentType, reportUnknownArgumentType]

    ids = control(system + _OPEN)
    types = [0] * len(ids)
    for seen in media:
        pad = compose.IMAGE_PAD if seen.kind == "image" else compose.VIDEO_PAD
        ids += control(compose.VISION_START) + control(pad) * seen.num_tokens
        ids += control(compose.VISION_END)
        types += [0] + [1 if seen.kind == "image" else 2] * seen.num_tokens + [0]
    rest = user_ids(tokenizer, text) + control(_CLOSE + (_ANSWER if answer else ""))
    return Tokens(tuple(ids + rest), tuple(types + [0] * len(rest)))
