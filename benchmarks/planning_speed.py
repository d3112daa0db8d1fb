"""Time planning on nano's model against plain masking and outlines: ``python benchmarks/planning_speed.py``.

The same requests, model, weights and process for all. "ours" is `UnderstandingModel.write`, as the planner calls
it. "forced" is the same without guesses, "plain" takes one forward pass a token. outlines runs as its
documentation has it, `outlines.Generator(model, JsonSchema(...), backend)`, with the JSON Schema of all task
calls and the generator built once; building it is what "preparation" is. Passes are also counted without a
model, on logits that write the benchmark's own calls.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import outlines
import torch
from outlines.backends import get_json_schema_logits_processor
from outlines.types import JsonSchema
from planning_replay import replay

from unison_agent.decoding import (
    ConstrainedDecoder,
    GrammarWriter,
    Turn,
)
from unison_agent.evaluation.planning_cases import read_case
from unison_agent.planning.grammar import request_grammar
from unison_agent.planning.planner import MAX_NEW_TOKENS, prompt_text
from unison_agent.tasks import TASK_CALL, Request
from unison_agent.vlm import UnderstandingModel

ROOT = Path(__file__).parents[1]
REQUESTS = ROOT / "data" / "planning" / "evaluation" / "requests.jsonl"
BACKENDS = ("llguidance", "xgrammar", "outlines_core")
SCHEMA = json.dumps(TASK_CALL.json_schema())


@dataclass(frozen=True, slots=True)
class Call:
    """What one call took."""

    text: str
    passes: int
    seconds: float
    model_seconds: float


class Meter:
    """Counts the forward passes of a model, and the time spent in them."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.passes, self.seconds, self._began = 0, 0.0, 0.0
        model.register_forward_pre_hook(self._begin, with_kwargs=True)
        model.register_forward_hook(self._end, with_kwargs=True)

    def call(self, write: Callable[[], str]) -> Call:
        """Return what `write` took."""
        self.passes, self.seconds = 0, 0.0
        began = time.perf_counter()
        text = write()
        return Call(text, self.passes, time.perf_counter() - began, self.seconds)

    def _begin(self, *_: object) -> None:
        self._began = time.perf_counter()

    def _end(self, *_: object) -> None:
        self.passes += 1
        self.seconds += time.perf_counter() - self._began


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, help="how many, chosen at random; all without")
    parser.add_argument("--file", type=Path, default=REQUESTS)
    parser.add_argument("--backends", nargs="*", default=BACKENDS, choices=BACKENDS)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    lines = [line for line in args.file.read_text(encoding="utf-8").split("\n") if line]
    random.Random(0).shuffle(lines)
    lines = lines[: args.requests]
    requests = [read_case(line, place=str(args.file)).request for line in lines]
    wanted = [json.loads(line)["call"] for line in lines]
    model = UnderstandingModel.load_nano(ROOT / "unison_agent" / "nano", layer=20)
    turns = [Turn(prompt_text(r), request_grammar(r.text, r.attachments), r.text) for r in requests]
    meter = Meter(model.model)
    calls = run_ours(model, meter, turns)
    report: dict[str, object] = {
        "torch": torch.__version__,
        "outlines": metadata.version("outlines"),
        "threads": args.threads,
        "requests": len(requests),
        "preparation_ms": {"ours": prepare_ours(model, requests)},
        "replayed_passes": replay(model.tokenizer, requests, wanted),
        "batch": batch(model, turns, calls["ours"]),
        "failed": {},
    }
    with using_planner(model):
        wrapped = outlines.from_transformers(model.model, model.tokenizer)
        for name in args.backends:
            try:
                report["preparation_ms"][f"outlines {name}"] = prepare_outlines(wrapped, name)
                calls[f"outlines {name}"] = run_outlines(wrapped, name, meter, turns)
            except Exception as error:  # noqa: BLE001  (whatever a backend raises is a result here)
                report["failed"][name] = f"{type(error).__name__}: {error}"[:200]
    report["calls"] = {name: summary(some, calls["plain"]) for name, some in calls.items()}
    report["targets"] = targets(report)
    print(json.dumps(report, indent=2) if args.json else table(report))


def run_ours(
    model: UnderstandingModel, meter: Meter, turns: Sequence[Turn]
) -> dict[str, list[Call]]:
    """Return the calls of our own three ways, request by request, so that noise meets all."""
    forced = ConstrainedDecoder(model.model, model.tokenizer)

    def ours(turn: Turn) -> str:
        return model.write(
            turn.prompt, turn.grammar, copy_from=turn.copy_from, max_new_tokens=MAX_NEW_TOKENS
        ).text

    def without_guesses(turn: Turn) -> str:
        return forced.write(turn.prompt, turn.grammar, max_new_tokens=MAX_NEW_TOKENS).text

    def plain(turn: Turn) -> str:
        return forced.write_plain(turn.prompt, turn.grammar, max_new_tokens=MAX_NEW_TOKENS).text

    ours(turns[0])  # compiles, and reads the fixed head
    with using_planner(model):
        plain(turns[0])
    calls: dict[str, list[Call]] = {"ours": [], "forced": [], "plain": []}
    for turn in turns:
        calls["ours"].append(meter.call(lambda t=turn: ours(t)))
        with using_planner(model):
            calls["forced"].append(meter.call(lambda t=turn: without_guesses(t)))
            calls["plain"].append(meter.call(lambda t=turn: plain(t)))
    return calls


def run_outlines(
    wrapped: outlines.models.Transformers, name: str, meter: Meter, turns: Sequence[Turn]
) -> list[Call]:
    """Return the calls of outlines with one generator for all requests."""
    generator = outlines.Generator(wrapped, JsonSchema(SCHEMA), name)
    end = wrapped.hf_tokenizer.eos_token_id
    greedy = {"do_sample": False, "eos_token_id": end, "pad_token_id": end}

    def write(turn: Turn) -> str:
        return generator(turn.prompt, max_new_tokens=256, **greedy)

    write(turns[0])
    return [meter.call(lambda t=turn: write(t)) for turn in turns]


def prepare_ours(model: UnderstandingModel, requests: Sequence[Request]) -> float:
    """Return the median milliseconds from a new request to a grammar that is ready to step."""
    writer = GrammarWriter(model.tokenizer)
    times: list[float] = []
    for number, request in enumerate(requests):
        text = f"{request.text} ({number} new)"  # no grammar that is already compiled
        began = time.perf_counter()
        grammar = request_grammar(text, request.attachments)
        writer.begin([1], grammar, max_new_tokens=1)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def prepare_outlines(wrapped: outlines.models.Transformers, name: str) -> float:
    """Return the median milliseconds in which outlines makes a schema ready."""
    times: list[float] = []
    for _ in range(3 if name != "outlines_core" else 1):
        began = time.perf_counter()
        get_json_schema_logits_processor(name, wrapped, SCHEMA)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def batch(
    model: UnderstandingModel, turns: Sequence[Turn], alone: Sequence[Call]
) -> dict[str, float]:
    """Return what writing all together takes, and how many texts are those written alone."""
    began = time.perf_counter()
    together = model.write_batch(turns, max_new_tokens=MAX_NEW_TOKENS)
    seconds = time.perf_counter() - began
    same = sum(a.text == b.text for a, b in zip(together, alone, strict=True))
    return {"ms_a_request": 1000 * seconds / len(turns), "identical": same / len(turns)}


@contextmanager
def using_planner(model: UnderstandingModel) -> Generator[None]:
    """Have the planning LoRA on."""
    model.model.model.rope_deltas = None
    model.loras.activate("planner")
    try:
        yield
    finally:
        model.loras.activate(None)


def summary(calls: Sequence[Call], plain: Sequence[Call]) -> dict[str, float]:
    """Return the figures of one way."""
    seconds = sum(call.seconds for call in calls)
    return {
        "passes": statistics.mean(call.passes for call in calls),
        "ms": 1000 * statistics.median(call.seconds for call in calls),
        "own_share": 1 - sum(call.model_seconds for call in calls) / seconds,
        "identical": sum(a.text == b.text for a, b in zip(calls, plain, strict=True)) / len(calls),
    }


def targets(report: dict) -> dict[str, dict[str, float | bool]]:
    """Return what was to be reached, and what was."""
    ours = report["calls"]["ours"]
    replayed = report["replayed_passes"]["without spans"]
    ready = report["preparation_ms"]
    found: list[tuple[str, float, str, float]] = [
        ("passes to plain, calls without spans", replayed["ours"] / replayed["plain"], "<=", 0.30),
        ("passes a plan, spans included", ours["passes"], "<=", 8),
        ("passes a replayed plan", report["replayed_passes"]["as they are"]["ours"], "<=", 8),
        ("warm plan, s", ours["ms"] / 1000, "<=", 0.3),
        ("own share of the time", ours["own_share"], "<=", 0.05),
        ("texts as plain masking writes them", ours["identical"], ">=", 1),
    ]
    for name, calls in report["calls"].items():
        if name.startswith("outlines"):
            found.append((f"time to {name}", ours["ms"] / calls["ms"], "<=", 0.25))
    if "outlines llguidance" in ready:
        faster = ready["outlines llguidance"] / ready["ours"]
        found.append(("preparation, times cheaper than outlines llguidance", faster, ">=", 50))
    return {
        name: {
            "got": round(got, 4),
            sign: want,
            "reached": got <= want if sign == "<=" else got >= want,
        }
        for name, got, sign, want in found
    }


def table(report: dict) -> str:
    """Return the report as text."""
    lines = [
        f"torch {report['torch']}, outlines {report['outlines']}, {report['threads']} threads,"
        f" {report['requests']} requests, warm; ms are medians",
        f"{'':24}{'passes':>8}{'ms':>9}{'own share':>11}{'as plain':>10}{'preparation ms':>16}",
    ]
    for name, row in report["calls"].items():
        ready = report["preparation_ms"].get(name)
        same = "" if name.startswith("outlines") else f"{row['identical']:.1%}"
        lines.append(
            f"{name:24}{row['passes']:8.1f}{row['ms']:9.0f}{row['own_share']:11.1%}{same:>10}"
            + (f"{ready:16.1f}" if ready is not None else "")
        )
    lines += [
        f"outlines {name} does not work here: {why}" for name, why in report["failed"].items()
    ]
    one = report["batch"]
    lines.append(
        f"together: {one['ms_a_request']:.0f} ms a request, {one['identical']:.1%} as alone"
    )
    for kind, row in report["replayed_passes"].items():
        ways = ", ".join(f"{way} {row[way]:.1f}" for way in ("ours", "forced", "plain"))
        lines.append(f"passes for {row['calls']} calls of the benchmark {kind}: {ways}")
    for name, row in report["targets"].items():
        sign = "<=" if "<=" in row else ">="
        lines.append(
            f"{'reached' if row['reached'] else 'missed':8} {name}: {row['got']:.3g} ({sign} {row[sign]})"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
