"""Trains the planning LoRA on the base language model: seeded, resumable, with its curve in a file.

Run it as ``python -m unison_agent.training.planner --base <folder> --out runs/planner --minutes 40``, and
again with the same folder to go on after an interruption; ``--start <adapter>`` starts a run of its own
from the weights of another, or from those that ship. ``--evaluate <folder>`` measures an adapter.
``--base`` is a plain language model, or a Qwen2.5-VL, whose language model is then trained; the adapter's keys
are relative to it, so that the same file loads onto the language model inside the understanding model.
"""

# torch, transformers and peft are typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import argparse
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from unison_agent.decoding import encode_turn
from unison_agent.evaluation.planning import Report
from unison_agent.evaluation.planning_report import document, tables
from unison_agent.planning.planner import prompt_text
from unison_agent.training.language_model import open_language_model
from unison_agent.training.lora import (
    add_lora,
    load_lora,
    lora_state,
    read_adapter,
    write_adapter,
)
from unison_agent.training.planner_evaluation import evaluate
from unison_agent.training.planning_data import Sample, samples

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

# A pool of this many batches is sorted by length before it is cut, so that little is padding.
_POOL_BATCHES = 16
_IGNORED = -100
# The kind of call is what matters most, and is said in few of an answer's tokens.
_CHOOSING_WEIGHT = 4.0
# Share of the requests that come with tools of the user's own.
_TOOL_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How one training run is set up.

    Attributes:
        base: Folder of the language model, with its tokenizer (`open_language_model`).
        out: Where the checkpoint, the curve and the adapter are written.
        minutes: Training time, counted over all resumed parts. It is processor time, so that a busy
            machine makes the training slow but not short.
        seed: Of the samples and the weights.
        batch_size: Samples a step.
        learning_rate: At its highest; falls linearly to nearly nothing over the time.
        max_tokens: Longer samples are left out.
        checkpoint_minutes: Time between checkpoints.
        start: Folder of an adapter whose weights this run starts from.
    """

    base: Path
    out: Path
    minutes: float
    seed: int = 0
    batch_size: int = 16
    learning_rate: float = 1e-3
    max_tokens: int = 192
    checkpoint_minutes: float = 3.0
    start: Path | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """One sample in tokens.

    Attributes:
        prompt: The turn to read.
        answer: What to write, end token included.
        choosing: How many of the answer's first tokens say what kind of call it is.
    """

    prompt: list[int]
    answer: list[int]
    choosing: int


def encode(sample: Sample, tokenizer: "PreTrainedTokenizerFast") -> Encoded:
    """Return the tokens of one sample, exactly as the decoder will see them."""
    encoded = tokenizer(sample.answer, add_special_tokens=False, return_offsets_mapping=True)
    answer = cast("list[int]", encoded["input_ids"])
    starts = [start for start, _ in cast("list[tuple[int, int]]", encoded["offset_mapping"])]
    # The first key and its value: up to the fourth quotation mark, and the mark after it.
    named = sample.answer.replace('"', " ", 3).index('"') + 2
    end = cast("int", tokenizer.eos_token_id)
    return Encoded(
        encode_turn(tokenizer, prompt_text(sample.request)),
        [*answer, end],
        sum(start < named for start in starts),
    )


def batches(
    stream: Iterator[Encoded], batch_size: int, rng: random.Random
) -> Iterator[list[Encoded]]:
    """Yield batches of samples of like length, in mixed order."""
    while True:
        pool = [next(stream) for _ in range(batch_size * _POOL_BATCHES)]
        pool.sort(key=lambda one: len(one.prompt) + len(one.answer))
        starts = list(range(0, len(pool), batch_size))
        rng.shuffle(starts)
        for start in starts:
            yield pool[start : start + batch_size]


def answer_loss(model: "LlamaForCausalLM", batch: Sequence[Encoded]) -> "torch.Tensor":
    """Return the cross-entropy of the answers' tokens, weighted; the head runs at those places only.

    Args:
        model: The language model.
        batch: B samples; padded on the right to the longest, [B, L].
    """
    import torch

    length = max(len(one.prompt) + len(one.answer) for one in batch)
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    seen = torch.zeros_like(ids)
    labels = torch.full_like(ids, _IGNORED)
    weights = torch.ones(len(batch), length)
    for row, one in enumerate(batch):
        read, end = len(one.prompt), len(one.prompt) + len(one.answer)
        ids[row, :end] = torch.tensor([*one.prompt, *one.answer])
        seen[row, :end] = 1
        labels[row, read:end] = torch.tensor(one.answer)
        weights[row, read : read + one.choosing] = _CHOOSING_WEIGHT
    device = model.device
    hidden = model.model(input_ids=ids.to(device), attention_mask=seen.to(device)).last_hidden_state
    wanted = labels[:, 1:].to(device)
    places = wanted != _IGNORED
    logits = model.lm_head(hidden[:, :-1][places]).float()
    losses = torch.nn.functional.cross_entropy(logits, wanted[places], reduction="none")
    weighted = weights[:, 1:].to(device)[places]
    return (losses * weighted).sum() / weighted.sum()


def train(options: TrainingOptions) -> Path:
    """Train, or go on training, and return the folder of the written adapter."""
    import torch

    torch.manual_seed(options.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    opened = open_language_model(options.base, device, attention="eager")
    model, body, tokenizer = opened.model, opened.body, opened.tokenizer
    model.requires_grad_(False)
    add_lora(body)
    model.train()
    checkpoint, curve = options.out / "checkpoint.pt", options.out / "curve.jsonl"
    resumes = checkpoint.exists()
    if options.start is not None and not resumes:
        load_lora(body, read_adapter(options.start))
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    # The steps become too small for bf16 as the rate falls: the optimizer works on float copies.
    masters = [parameter.detach().float() for parameter in parameters]
    optimizer = torch.optim.AdamW(
        masters, options.learning_rate, betas=(0.9, 0.99), weight_decay=0.0
    )

    options.out.mkdir(parents=True, exist_ok=True)
    step, before = 0, 0.0
    if resumes:
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        masters_saved = cast("list[torch.Tensor]", saved["masters"])
        for parameter, master, tensor in zip(parameters, masters, masters_saved, strict=True):
            master.copy_(tensor)
            parameter.data.copy_(tensor)
        optimizer.load_state_dict(saved["optimizer"])
        step, before = int(saved["step"]), float(saved["seconds"])
    # A resumed part draws other samples than the parts before it; skipping theirs would take minutes.
    seed = options.seed + step

    def encoded() -> Iterator[Encoded]:
        for sample in samples("train", seed, tool_share=_TOOL_SHARE, nano_share=0.22):
            one = encode(sample, tokenizer)
            if len(one.prompt) + len(one.answer) <= options.max_tokens:
                yield one

    stream = batches(encoded(), options.batch_size, random.Random(seed))
    held_out = [
        encode(sample, tokenizer)
        for sample, _ in zip(samples("held_out", 0), range(64), strict=False)
    ]

    def save(seconds: float) -> None:
        part = checkpoint.with_suffix(".part")
        state = {"masters": masters, "optimizer": optimizer.state_dict()}
        torch.save({**state, "step": step, "seconds": seconds}, part)
        part.replace(checkpoint)
        write_adapter(lora_state(body), options.out / "adapter")

    budget = options.minutes * 60
    began, first = time.process_time(), step
    saved_at = before
    recent: list[float] = []
    while (seconds := before + time.process_time() - began) < budget:
        warm, left = min(1.0, (step + 1 - first) / 20), 1 - seconds / budget
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * warm * max(left, 0.02)
        loss = answer_loss(model, next(stream))
        loss.backward()
        for parameter, master in zip(parameters, masters, strict=True):
            master.grad = None if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        torch.nn.utils.clip_grad_norm_(masters, 1.0)
        optimizer.step()
        for parameter, master in zip(parameters, masters, strict=True):
            parameter.data.copy_(master)
        step += 1
        recent.append(loss.item())
        if step % 10 == 0:
            point = {"step": step, "samples": step * options.batch_size, "seconds": round(seconds, 1),
                     "loss": round(math.fsum(recent) / len(recent), 4)}  # fmt: skip
            recent.clear()
            if seconds - saved_at > options.checkpoint_minutes * 60:
                save(seconds)
                saved_at = seconds
                point["held_out_loss"] = round(
                    _held_out_loss(model, held_out, options.batch_size), 4
                )
            with curve.open("a", encoding="utf-8") as file:
                file.write(json.dumps(point) + "\n")
    save(budget)
    return options.out / "adapter"


def _held_out_loss(
    model: "LlamaForCausalLM", held_out: Sequence[Encoded], batch_size: int
) -> float:
    import torch

    with torch.inference_mode():
        losses = [
            answer_loss(model, held_out[start : start + batch_size]).item()
            for start in range(0, len(held_out), batch_size)
        ]
    return math.fsum(losses) / len(losses)


def _show(measured: Report, out: Path) -> None:
    """Print the tables of a report, and write all of it as JSON."""
    from rich.console import Console

    console = Console(width=140)
    for table in tables(measured):
        console.print(table)
    text = json.dumps(document(measured), ensure_ascii=False, indent=1)
    (out / "evaluation.json").write_text(text + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train or evaluate, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m unison_agent.training.planner")
    parser.add_argument(
        "--base", type=Path, required=True, help="folder of the plain language model"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/planner"))
    parser.add_argument("--minutes", type=float, default=40.0, help="of processor time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--evaluate", type=Path, help="measure the adapter in this folder instead")
    parser.add_argument("--most", type=int, help="requests of each set to measure, when not all")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--start", type=Path, help="folder of an adapter to start from")
    chosen = parser.parse_args(arguments)
    if chosen.start is not None and not chosen.start.is_dir():
        parser.error(f"--start takes the folder of an adapter, got {chosen.start}")

    import torch

    torch.set_num_threads(chosen.threads)
    if chosen.evaluate is not None:
        _show(evaluate(chosen.base, chosen.evaluate, most=chosen.most), chosen.out)
        return
    options = TrainingOptions(
        base=chosen.base,
        out=chosen.out,
        minutes=chosen.minutes,
        seed=chosen.seed,
        learning_rate=chosen.learning_rate,
        start=chosen.start,
    )
    folder = train(options)
    print(f"adapter written to {folder}")


if __name__ == "__main__":
    main()
