"""Train a connector for models that stay as they are: any understanding model, any frozen Wan VACE.

This is what makes the design cheap: hidden states and latents are cached once, the transformer is frozen, and
only the resampler learns, from the flow-matching loss of the conditional branch. The meter counts hours of the
processor in use, stops at a budget, and says what the paper's 500,000 samples would cost at that pace.

``python -m unison_agent.training.connector_alone --profile nano --data <captions> --out runs/alone --hours 0.2``;
with several GPUs ``accelerate launch -m unison_agent.training.connector_alone ...``. Started again it goes on.
"""

import argparse
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from unison_agent.connector import Connector, Contract, Resampler, Shape
from unison_agent.conversation import READ_TEMPLATE_SHA256
from unison_agent.errors import RequestError
from unison_agent.opening import load_understanding
from unison_agent.packs import load_pack
from unison_agent.pipelines import PipelineStore
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.training.captioned import batches, cache, load_cache, read_captions
from unison_agent.training.connector import standardise
from unison_agent.training.frozen import Frozen, FrozenVace
from unison_agent.training.loop import Average, Budget, set_rate
from unison_agent.training.plain_attention import attend_plainly
from unison_agent.training.replicas import agreed
from unison_agent.vlm import UnderstandingModel

DROPPED_PROMPTS = 0.1
PAPER_SAMPLES = 500_000
FILE = "connector.safetensors"


@dataclass(frozen=True, slots=True)
class Options:
    """How a connector is trained.

    Attributes:
        hours: Of one device, summed over all processes and all resumed parts.
        batch_size: Samples a step and process.
        accumulate: Steps whose gradients are summed.
        num_queries: Tokens that the pipeline will read.
        start: A checkpoint of training/connector.py, whose tokens differ from prompt to prompt already. From nothing
            the frozen transformer's loss teaches the connector for a long while to say the same of every prompt.
    """

    hours: float
    batch_size: int = 96
    accumulate: int = 1
    num_queries: int = 16
    start: Path | None = None
    learning_rate: float = 2e-3
    seed: int = 0


def open_models(profile: str, progress: Progress) -> tuple[UnderstandingModel, FrozenVace]:
    """Load both models of a profile.

    Raises:
        RequestError: The profile has no tool with a pipeline.
    """
    pack = load_pack(profile)
    specs = [tool.pipeline for tool in pack.tools if tool.pipeline is not None]
    if not specs:
        raise RequestError(f"{pack.profile} has no tool with a pipeline to train a connector for.")
    pipeline = PipelineStore().get(specs[0], progress)
    return load_understanding(pack.understanding, progress), FrozenVace(pipeline)


def contract_of(understanding: UnderstandingModel, frozen: Frozen) -> Contract:
    """Return what a connector between the two is bound to."""
    layer = understanding.layer
    return Contract(understanding.fingerprint, layer, READ_TEMPLATE_SHA256, frozen.text_dim)


def train(
    cached: Path, frozen: Frozen, contract: Contract, out: Path, options: Options
) -> Connector:
    """Train or resume, and write <out>/connector.safetensors, of averaged weights.

    Raises:
        RequestError: Nothing is cached.
    """
    accelerator = Accelerator(gradient_accumulation_steps=options.accumulate)
    minutes = options.hours * 60 / accelerator.num_processes
    alone = accelerator.device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.monotonic
    budget = Budget(out, minutes, warmup_steps=50, cooldown=0.3, clock=clock)
    state = budget.resume()
    process = accelerator.process_index
    torch.manual_seed(options.seed + budget.step + 7919 * process)
    rng = random.Random(options.seed + 1000 * budget.step + 7919 * process)
    buckets = load_cache(cached)
    largest = max(buckets, key=lambda bucket: len(bucket.latents)).pool
    module = Resampler(Shape(largest.states.shape[1], frozen.text_dim, options.num_queries))
    standardise(module, largest)
    if options.start is not None:
        begun = torch.load(options.start, map_location="cpu", weights_only=True)
        module.load_state_dict(begun["connector"])
    optimizer = torch.optim.AdamW(module.parameters(), lr=options.learning_rate, weight_decay=0.01)
    prepared = accelerator.prepare(module, optimizer)
    model, optimizer = cast("tuple[nn.Module, torch.optim.Optimizer]", prepared)
    device = accelerator.device
    average = Average(module.parameters())
    if state is not None:
        module.load_state_dict(cast("dict[str, Tensor]", state["connector"]))
        optimizer.load_state_dict(state["optimizer"])  # pyright: ignore[reportArgumentType]
        average.values = [v.to(device) for v in cast("list[Tensor]", state["average"])]

    def save() -> None:
        if accelerator.is_main_process:
            kept = {
                "connector": module.state_dict(),
                "optimizer": optimizer.state_dict(),
                "average": average.values,
            }
            budget.save(kept)

    loss_now = 0.0
    for latents, states, mask in batches(buckets, options.batch_size, rng):
        if (share := agreed(budget.share)) >= 1:
            break
        set_rate(optimizer, options.learning_rate, budget.rate(share))
        size = len(latents)
        sigma = _noise_levels(size, share).to(device)
        with accelerator.accumulate(model):
            tokens = cast("Tensor", model(states.to(device), mask.to(device)))
            dropped = torch.rand(size, 1, 1, device=device) < DROPPED_PROMPTS
            tokens = torch.where(dropped, module.nothing(size), tokens)
            loss = frozen.loss(tokens, latents.to(device), sigma).mean()
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        budget.count(size * accelerator.num_processes)
        average.update(budget.step)
        loss_now = 0.95 * (loss_now or loss.item()) + 0.05 * loss.item()
        if budget.step % 50 == 0 and accelerator.is_main_process:
            budget.log(loss=loss_now, **meter(budget, accelerator.num_processes))
        if budget.save_due():
            save()
    save()
    average.swap()
    connector = Connector(module.cpu(), contract)
    if accelerator.is_main_process:
        connector.save(out / FILE)
    return connector


def _noise_levels(count: int, share: float) -> Tensor:
    """Return noise levels, nearly pure noise at first, with less and less noise as the run goes on.

    In pure noise the words alone decide. Where the picture shows through, a frozen transformer needs no words,
    and its loss teaches the connector to say the same of every prompt.
    """
    return 1 - (0.1 + 0.3 * share) * torch.rand(count)


def meter(budget: Budget, processes: int) -> dict[str, float]:
    """Return the device hours so far, and those that the paper's number of samples would take."""
    hours = budget.elapsed_seconds / 3600 * processes
    return {"hours": hours, "hours_for_500k": hours * PAPER_SAMPLES / max(1, budget.samples)}


def _tell(event: ProgressEvent) -> None:
    if event.stage == "encode" and event.done % 800 == 0:
        print(f"cached {event.done} of {event.total}", flush=True)


def main() -> None:
    """Cache what is not cached, and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="nano", help="a profile's name, or a tool pack")
    parser.add_argument("--data", type=Path, required=True, help="folder with captions.jsonl")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cached", type=Path, help="what another run cached; <out>/cache")
    parser.add_argument("--hours", type=float, required=True, help="budget, of one device")
    parser.add_argument("--batch-size", type=int, default=96)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--queries", type=int, default=16)
    parser.add_argument("--start", type=Path, help="a checkpoint of training/connector.py")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        attend_plainly()
    cached: Path = args.cached or args.out / "cache"
    captions = [] if cached.exists() else read_captions(args.data)
    understanding, frozen = open_models(args.profile, _tell)
    if captions:
        cache(captions, understanding, frozen, cached, _tell)
    contract = contract_of(understanding, frozen)
    del understanding
    options = Options(
        args.hours,
        args.batch_size,
        args.accumulate,
        args.queries,
        args.start,
        args.learning_rate,
        args.seed,
    )
    train(cached, frozen, contract, args.out, options)


if __name__ == "__main__":
    main()
