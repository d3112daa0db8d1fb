"""Scores a planning LoRA on what it was not trained on, with the plain language model and the real grammar."""

# torch and transformers are typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
import random
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from unison_agent.evaluation.planning import Report, report
from unison_agent.evaluation.planning_cases import Case, benchmark_files, read_case, read_cases
from unison_agent.evaluation.planning_run import Recorder, run
from unison_agent.planning.planner import Planner
from unison_agent.training.language_model import open_language_model
from unison_agent.training.planning_data import Sample, nano_sample, samples

if TYPE_CHECKING:
    from unison_agent.decoding import ConstrainedDecoder

_HELD_OUT_REQUESTS = 400
_NANO_REQUESTS = 150


def evaluate(base: Path, adapter: Path | None, *, most: int | None = None) -> Report:
    """Score an adapter, or the bare model, on the benchmark, held-out wrappers and icon scenes.

    Args:
        base: Folder of the plain language model.
        adapter: Folder of the LoRA, or None.
        most: Requests of each set, when not all.
    """
    writer = Recorder(load_writer(base, adapter))
    cases = [case for one in case_sets() for case in one[:most]]
    return report(run(Planner(writer).plan, cases, recorder=writer))


def case_sets() -> list[list[Case]]:
    """Return the benchmark's files, each in an order of its own, the held-out wrappers and icon scenes."""
    benchmark = [read_cases([path], seed=0) for path in benchmark_files()]
    held_out = islice(samples("held_out", 1, nano_share=0.0), _HELD_OUT_REQUESTS)
    # From a seed that training does not use; the forms are those that it knows.
    rng = random.Random("evaluation")
    scenes = [nano_sample(rng) for _ in range(_NANO_REQUESTS)]
    return [*benchmark, cases_of(held_out, "held out"), cases_of(scenes, "icon scenes")]


def cases_of(made: Iterable[Sample], name: str) -> list[Case]:
    """Return samples as cases of one slice; their origin is another."""
    out: list[Case] = []
    for number, sample in enumerate(made, start=1):
        line = {
            "request": sample.request.text,
            "media": [attachment.kind for attachment in sample.request.attachments],
            "call": json.loads(sample.answer),
        }
        case = read_case(json.dumps(line), place=f"{name}:{number}")
        slices = [name] if sample.origin == "nano" else [name, f"{name}: {sample.origin}"]
        out.append(replace(case, slices=tuple(slices)))
    return out


def load_writer(base: Path, adapter: Path | None) -> "ConstrainedDecoder":
    """Return the plain language model as a writer of calls, with the adapter on it."""
    from unison_agent import lora
    from unison_agent.decoding import ConstrainedDecoder

    opened = open_language_model(base)
    if adapter is not None:
        loras = lora.FoldedLoras(opened.body)
        loras.add(adapter, "planner")
        loras.activate("planner")
    return ConstrainedDecoder(opened.model.eval(), opened.tokenizer)
