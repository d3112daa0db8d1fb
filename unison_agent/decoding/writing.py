"""One text under a grammar: masks, forced tokens, verified guesses and greedy choice; knows no model."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unison_agent.decoding.copying import Drafter
from unison_agent.errors import PlanningError

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer
    from numpy.typing import NDArray

# Up to about this many, tokens read together take hardly longer than one; a guess that holds to its end
# is followed by one twice as long.
_FIRST_DRAFT = 12


@dataclass(frozen=True, slots=True)
class Step:
    """What a source of logits does next.

    Attributes:
        dropped: How many of the tokens read last, at their end, were wrong guesses: they are forgotten.
        tokens: What is read then.
        drafted: How many of `tokens`, at their end, are guesses. Logits are wanted after each of
            these and after the token before them.
    """

    dropped: int
    tokens: tuple[int, ...]
    drafted: int


NextLogits = Callable[[Step], "NDArray[np.float32]"]
"""Takes a step and returns its logits, [drafted + 1, vocabulary]."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written under a grammar.

    Attributes:
        text: The text, complete by the grammar.
        token_ids: Its tokens, without the end token.
        passes: How often logits were asked for.
        confidence: Product of the probabilities of the chosen tokens, each among the allowed ones.
    """

    text: str
    token_ids: tuple[int, ...]
    passes: int
    confidence: float


class Writing:
    """One text being written: `step` says what to read, `take` gets the logits, until `step` is None.

    Args:
        matcher: Of the grammar, at its start; no other may use it.
        tokens: The tokenizer of the matcher.
        end: The end token.
        prompt_ids: What the model reads first.
        max_new_tokens: Most tokens to write.
        fast_forward: Take the tokens that the grammar forces without asking for logits.
        drafter: Guesses the text; None for one choice a step.
    """

    def __init__(
        self,
        matcher: "LLMatcher",
        tokens: "LLTokenizer",
        end: int,
        prompt_ids: Sequence[int],
        *,
        max_new_tokens: int,
        fast_forward: bool,
        drafter: Drafter | None,
    ) -> None:
        self._matcher = matcher
        self._tokens = tokens
        self._end = end
        self._most = max_new_tokens
        self._fast_forward = fast_forward
        self._drafter = drafter
        self._pending = list(prompt_ids)
        self._written: list[int] = []
        self._draft: list[int] = []
        self._draft_length = _FIRST_DRAFT
        self._dropped = 0
        self._passes = 0
        self._log_confidence = 0.0
        self._ended = False
        self._pending += self._forced()

    def step(self) -> Step | None:
        """Return what to read next, or None when the text is complete.

        Raises:
            PlanningError: The text is not complete after the most tokens.
        """
        if self._ended or self._matcher.is_stopped():
            return None
        self._check_length()
        self._draft = self._drafted()
        return Step(self._dropped, (*self._pending, *self._draft), len(self._draft))

    def take(self, logits: "NDArray[np.float32]") -> None:
        """Choose from the logits of the last step, on as long as the choices are those guessed.

        Args:
            logits: [drafted + 1, vocabulary].

        Raises:
            PlanningError: The grammar failed, or the text is not complete after the most tokens.
        """
        self._passes += 1
        held = 0  # how many guessed tokens turned out right; they are read already
        while True:
            self._check_length()
            chosen = self._choose(logits[held])
            if chosen is None:
                self._ended = True
                break
            new = [chosen, *self._forced()]
            same = _common(new, self._draft[held:])
            held += same
            if same < len(new):
                self._pending = new[same:]
                break
            if self._matcher.is_stopped():
                break
        self._dropped = len(self._draft) - held
        if self._draft and not self._dropped:
            self._draft_length *= 2

    def result(self) -> Written:
        """Return the text so far."""
        return Written(
            text=self._tokens.decode_str(self._written),
            token_ids=tuple(self._written),
            passes=self._passes,
            # A product of very many choices must not become zero.
            confidence=max(math.exp(min(self._log_confidence, 0.0)), sys.float_info.min),
        )

    def _forced(self) -> list[int]:
        """Take and return the tokens that the grammar forces here."""
        forced: list[int] = []
        while self._fast_forward and not self._matcher.is_stopped():
            tokens = self._matcher.compute_ff_tokens()
            if not tokens:
                break
            self._matcher.consume_tokens(tokens)
            forced += tokens
        self._written += forced
        return forced

    def _choose(self, logits: "NDArray[np.float32]") -> int | None:
        """Take and return the likeliest allowed token, None for the end token."""
        allowed = self._allowed()
        allowed = allowed[allowed < len(logits)]
        scores = logits[allowed]
        best = int(np.argmax(scores))
        chosen = int(allowed[best])
        self._log_confidence -= float(np.log(np.exp(scores - scores[best], dtype=np.float64).sum()))
        if chosen == self._end:
            return None
        if not self._matcher.consume_token(chosen):
            raise PlanningError(f"The grammar failed: {self._matcher.get_error()}")
        self._written.append(chosen)
        return chosen

    def _allowed(self) -> "NDArray[np.intp]":
        """Return the ids of the tokens that may come next; there is always one."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
        if not len(allowed):
            raise PlanningError(f"The grammar has no way on: {self._matcher.get_error()}")
        return allowed

    def _drafted(self) -> list[int]:
        """Return guessed tokens that the grammar admits here."""
        if self._drafter is None:
            return []
        guess = self._drafter.guess(self._tokens.decode_bytes(self._written))
        if not guess.after:
            return []
        # A long source is cut before it is split into tokens; no token of a text is empty.
        after = guess.after[: 16 * self._draft_length]
        tokens = self._split(guess.before, after)[: self._draft_length]
        return tokens[: self._matcher.validate_tokens(tokens)] if tokens else []

    def _split(self, before: bytes, after: bytes) -> list[int]:
        """Return the tokens of `after`: those it has behind `before`, where one begins there."""
        length = 0
        together = self._tokens.tokenize_bytes(before + after)
        for place, token in enumerate(together):
            if length >= len(before):
                if length == len(before):
                    return together[place:]
                break
            length += len(self._tokens.decode_bytes([token]))
        return self._tokens.tokenize_bytes(after)

    def _check_length(self) -> None:
        if len(self._written) >= self._most:
            raise PlanningError(
                f"The text is not complete after {self._most} tokens.",
                hint="Allow more tokens, or make the request shorter.",
            )


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """Return the length of the common beginning."""
    length = 0
    while length < min(len(left), len(right)) and left[length] == right[length]:
        length += 1
    return length
