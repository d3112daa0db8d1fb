"""Several questions about one medium in one row: what comes before them is read once, and none sees another.

That is tree attention: positions go on from the shared part for every question, and a mask keeps them apart,
so the states are those of rows of their own. It knows conversations, not what is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from unison_agent import conversation
from unison_agent.conversation import Seen, Tokens
from unison_agent.reading import Frames, inputs_of, multimodal, patches_of

_END_OF_TURN = 2


@dataclass(frozen=True, slots=True)
class Row:
    """A medium with its questions.

    Attributes:
        tokens: What the questions share, then each question's own part with its answer.
        shared: How many tokens they share.
        parts: Length of each own part.
        answers: Length of the answer that ends it, end of turn included.
    """

    tokens: Tokens
    shared: int
    parts: tuple[int, ...]
    answers: tuple[int, ...]


def row_of(
    tokenizer: PreTrainedTokenizerFast, frames: Frames, asked: Sequence[tuple[str, str]]
) -> Row:
    """Return the row of different questions, each with its answer."""
    count = patches_of(frames).num_tokens
    rows = [conversation.asking(tokenizer, text, [Seen(frames[0], count)]) for text, _ in asked]
    said = [(*conversation.user_ids(tokenizer, answer), _END_OF_TURN) for _, answer in asked]
    alike = (len(set(tokens)) == 1 for tokens in zip(*(row.ids for row in rows), strict=False))
    shared = sum(1 for _ in takewhile(bool, alike))
    ids, types = rows[0].ids[:shared], rows[0].types[:shared]
    for row, answer in zip(rows, said, strict=True):
        ids += row.ids[shared:] + answer
        types += row.types[shared:] + (0,) * len(answer)
    parts = tuple(len(r.ids) - shared + len(a) for r, a in zip(rows, said, strict=True))
    return Row(Tokens(ids, types), shared, parts, tuple(map(len, said)))


def answer_logits(
    model: PreTrainedModel, rows: Sequence[Row], frames: Sequence[Frames]
) -> tuple[Tensor, Tensor]:
    """Return logits (answer tokens of all rows, vocabulary), and the tokens that should be said there."""
    inputs = inputs_of([r.tokens for r in rows], [patches_of(one) for one in frames], model, 0)
    given = multimodal(inputs)
    body = cast("nn.Module", model.model)
    index = given | {"input_ids": inputs.ids, "attention_mask": inputs.mask.long()}
    unread = ("pixel_values", "pixel_values_videos")
    positions, _ = body.get_rope_index(**{k: v for k, v in index.items() if k not in unread})  # pyright: ignore[reportCallIssue, reportUnknownVariableType]
    length = inputs.ids.shape[1]
    part = torch.zeros_like(inputs.ids)  # 0 is shared, 1 the first question, and so on
    take = torch.zeros_like(inputs.mask)
    for i, row in enumerate(rows):
        start = row.shared
        onwards = positions[:, i, start:].clone()
        for number, (size, answer) in enumerate(zip(row.parts, row.answers, strict=True), start=1):
            end = start + size
            part[i, start:end] = number
            positions[:, i, start:end] = onwards[:, :size]
            take[i, end - answer : end] = True
            start = end
    causal = torch.ones(length, length, dtype=torch.bool, device=part.device).tril()
    near = (part[:, None, :] == part[:, :, None]) | (part[:, None, :] == 0)
    mask = (near & causal)[:, None]
    hidden = body(
        input_ids=inputs.ids,
        attention_mask={"full_attention": mask, "sliding_attention": mask},
        position_ids=positions,
        use_cache=False,
        **given,
    ).last_hidden_state
    before = take.roll(-1, dims=1)
    logits = cast("Tensor", model.lm_head(hidden[before]))  # pyright: ignore[reportCallIssue]
    return logits.float(), inputs.ids[take]
