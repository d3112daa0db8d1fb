"""Train nano's transformer and connector together, on all nine generation tasks.

The connector starts from training/connector.py. What it learns from comes from training/generator_batches.py, what
is asked of it from training/generator_loss.py; it knows latents and states, not words.

``python -m unison_agent.training.generator --minutes 90``; stop it, add pools, and start it again; ``torchrun
--nproc-per-node 2 -m ...`` trains on two cores. Large tokens learn fast and stay coarse: --weights goes on from them
with small ones, or from the folder of weights that ship; what has learned long wants a lower rate that falls for
most of the run.
With --predict, --patch and --task it learns something else for comparison: training/ablations.py.
"""

import argparse
import time
from pathlib import Path
from typing import cast

import torch
from accelerate import PartialState
from torch import Tensor, nn

from unison_agent.connector import Resampler, Shape
from unison_agent.tasks import GENERATION_TASKS
from unison_agent.training import closed_form_vae as vae
from unison_agent.training.generator_batches import LATENT_CHANNELS, Source, scene_basis
from unison_agent.training.generator_loss import PREDICTS, loss_of
from unison_agent.training.generator_start import start_from
from unison_agent.training.loop import Average, Budget, add_run_arguments, set_rate
from unison_agent.training.plain_attention import attend_plainly
from unison_agent.training.replicas import agreed, average_gradients
from unison_agent.training.states import TEXT_DIM
from unison_agent.training.wan_transformer import PATCH, make_transformer

LEARNING_RATE = 1.5e-3
LATE_FROM = 0.95  # share of the run
# The connector waits: a transformer that knows nothing yet teaches it to say the same of every prompt.
JOINT_FROM = 0.6  # share of the run
CONNECTOR_RATE = 0.05  # of the transformer's learning rate, from then on
COOLDOWN = 0.15  # share of the run


class Learner:
    """Both networks as they learn: their optimiser and their averaged weights.

    Args:
        hidden: Width of the states.
        patch: Latent cells a side of a token.
        device: Where they learn.
        learning_rate: Of the transformer.
    """

    def __init__(self, hidden: int, patch: int, device: str, learning_rate: float) -> None:
        channels = LATENT_CHANNELS + vae.BORDER_CHANNELS
        made = cast("nn.Module", make_transformer(channels, TEXT_DIM, patch))
        self.transformer = made.to(device).train()
        self.connector = Resampler(Shape(hidden, TEXT_DIM)).to(device).train()
        self.parameters = [*self.transformer.parameters(), *self.connector.parameters()]
        self._device = device
        self._rate = learning_rate
        groups = [{"params": list(m.parameters())} for m in (self.transformer, self.connector)]
        self._optimizer = torch.optim.AdamW(
            groups, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.01
        )

    def begin(self, weights: Path) -> None:
        """Start from weights; a run that goes on is given its `state` instead."""
        start_from(weights, self.transformer, self.connector)
        self._average = Average(self.parameters)

    def go_on(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` returned."""
        self.transformer.load_state_dict(state["transformer"])  # pyright: ignore[reportArgumentType]
        self.connector.load_state_dict(state["connector"])  # pyright: ignore[reportArgumentType]
        self._average = Average(self.parameters)
        self._average.values = [v.to(self._device) for v in cast("list[Tensor]", state["average"])]
        self._optimizer.load_state_dict(state["optimizer"])  # pyright: ignore[reportArgumentType]

    def state(self) -> dict[str, object]:
        """Return all that a run goes on from."""
        return {
            "transformer": self.transformer.state_dict(),
            "connector": self.connector.state_dict(),
            "average": self._average.values,
            "optimizer": self._optimizer.state_dict(),
        }

    def compile(self) -> None:
        """Compile the blocks of the transformer, which are all alike."""
        for blocks in (self.transformer.blocks, self.transformer.vace_blocks):
            for block in cast("nn.ModuleList", blocks):
                block.compile(dynamic=True)

    def set_rate(self, factor: float, *, joint: bool) -> None:
        """Set the learning rate; the connector learns only where `joint`."""
        set_rate(self._optimizer, self._rate, factor)
        self._optimizer.param_groups[1]["lr"] *= CONNECTOR_RATE if joint else 0.0
        self.connector.requires_grad_(joint)

    def learn(self, loss: Tensor, step: int) -> None:
        """Update the weights, by the mean over all processes; `step` is that of the run, from one."""
        loss.backward()
        average_gradients(self.parameters)
        torch.nn.utils.clip_grad_norm_(self.parameters, 2.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._average.update(step)


def _arguments() -> argparse.Namespace:
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
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE)
    parser.add_argument(
        "--cooldown", type=float, default=COOLDOWN, help="share of the run in which the rate falls"
    )
    parser.add_argument(
        "--joint-from",
        type=float,
        default=JOINT_FROM,
        help="share after which the connector learns",
    )
    parser.add_argument("--compile", action="store_true", help="a third faster after some minutes")
    return parser.parse_args()


def main() -> None:
    """Train or resume; checkpoints go to <out>/last.pt."""
    args = _arguments()
    team = PartialState(cpu=not torch.cuda.is_available())
    torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        attend_plainly()
    clock = time.process_time if device == "cpu" and args.threads == 1 else time.monotonic
    budget = Budget(
        args.out, args.minutes, save_every_seconds=240, clock=clock, cooldown=args.cooldown
    )
    state = budget.resume()
    torch.manual_seed(args.seed)  # the same weights in all processes
    seed = args.seed + 1000 * (budget.step + 1) + team.process_index
    tasks = GENERATION_TASKS if args.task is None else (args.task,)
    source = Source(args.pools, scene_basis(), seed, tasks, args.patch)
    hidden = next(iter(source.pools.values())).states.shape[1]
    learner = Learner(hidden, args.patch, device, args.learning_rate)
    if state is None:
        learner.begin(args.weights)
    else:
        learner.go_on(state)
    if args.compile:
        learner.compile()
    if team.is_main_process:
        if state is not None:
            print(f"goes on from {args.out / 'last.pt'}; --weights are of a fresh run", flush=True)
        print({t: len(i) for t, i in source.indices.items()}, flush=True)
    torch.manual_seed(seed)  # other noise in each process, and in each part of a run
    means: dict[str, float] = {}
    while (share := agreed(budget.share)) < 1:
        learner.set_rate(budget.rate(share), joint=share >= args.joint_from)
        task = source.choose(share)
        batch = source.batch(task)
        networks = learner.transformer, learner.connector
        loss = loss_of(batch, *networks, predict=args.predict, late=share >= LATE_FROM)
        budget.count(len(batch.latents) * team.num_processes)
        learner.learn(loss, budget.step)
        value: float = loss.item()
        means[task] = means.get(task, value) * 0.95 + value * 0.05
        if budget.step % 100 == 0 and team.is_main_process:
            budget.log(**means)
        if budget.save_due() and team.is_main_process:
            budget.save(learner.state())
    if team.is_main_process:
        budget.save(learner.state())
    team.wait_for_everyone()  # one whose fellow is gone before it would abort
    team.destroy_process_group()


if __name__ == "__main__":
    main()
