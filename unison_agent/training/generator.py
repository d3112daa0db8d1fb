"""Train nano's transformer and connector together, on all nine generation tasks.

The network sees noisy latents, VACE's control latents and the connector's tokens, and says the clean
latents (x-prediction); the loss is |x - x_hat|^2 / max(sigma, 0.2)^2 with sigma = sigmoid(N(0.8, 1)) or,
for a share of the samples, uniform near 1, where the words alone decide.
The timestep fed is 1000 sigma, which is what UniPC with prediction_type="sample" and flow sigmas feeds.
The connector starts from training/connector.py. What it learns from comes from
training/generator_batches.py; it knows latents and states, not words.

``python -m unison_agent.training.generator --minutes 90``; stop it, add pools, and start it again; ``torchrun
--nproc-per-node 2 -m ...`` trains on two cores. Large tokens learn fast and stay coarse: --weights goes on from them
with small ones, or from the folder of weights that ship.
With --predict, --patch and --task it learns something else for comparison: training/ablations.py.
"""

import argparse
import time
from pathlib import Path
from typing import cast

import torch
from accelerate import PartialState
from accelerate.utils.operations import broadcast
from torch import Tensor, nn

from unison_agent.connector import Resampler, Shape
from unison_agent.tasks import GENERATION_TASKS
from unison_agent.training import closed_form_vae as vae
from unison_agent.training.generator_batches import LATENT_CHANNELS, Source, scene_basis
from unison_agent.training.generator_start import start_from
from unison_agent.training.loop import Average, Budget, add_run_arguments, set_rate
from unison_agent.training.plain_attention import attend_plainly
from unison_agent.training.replicas import average_gradients
from unison_agent.training.states import TEXT_DIM
from unison_agent.training.wan_transformer import PATCH, make_transformer

LEARNING_RATE = 1.5e-3
PREDICTS = ("clean", "velocity")
DROPPED_PROMPTS = 0.1
SMALLEST_SIGMA = 0.2
# Share of nearly pure noise. Frames of a clip look so alike that even much noise shows where it moves: without
# more of it the words for directions were never needed, and never learned.
NOISIEST = {"image": 0.2, "video": 0.5}
NOISIEST_FROM = 0.88
LATE_FROM = 0.95  # share of the run
# Most of a picture is flat ground, which is learned at once: cells unlike it count more.
THING_WEIGHT = 4.0
_UNLIKE_GROUND = 0.05
# The connector waits: a transformer that knows nothing yet teaches it to say the same of every prompt.
JOINT_FROM = 0.6  # share of the run
CONNECTOR_RATE = 0.05  # of the transformer's learning rate, from then on


def _sigmas(count: int, noisiest: float, *, late: bool = False) -> Tensor:
    """Return noise levels; `late` in a run there is less noise, for it is there that fine detail settles."""
    usual = torch.sigmoid(torch.randn(count) + (0.2 if late else 0.8))
    noisiest = noisiest / 2 if late else noisiest
    high = NOISIEST_FROM + (1 - NOISIEST_FROM) * torch.rand(count)
    return torch.where(torch.rand(count) < noisiest, high, usual)


def _weight(latents: Tensor) -> Tensor:
    """Return how much each cell counts, (B, T, h, w), one on average; the corner is taken for the ground."""
    pixels = latents[:, :LATENT_CHANNELS]
    unlike = (pixels - pixels[..., :1, :1]).abs().mean(1) > _UNLIKE_GROUND
    weight = 1 + (THING_WEIGHT - 1) * unlike.float()
    return weight / weight.mean()


def agreed(share: float) -> float:
    """Return the first process's share of the run that is done, so that all stop together."""
    here = torch.tensor(share, dtype=torch.float64, device=PartialState().device)
    return cast("Tensor", broadcast(here)).item()


def main() -> None:
    """Train or resume; checkpoints go to <out>/last.pt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pools", type=Path, default=Path("runs/pools"))
    add_run_arguments(
        parser, out=Path("runs/generator"), minutes=90, of="of the processor, if it has one thread"
    )
    parser.add_argument("--task", choices=GENERATION_TASKS, help="learn this one alone")
    parser.add_argument("--predict", choices=PREDICTS, default="clean")
    parser.add_argument("--patch", type=int, default=PATCH, help="latent cells a side of a token")
    parser.add_argument(
        "--weights",
        type=Path,
        default=Path("runs/connector/last.pt"),
        help="of a fresh run: last.pt of training/connector.py or of another run, or the folder that ships",
    )
    parser.add_argument("--compile", action="store_true", help="a third faster after some minutes")
    args = parser.parse_args()
    team = PartialState(cpu=not torch.cuda.is_available())
    torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        attend_plainly()
    clock = time.process_time if device == "cpu" and args.threads == 1 else time.monotonic
    budget = Budget(args.out, args.minutes, save_every_seconds=240, clock=clock, cooldown=0.15)
    state = budget.resume()
    torch.manual_seed(args.seed)  # the same weights in all processes
    seed = args.seed + 1000 * (budget.step + 1) + team.process_index
    basis = scene_basis()
    tasks = GENERATION_TASKS if args.task is None else (args.task,)
    source = Source(args.pools, basis, seed, tasks, args.patch)
    latent_channels = LATENT_CHANNELS + vae.BORDER_CHANNELS
    transformer = cast("nn.Module", make_transformer(latent_channels, TEXT_DIM, args.patch))
    transformer = transformer.to(device).train()
    hidden = next(iter(source.pools.values())).states.shape[1]
    connector = Resampler(Shape(hidden, TEXT_DIM)).to(device).train()
    if state is None:
        start_from(args.weights, transformer, connector)
    elif team.is_main_process:
        print(f"goes on from {args.out / 'last.pt'}; --weights are of a fresh run", flush=True)
    parameters = [*transformer.parameters(), *connector.parameters()]
    average = Average(parameters)
    groups = [{"params": list(m.parameters())} for m in (transformer, connector)]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.01)
    if state is not None:
        transformer.load_state_dict(state["transformer"])  # pyright: ignore[reportArgumentType]
        connector.load_state_dict(state["connector"])  # pyright: ignore[reportArgumentType]
        average.values = [v.to(device) for v in cast("list[Tensor]", state["average"])]
        optimizer.load_state_dict(state["optimizer"])  # pyright: ignore[reportArgumentType]
    if args.compile:
        for blocks in (transformer.blocks, transformer.vace_blocks):
            for block in cast("nn.ModuleList", blocks):
                block.compile(dynamic=True)

    def save() -> None:
        budget.save(
            {
                "transformer": transformer.state_dict(),
                "connector": connector.state_dict(),
                "average": average.values,
                "optimizer": optimizer.state_dict(),
            }
        )

    torch.manual_seed(seed)  # other noise in each process, and in each part of a run
    if team.is_main_process:
        print({t: len(i) for t, i in source.indices.items()}, flush=True)
    means: dict[str, float] = {}
    while (share := agreed(budget.share)) < 1:
        joint = share >= JOINT_FROM
        set_rate(optimizer, LEARNING_RATE, budget.rate(share))
        optimizer.param_groups[1]["lr"] *= CONNECTOR_RATE if joint else 0.0
        connector.requires_grad_(joint)
        task = source.choose(share)
        batch = source.batch(task)
        clean = batch.latents.to(device)
        size = len(clean)
        noisiest = NOISIEST["video" if clean.shape[2] > 2 else "image"]
        sigma = _sigmas(size, noisiest, late=share >= LATE_FROM).to(device)
        s = sigma.view(-1, 1, 1, 1, 1)
        noise = torch.randn_like(clean)
        noisy = (1 - s) * clean + s * noise
        with torch.autocast(device, torch.bfloat16):
            tokens = connector(batch.states.to(device), batch.mask.to(device))
            dropped = torch.rand(size, 1, 1, device=device) < DROPPED_PROMPTS
            tokens = torch.where(dropped, connector.nothing(size), tokens)
            predicted = transformer(
                hidden_states=noisy,
                timestep=sigma * 1000,
                encoder_hidden_states=tokens,
                control_hidden_states=batch.control.to(device),
                return_dict=False,
            )[0]
        # Either way the error is that of the velocity, noise - clean, but for the last bit of noise.
        if args.predict == "clean":
            wrong = (predicted.float() - clean) / s.clamp_min(SMALLEST_SIGMA)
        else:
            wrong = predicted.float() - (noise - clean)
        loss = (wrong.pow(2).mean(1) * _weight(clean)).mean()
        loss.backward()
        average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 2.0)
        optimizer.step()
        optimizer.zero_grad()
        budget.count(size * team.num_processes)
        average.update(budget.step)
        value: float = loss.item()
        means[task] = means.get(task, value) * 0.95 + value * 0.05
        if budget.step % 100 == 0 and team.is_main_process:
            budget.log(**means)
        if budget.save_due() and team.is_main_process:
            save()
    if team.is_main_process:
        save()
    team.wait_for_everyone()  # one whose fellow is gone before it would abort
    team.destroy_process_group()


if __name__ == "__main__":
    main()
