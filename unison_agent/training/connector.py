"""Give the connector a start: its tokens learn to say what the scene of a request is.

Token k is read by a throw-away head that names the k-th word of `scenes.words.summary`. A few minutes of
this, which cost no transformer, and joint training (training/generator.py) begins with tokens that
differ from prompt to prompt. Learned jointly from nothing, they stayed alike for 40,000 samples.
"""

import argparse
import random
from pathlib import Path

import torch
from torch import Tensor, nn

from unison_agent.connector import Resampler, Shape
from unison_agent.scenes import words
from unison_agent.tasks import GENERATION_TASKS, GenerationTask
from unison_agent.training.loop import Budget, add_run_arguments, set_rate
from unison_agent.training.states import TEXT_DIM, Pool, load_pool, pool_wording

LEARNING_RATE = 1e-3
BATCH = 192
_INDEX = {word: i for i, word in enumerate(words.SUMMARY_WORDS)}


def standardise(module: Resampler, pool: Pool) -> None:
    """Set the module's mean and std from the tokens of a pool, first tokens left out."""
    first = torch.zeros(len(pool.states), dtype=torch.bool)
    first[pool.starts[:-1]] = True
    states = pool.states[~first][:300_000].float()
    module.state_mean.copy_(states.mean(0))
    module.state_std.copy_(states.std(0).clamp_min(1e-3))


def labels(task: GenerationTask, index: int) -> list[int]:
    """Return the summary of the scene that example `index` asks for, as word indices."""
    scene = pool_wording(task, index).scene
    said = words.summary(scene, moving=any(t.motion for t in scene.things))
    return [_INDEX.get(w, _INDEX[words.EMPTY]) for w in said]  # a removal may leave zero things


def main() -> None:
    """Train, resume, and leave last.pt for the generator to start from."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pools", type=Path, default=Path("runs/pools"))
    add_run_arguments(parser, out=Path("runs/connector"), minutes=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    budget = Budget(args.out, args.minutes, cooldown=0.4)
    state = budget.resume()
    rng = random.Random(args.seed + 1000 * budget.step)
    pools: dict[GenerationTask, Pool] = {
        task: load_pool(args.pools / f"{task}.safetensors")
        for task in GENERATION_TASKS
        if (args.pools / f"{task}.safetensors").exists()
    }
    first = next(iter(pools.values()))
    module = Resampler(Shape(first.states.shape[1], TEXT_DIM)).train()
    standardise(module, first)
    heads = nn.Parameter(torch.randn(words.SUMMARY_LENGTH, TEXT_DIM, len(_INDEX)) * 0.05)
    parameters = [*module.parameters(), heads]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.01)
    if state is not None:
        module.load_state_dict(state["connector"])  # pyright: ignore[reportArgumentType]
        heads.data = state["heads"]
        optimizer.load_state_dict(state["optimizer"])  # pyright: ignore[reportArgumentType]
    known: dict[tuple[GenerationTask, int], list[int]] = {}
    right: dict[str, float] = {}

    def step(task: GenerationTask) -> Tensor:
        indices = [rng.randrange(len(pools[task])) for _ in range(BATCH)]
        for i in indices:
            if (task, i) not in known:
                known[task, i] = labels(task, i)
        wanted = torch.tensor([known[task, i] for i in indices])
        with torch.autocast("cpu", torch.bfloat16):
            tokens = module(*pools[task].batch(indices))
        logits = torch.einsum("bkd,kdw->bkw", tokens.float(), heads)
        accuracy = (logits.argmax(-1) == wanted).float().mean().item()
        right[task] = right.get(task, accuracy) * 0.9 + accuracy * 0.1
        return nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())

    def save() -> None:
        budget.save(
            {
                "connector": module.state_dict(),
                "heads": heads.data,
                "optimizer": optimizer.state_dict(),
            }
        )

    tasks = list(pools)
    weights = [3.0 if task == "text_to_image" else 1.0 for task in tasks]
    while not budget.over:
        set_rate(optimizer, LEARNING_RATE, budget.rate())
        loss = step(rng.choices(tasks, weights)[0])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        budget.count(BATCH)
        if budget.step % 25 == 0:
            budget.log(loss=loss.item(), **right)
        if budget.save_due():
            save()
    save()


if __name__ == "__main__":
    main()
