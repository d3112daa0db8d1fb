"""Writes text under a grammar: masks, fast-forward and greedy choice; knows nothing of what the text means.

The tokenizer side is outlines' llguidance backend, built once for each tokenizer (outlines itself builds a
new one at every call, which takes a second). Its own logits processor is not used: on torch logits it
needs a C++ compiler, and it cannot take several forced tokens at once. So the matchers are stepped here,
on the backend's tokenizer, with numpy masks.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from unison_agent.errors import MissingDependencyError, PlanningError

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

NextLogits = Callable[[Sequence[int]], "NDArray[np.float32]"]
"""Takes the tokens that are new since the last call and returns the next token's logits, [vocabulary]."""

_HEAD = "<|im_start|>user\n"
_TAIL = "<|im_end|>\n<|im_start|>assistant\n"
_COMPILED_GRAMMARS = 128


@dataclass(frozen=True, slots=True)
class Written:
    """What was written under a grammar.

    Attributes:
        text: The text, complete by the grammar.
        token_ids: Its tokens, without the end token.
        passes: How often logits were asked for.
    """

    text: str
    token_ids: tuple[int, ...]
    passes: int


def encode_turn(tokenizer: "PreTrainedTokenizerFast", content: str) -> list[int]:
    """Return the tokens of one user turn and the opening of the answer.

    Control tokens come from the template alone: one that is typed inside `content` is read as plain text.
    """

    def ids(text: str, *, plain: bool) -> list[int]:
        encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=plain)
        return cast("list[int]", encoded["input_ids"])

    return [*ids(_HEAD, plain=False), *ids(content, plain=True), *ids(_TAIL, plain=False)]


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
    ) -> Written:
        """Return the likeliest text, token by token, that the grammar admits.

        Args:
            next_logits: Where the logits come from.
            prompt_ids: What was read before.
            grammar: Lark, as llguidance reads it.
            max_new_tokens: Most tokens to write.
            fast_forward: Take the tokens that the grammar forces without asking for logits; the text is
                the same without.

        Raises:
            PlanningError: The grammar is invalid, or the text is not complete after `max_new_tokens`.
        """
        matcher = self._matcher(grammar)
        pending, written, passes = list(prompt_ids), list[int](), 0
        while not matcher.is_stopped():
            forced = matcher.compute_ff_tokens() if fast_forward else []
            if forced:
                matcher.consume_tokens(forced)
                written += forced
                pending += forced
                continue
            if len(written) >= max_new_tokens:
                raise PlanningError(
                    f"The text is not complete after {max_new_tokens} tokens.",
                    hint="Allow more tokens, or make the request shorter.",
                )
            allowed = self._allowed(matcher)
            logits = next_logits(pending)
            passes += 1
            allowed = allowed[allowed < len(logits)]
            chosen = int(allowed[np.argmax(logits[allowed])])
            if chosen == self._end:
                break
            if not matcher.consume_token(chosen):
                raise PlanningError(f"The grammar failed: {matcher.get_error()}")
            written.append(chosen)
            pending = [chosen]
        return Written(self._tokens.decode_str(written), tuple(written), passes)

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

    def _allowed(self, matcher: "LLMatcher") -> "NDArray[np.intp]":
        """Return the ids of the tokens that may come next; there is always one."""
        bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
        if not len(allowed):
            raise PlanningError(f"The grammar has no way on: {matcher.get_error()}")
        return allowed


class ConstrainedDecoder:
    """Writes under grammars with a causal language model: greedy, with a key-value cache.

    Args:
        model: A causal language model of transformers, in evaluation mode.
        tokenizer: Its fast tokenizer.
    """

    def __init__(self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast") -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._writer = GrammarWriter(tokenizer)

    def write(self, prompt: str, grammar: str, *, max_new_tokens: int = 256) -> str:
        """Return the text that the model writes, under the grammar, as the answer to `prompt`.

        Args:
            prompt: The content of the user's turn; control tokens in it count as plain text.
            grammar: Lark, as llguidance reads it.
            max_new_tokens: Most tokens to write.

        Raises:
            PlanningError: The grammar is invalid, or the text is not complete after `max_new_tokens`.
        """
        return self.write_tokens(prompt, grammar, max_new_tokens=max_new_tokens).text

    def write_tokens(
        self, prompt: str, grammar: str, *, max_new_tokens: int = 256, fast_forward: bool = True
    ) -> Written:
        """Like `write`, with the tokens and the number of forward passes."""
        return self._writer.write(
            self._model_logits(),
            encode_turn(self._tokenizer, prompt),
            grammar,
            max_new_tokens=max_new_tokens,
            fast_forward=fast_forward,
        )

    def _model_logits(self) -> NextLogits:
        """Return the model as a source of logits, with an empty cache."""
        import torch
        from transformers import DynamicCache

        model = self._model
        cache = DynamicCache(config=model.config)

        @torch.inference_mode()
        def next_logits(token_ids: Sequence[int]) -> "NDArray[np.float32]":
            output = model(
                input_ids=torch.tensor([list(token_ids)], device=model.device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            return cast("NDArray[np.float32]", output.logits[0, -1].float().cpu().numpy())

        return next_logits
