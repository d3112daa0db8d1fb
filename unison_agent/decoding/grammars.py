"""Compiled grammars on one tokenizer, and texts begun under them; knows no model.

The tokenizer side is outlines' llguidance backend, built once for each tokenizer (outlines itself builds a
new one at every call, which takes a second). Its own logits processor is not used: on torch logits it
needs a C++ compiler, and it cannot take several forced tokens at once. So the matchers are stepped by
`Writing`, on the backend's tokenizer, with numpy masks.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from unison_agent.decoding.copying import Drafter
from unison_agent.decoding.writing import NextLogits, Writing, Written
from unison_agent.errors import MissingDependencyError, PlanningError

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer
    from transformers import PreTrainedTokenizerFast

_COMPILED_GRAMMARS = 128


class GrammarWriter:
    """Writes under grammars with one tokenizer, whoever gives the logits.

    Args:
        tokenizer: A fast tokenizer with an end token.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerFast") -> None:
        try:
            from outlines.backends.llguidance import LLGuidanceBackend
            from outlines.models import Transformers
        except ImportError as error:
            raise MissingDependencyError(error.name or "outlines", extra="models") from error

        padding_side = tokenizer.padding_side
        # The backend reads nothing but the tokenizer of the model that it is given.
        backend = LLGuidanceBackend(Transformers(None, tokenizer))  # pyright: ignore[reportArgumentType]
        tokenizer.padding_side = padding_side  # outlines changes it
        self._tokens = cast("LLTokenizer", backend.llg_tokenizer)  # pyright: ignore[reportUnknownMemberType]
        self._end = cast("int", tokenizer.eos_token_id)
        self._compiled: OrderedDict[str, LLMatcher] = OrderedDict()

    def write(
        self,
        next_logits: NextLogits,
        prompt_ids: Sequence[int],
        grammar: str,
        *,
        max_new_tokens: int,
        fast_forward: bool = True,
        drafter: Drafter | None = None,
    ) -> Written:
        """Return the likeliest text, token by token, that the grammar admits.

        Args:
            next_logits: Where the logits come from.
            prompt_ids: What was read before.
            grammar: Lark, as llguidance reads it.
            max_new_tokens: Most tokens to write.
            fast_forward: Take the tokens that the grammar forces without asking for logits; the text is
                the same without.
            drafter: Guesses the text, so that several choices can be made of one step; the text is the
                same without.

        Raises:
            PlanningError: The grammar is invalid, or the text is not complete after `max_new_tokens`.
        """
        writing = self.begin(
            prompt_ids,
            grammar,
            max_new_tokens=max_new_tokens,
            fast_forward=fast_forward,
            drafter=drafter,
        )
        while (step := writing.step()) is not None:
            writing.take(next_logits(step))
        return writing.result()

    def begin(
        self,
        prompt_ids: Sequence[int],
        grammar: str,
        *,
        max_new_tokens: int,
        fast_forward: bool = True,
        drafter: Drafter | None = None,
    ) -> Writing:
        """Return a text to be written, for whoever steps several together; see `write`."""
        return Writing(
            self._matcher(grammar),
            self._tokens,
            self._end,
            prompt_ids,
            max_new_tokens=max_new_tokens,
            fast_forward=fast_forward,
            drafter=drafter,
        )

    def tokens(self, text: str) -> list[int]:
        """Return the tokens in which `text` is written; control tokens count as plain text."""
        return self._tokens.tokenize_str(text)

    def _matcher(self, grammar: str) -> "LLMatcher":
        """Return a fresh matcher; compiled grammars are kept, the least used goes first."""
        from llguidance import LLMatcher

        if grammar in self._compiled:
            self._compiled.move_to_end(grammar)
        else:
            matcher = LLMatcher(self._tokens, grammar)
            if matcher.is_error():
                raise PlanningError(f"The grammar is not valid: {matcher.get_error()}")
            self._compiled[grammar] = matcher
            if len(self._compiled) > _COMPILED_GRAMMARS:
                self._compiled.popitem(last=False)
        return self._compiled[grammar].deep_copy()
