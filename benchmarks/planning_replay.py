"""Count the forward passes that given calls take, on logits that write them; no model is needed."""

import json
import statistics
from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerFast

from unison_agent.decoding import Drafter, GrammarWriter, NextLogits, Step
from unison_agent.decoding.familiar import FAMILIAR_PLANS
from unison_agent.planning.grammar import request_grammar
from unison_agent.planning.planner import MAX_NEW_TOKENS
from unison_agent.tasks import Request

SPANS = ("prompt", "question")


def replay(
    tokenizer: PreTrainedTokenizerFast,
    requests: Sequence[Request],
    wanted: Sequence[dict[str, object]],
) -> dict[str, dict[str, float]]:
    """Return mean passes when the benchmark's own calls are written, with and without their spans."""
    writer = GrammarWriter(tokenizer)
    ways = ("ours", "forced", "plain")
    passes: dict[str, list[list[int]]] = {"as they are": [], "without spans": []}
    for request, call in zip(requests, wanted, strict=True):
        for kind, fields in (("as they are", call), ("without spans", _without_spans(call))):
            text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
            drafters = (Drafter(request.text, FAMILIAR_PLANS), Drafter(), None)
            written = [
                writer.write(
                    _scripted(writer.tokens(text), len(tokenizer)),
                    [1],
                    request_grammar(request.text, request.attachments),
                    max_new_tokens=MAX_NEW_TOKENS,
                    fast_forward=drafter is not None,
                    drafter=drafter,
                )
                for drafter in drafters
            ]
            if all(one.text == text for one in written):  # not where the grammar has no such call
                passes[kind].append([one.passes for one in written])
    return {
        kind: {
            "calls": len(counts),
            **{w: statistics.mean(n) for w, n in zip(ways, zip(*counts, strict=True), strict=True)},
        }
        for kind, counts in passes.items()
    }


def _without_spans(call: dict[str, object]) -> dict[str, object]:
    kept = {name: value for name, value in call.items() if name not in SPANS}
    then = kept.get("then")
    return {**kept, "then": _without_spans(then)} if isinstance(then, dict) else kept


def _scripted(script: Sequence[int], vocabulary: int) -> NextLogits:
    """Return logits that write a script, whatever is guessed."""
    read: list[int] = []

    def next_logits(step: Step) -> np.ndarray:
        del read[len(read) - step.dropped :]
        read.extend(step.tokens)
        logits = np.zeros((step.drafted + 1, vocabulary), dtype=np.float32)
        for row in range(step.drafted + 1):
            said = read[1 : len(read) - step.drafted + row]
            if said == list(script[: len(said)]) and len(said) < len(script):
                logits[row, script[len(said)]] = 9
        return logits

    return next_logits
