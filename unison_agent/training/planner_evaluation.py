"""Measures a planning LoRA on requests it was not trained on, with the plain language model and real grammar."""

# torch, transformers and peft are typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast

from unison_agent.grammar import request_grammar
from unison_agent.planner import MAX_NEW_TOKENS, prompt_text, read_plan
from unison_agent.tasks import MediaKind, Request
from unison_agent.training.planning_data import DATA, Sample, name_attachments, nano_sample, samples

Write = Callable[[Request], str]
_HELD_OUT_REQUESTS = 342
_NANO_REQUESTS = 150


@dataclass(frozen=True, slots=True)
class Score:
    """How one set of requests was planned.

    Attributes:
        name: Of the set.
        requests: How many.
        task: Share with the right task, or rightly found missing.
        exact: Share with every field right.
        exact_but_target: Share with every field right, the target's words aside.
        valid: Share that is a plan by the schema and by the attachments.
        seconds: Mean time a request.
        mistakes: Request, what was wanted, what was written.
    """

    name: str
    requests: int
    task: float
    exact: float
    exact_but_target: float
    valid: float
    seconds: float
    mistakes: tuple[tuple[str, str, str], ...]

    def as_text(self) -> str:
        """Return one line of figures."""
        return (
            f"{self.name}: {self.requests} requests, task {self.task:.3f}, exact {self.exact:.3f},"
            f" exact but target {self.exact_but_target:.3f}, valid {self.valid:.3f},"
            f" {self.seconds:.2f} s each"
        )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of one adapter."""

    scores: tuple[Score, ...]

    def as_text(self, *, mistakes: int = 400) -> str:
        """Return the figures, and then mistakes to learn from."""
        lines = [score.as_text() for score in self.scores]
        for score in self.scores:
            lines += [
                f"[{score.name}] {request!r}\n    wanted {wanted}\n    wrote  {wrote}"
                for request, wanted, wrote in score.mistakes[:mistakes]
            ]
        return "\n".join(lines)


def smoke_samples(path: Path = DATA / "evaluation" / "requests.jsonl") -> list[Sample]:
    """Return the hand-written requests, none of which was made from a wrapper or a template."""
    out: list[Sample] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = cast("dict[str, object]", json.loads(line))
        kinds = tuple(cast("list[MediaKind]", entry["media"]))
        request = Request(text=cast("str", entry["request"]), attachments=name_attachments(kinds))
        answer = cast("dict[str, object]", entry["call"])
        task = cast("str", answer.get("task", "needs_input"))
        text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        out.append(Sample(request, text, task, {}, "smoke"))
    return out


def evaluate(base: Path, adapter: Path | None, *, most: int | None = None) -> Evaluation:
    """Score an adapter, or the bare model, on the held-out wrappers, icon scenes and the smoke set.

    Args:
        base: Folder of the plain language model.
        adapter: Folder of the LoRA, or None.
        most: Requests of each set, when not all.
    """
    import random

    write = load_writer(base, adapter)
    # Icon-scene requests from a seed that training does not use; their templates are known to it.
    rng = random.Random("evaluation")
    nano = [nano_sample(rng) for _ in range(_NANO_REQUESTS)]
    held_out = list(islice(samples("held_out", 1, nano_share=0.0), _HELD_OUT_REQUESTS))
    return Evaluation(
        (
            score("smoke", smoke_samples()[:most], write),
            score("nano", nano[:most], write),
            score("held out", held_out[:most], write),
        )
    )


def load_writer(base: Path, adapter: Path | None) -> Write:
    """Return what writes a call for a request: the plain language model with the adapter on it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from unison_agent import lora
    from unison_agent.decoding import ConstrainedDecoder

    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16).eval()
    if adapter is not None:
        lora.attach(model.model, adapter, "planner")
        lora.activate(model.model, "planner")
    decoder = ConstrainedDecoder(model, tokenizer)

    def write(request: Request) -> str:
        grammar = request_grammar(request.text, request.attachments)
        return decoder.write(prompt_text(request), grammar, max_new_tokens=MAX_NEW_TOKENS)

    return write


def score(name: str, wanted: Sequence[Sample], write: Write) -> Score:
    """Return how well `write` plans the requests of `wanted`."""
    from unison_agent.errors import PlanningError

    right: Counter[str] = Counter()
    mistakes: list[tuple[str, str, str]] = []
    began = time.monotonic()
    for sample in wanted:
        wrote = write(sample.request)
        try:
            read_plan(sample.request, wrote)
        except PlanningError:
            pass
        else:
            right["valid"] += 1
        got, want = json.loads(wrote), json.loads(sample.answer)
        right["task"] += got.get("task") == want.get("task")
        right["exact"] += got == want
        right["but_target"] += _without_target(got.items()) == _without_target(want.items())
        if got != want:
            handles = ", ".join(a.handle for a in sample.request.attachments)
            mistakes.append((f"[{handles}] {sample.request.text}", sample.answer, wrote))
    seconds = time.monotonic() - began
    count = len(wanted)
    return Score(
        name=name,
        requests=count,
        task=right["task"] / count,
        exact=right["exact"] / count,
        exact_but_target=right["but_target"] / count,
        valid=right["valid"] / count,
        seconds=seconds / count,
        mistakes=tuple(mistakes),
    )


def _without_target(items: Iterable[tuple[str, object]]) -> dict[str, object]:
    return {name: value for name, value in items if name != "target"}
