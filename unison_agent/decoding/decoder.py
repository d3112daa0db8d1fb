"""A causal language model that writes under grammars: greedy, one request or several together.

It knows the chat template around a turn, and neither plans nor media.
"""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from unison_agent.decoding.copying import Drafter
from unison_agent.decoding.grammars import GrammarWriter
from unison_agent.decoding.rows import KeyValues, Rows, read_prefix
from unison_agent.decoding.writing import Step, Writing, Written

if TYPE_CHECKING:
    from tokenizers import AddedToken
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

TURN_HEAD = "<|im_start|>user\n"
_TAIL = "<|im_end|>\n<|im_start|>assistant\n"
_ROWS = 16  # stepped together; more would wait longer for the slowest than they save


@dataclass(frozen=True, slots=True)
class Mark:
    """A control token that stands inside a prompt.

    Attributes:
        at: Before which character; at the end for their number.
        token_id: The token.
    """

    at: int
    token_id: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One request to a decoder.

    Attributes:
        prompt: The content of the user's turn; control tokens in it count as plain text.
        grammar: Lark, as llguidance reads it.
        copy_from: Text whose words the answer may repeat.
        marks: Control tokens inside the prompt, in order.
    """

    prompt: str
    grammar: str
    copy_from: str = ""
    marks: tuple[Mark, ...] = ()


def encode_turn(
    tokenizer: "PreTrainedTokenizerFast",
    content: str,
    marks: Sequence[Mark] = (),
    *,
    head: str = TURN_HEAD,
) -> list[int]:
    """Return the tokens of one user turn and the opening of the answer.

    Control tokens come from the template and from `marks` alone: one that is typed inside `content` is read
    as plain text.
    """
    return [*_encode(tokenizer, head), *_encode_rest(tokenizer, content, marks)]


def _encode_rest(
    tokenizer: "PreTrainedTokenizerFast", content: str, marks: Sequence[Mark] = ()
) -> list[int]:
    ids: list[int] = []
    begin = 0
    for mark in marks:
        ids += [*plain_ids(tokenizer, content[begin : mark.at]), mark.token_id]
        begin = mark.at
    return [*ids, *plain_ids(tokenizer, content[begin:]), *_encode(tokenizer, _TAIL)]


def plain_ids(tokenizer: "PreTrainedTokenizerFast", text: str) -> list[int]:
    """Return the tokens of words: an added token that they spell out is never taken as one."""
    added = cast("Mapping[int, AddedToken]", tokenizer.added_tokens_decoder)
    # Special ones are split on demand; the others are found in every text, so the text is cut inside them.
    spelled = [re.escape(one.content) for one in added.values() if not one.special]
    cuts = [m.start() + 1 for m in re.finditer("|".join(spelled), text)] if spelled else []
    parts = [text[a:b] for a, b in pairwise((0, *cuts, len(text)))]
    return [one for part in parts for one in _encode(tokenizer, part, plain=True)]


def _encode(tokenizer: "PreTrainedTokenizerFast", text: str, *, plain: bool = False) -> list[int]:
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=plain)
    return cast("list[int]", encoded["input_ids"])


class ConstrainedDecoder:
    """Writes under grammars with a causal language model: greedy, with a key-value cache.

    Args:
        model: A causal language model of transformers, in evaluation mode.
        tokenizer: Its fast tokenizer.
        familiar: Texts like those that will be written (see `Drafter`). Only the speed depends on it.
        weights: Names the weights that are active, e.g. the LoRA. What the model made of the fixed
            head of a turn is kept for each; weights that change must change their name.
        head: What stands before the content of every turn, e.g. a system text.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerFast",
        *,
        familiar: Sequence[str] = (),
        weights: Callable[[], Hashable] = lambda: None,
        head: str = TURN_HEAD,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._writer = GrammarWriter(tokenizer)
        self._familiar = tuple(familiar)
        self._weights = weights
        self._head = head
        self._prefixes: dict[Hashable, KeyValues] = {}

    def write(
        self, prompt: str, grammar: str, *, copy_from: str = "", max_new_tokens: int = 256
    ) -> Written:
        """Return what the model writes, under the grammar, as the answer to `prompt`.

        Args:
            prompt: The content of the user's turn; control tokens in it count as plain text.
            grammar: Lark, as llguidance reads it.
            copy_from: Text whose words the answer may repeat. Only the speed depends on it.
            max_new_tokens: Most tokens to write.

        Raises:
            PlanningError: The grammar is invalid, or the text is not complete after `max_new_tokens`.
        """
        (written,) = self.write_batch(
            [Turn(prompt, grammar, copy_from)], max_new_tokens=max_new_tokens
        )
        return written

    def write_batch(self, turns: Sequence[Turn], *, max_new_tokens: int = 256) -> list[Written]:
        """Return what the model writes for each turn, several turns at a time.

        Raises:
            PlanningError: A grammar is invalid, or a text is not complete after `max_new_tokens`.
        """
        writings = [
            self._writer.begin(
                _encode_rest(self._tokenizer, turn.prompt, turn.marks),
                turn.grammar,
                max_new_tokens=max_new_tokens,
                drafter=Drafter(turn.copy_from, self._familiar),
            )
            for turn in turns
        ]
        # Turns of about one length together: the shorter of two is padded.
        order = sorted(range(len(turns)), key=lambda place: len(turns[place].prompt))
        for begin in range(0, len(order), _ROWS):
            self._run([writings[place] for place in order[begin : begin + _ROWS]])
        return [writing.result() for writing in writings]

    def write_plain(self, prompt: str, grammar: str, *, max_new_tokens: int = 256) -> Written:
        """Like `write`, with one forward pass a token: what the rest is measured against."""
        writing = self._writer.begin(
            _encode_rest(self._tokenizer, prompt),
            grammar,
            max_new_tokens=max_new_tokens,
            fast_forward=False,
        )
        self._run([writing])
        return writing.result()

    def _run(self, writings: Sequence[Writing]) -> None:
        """Step the texts together until all are complete."""
        steps = [writing.step() for writing in writings]
        active = [place for place, step in enumerate(steps) if step is not None]
        if not active:
            return
        rows = Rows(self._model, len(active), self._prefix())
        while True:
            asked = [cast("Step", steps[place]) for place in active]
            for place, logits in zip(active, rows.read(asked), strict=True):
                writings[place].take(logits)
                steps[place] = writings[place].step()
            going = [row for row, place in enumerate(active) if steps[place] is not None]
            if not going:
                return
            if len(going) < len(active):
                rows.keep(going)
                active = [active[row] for row in going]

    def _prefix(self) -> KeyValues:
        """Return the model's keys and values of the turn's fixed head, read once for each set of weights."""
        key = (self._weights(), self._model.device, self._model.dtype)
        if key not in self._prefixes:
            head = _encode(self._tokenizer, self._head)
            self._prefixes = {**self._prefixes, key: read_prefix(self._model, head)}
        return self._prefixes[key]
