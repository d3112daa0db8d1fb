"""Writes text under a grammar with a language model; knows nothing of what the text means.

`writing` chooses tokens, whoever gives the logits, and `grammars` compiles what it may choose; `copying`
guesses what comes next; `rows` is the model with its key-value cache; `decoder` puts them together.
"""

from unison_agent.decoding.copying import Drafter
from unison_agent.decoding.decoder import (
    TURN_HEAD,
    ConstrainedDecoder,
    Mark,
    Turn,
    encode_turn,
    plain_ids,
)
from unison_agent.decoding.grammars import GrammarWriter
from unison_agent.decoding.writing import NextLogits, Step, Written

__all__ = [
    "TURN_HEAD",
    "ConstrainedDecoder",
    "Drafter",
    "GrammarWriter",
    "Mark",
    "NextLogits",
    "Step",
    "Turn",
    "Written",
    "encode_turn",
    "plain_ids",
]
