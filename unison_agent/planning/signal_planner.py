"""Request to plan in the paper's signal tokens, by a language model whose vocabulary has them.

The plans are those of `Planner`: what is written is read back as JSON would be, and held to the request. The
tokens say one call of one step, and an edit only with its mask; see `signal_calls`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from unison_agent.conversation import place_attachments
from unison_agent.decoding import Mark, Turn, Written
from unison_agent.errors import PlanningError, WeightsError
from unison_agent.planning.plan_reading import read_plan
from unison_agent.planning.planner import Calibration, check_words
from unison_agent.planning.signal_calls import fields_of
from unison_agent.planning.signal_grammar import signal_grammar
from unison_agent.planning.signal_tokens import Piece, Signal, parse_pieces
from unison_agent.planning.written import call_text
from unison_agent.tasks import Plan, Request

_MOST_TOKENS = 64


class SignalWriter(Protocol):
    """Whoever writes under a grammar and says which tokens it wrote; e.g. a `ConstrainedDecoder`."""

    def write_batch(self, turns: Sequence[Turn], *, max_new_tokens: int) -> list[Written]:
        """Return what is written for each turn, in order."""
        ...


class SignalTokenizer(Protocol):
    """The part of a tokenizer of transformers that is needed."""

    def get_added_vocab(self) -> dict[str, int]:
        """Return the added tokens and their ids."""
        ...

    def decode(self, token_ids: list[int]) -> str | list[str]:
        """Return the text of some tokens."""
        ...


@dataclass(frozen=True, slots=True)
class SignalVocabulary:
    """The signal tokens of one tokenizer.

    Attributes:
        ids: Of all 14.
    """

    ids: Mapping[Signal, int]
    _tokenizer: SignalTokenizer = field(repr=False, compare=False)

    @classmethod
    def of(cls, tokenizer: SignalTokenizer) -> Self:
        """Find the tokens.

        Raises:
            WeightsError: The tokenizer lacks some, so its model was not trained to plan with them.
        """
        added = tokenizer.get_added_vocab()
        lacking = [signal.value for signal in Signal if signal.value not in added]
        if lacking:
            msg = f"The tokenizer lacks {len(lacking)} of the {len(Signal)} signal tokens: {', '.join(lacking)}."
            raise WeightsError(
                msg, hint="Use the tokenizer files that came with the planning LoRA."
            )
        return cls({signal: added[signal.value] for signal in Signal}, tokenizer)

    def pieces(self, token_ids: Sequence[int]) -> tuple[Piece, ...]:
        """Return tokens as pieces: a control token is one by its id alone."""
        signals = {token_id: signal for signal, token_id in self.ids.items()}
        pieces: list[Piece] = []
        words: list[int] = []
        for token_id in (*token_ids, None):
            if token_id is not None and token_id not in signals:
                words.append(token_id)
                continue
            if words:
                pieces.append(str(self._tokenizer.decode(words)))
                words = []
            if token_id is not None:
                pieces.append(signals[token_id])
        return tuple(pieces)


class SignalPlanner:
    """Plans requests in signal tokens.

    Args:
        writer: A model that was trained on them, e.g. the paper's LoRA on Qwen2.5-VL.
        vocabulary: Of the model's tokenizer.
        calibration: Turns the writer's confidence into the plan's; plans have none without.
    """

    def __init__(
        self,
        writer: SignalWriter,
        vocabulary: SignalVocabulary,
        calibration: Calibration | None = None,
    ) -> None:
        self._writer = writer
        self._vocabulary = vocabulary
        self._calibration = calibration

    def plan(self, request: Request) -> Plan:
        """Return the plan that the request means.

        Raises:
            RequestError: The request has no words.
            PlanningError: What was written is no plan for this request.
        """
        (plan,) = self.plan_batch([request])
        return plan

    def plan_batch(self, requests: Sequence[Request]) -> list[Plan]:
        """Return the plans of several requests, written together; raises as `plan` does."""
        turns = [self.turn(request) for request in requests]
        written = self._writer.write_batch(turns, max_new_tokens=_MOST_TOKENS) if turns else []
        if len(written) != len(turns):
            msg = f"The writer wrote {len(written)} texts for {len(turns)} requests."
            raise PlanningError(msg, hint="Write one text for each turn, in order.")
        return [self._read(*both) for both in zip(requests, written, strict=True)]

    def turn(self, request: Request) -> Turn:
        """Return what the model reads and may write: the request, with a placeholder for each attachment.

        Where the text names every attachment in its place and in order, as image_1 or as <IMGPAD>, the
        placeholders stand there; else they stand before the text. Other tokens that a text spells out stay text.

        Raises:
            RequestError: The request has no words.
        """
        check_words(request.text)
        attachments = [(one.handle, one.kind) for one in request.attachments]
        prompt, places = place_attachments(request.text, attachments)
        pads = {"image": Signal.IMGPAD, "video": Signal.VIDPAD}
        marks = tuple(
            Mark(place, self._vocabulary.ids[pads[kind]])
            for place, (_, kind) in zip(places, attachments, strict=True)
        )
        return Turn(prompt, signal_grammar(request, self._vocabulary.ids), marks=marks)

    def _read(self, request: Request, written: Written) -> Plan:
        said = parse_pieces(self._vocabulary.pieces(written.token_ids))
        task, fields = fields_of(said, request)
        sure = self._calibration and self._calibration.confidence(written.confidence)
        return read_plan(request, call_text(task, fields), confidence=sure)
