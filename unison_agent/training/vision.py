"""Train nano's vision tower to sum up a picture in sixteen word embeddings of the language model.

The tower has one output token a 16-pixel patch. Output k is pulled to the embedding of the k-th word
of `scenes.words.summary`, so that the frozen language model reads words it already knows. Halfway up,
throw-away heads name what is at each thing's own patch, and where it moves: without them the first minutes
teach places only. It does not know the language model beyond its embedding table.
"""

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from unison_agent import compose, pixels
from unison_agent.scenes import words, world
from unison_agent.training.loop import Average, Budget, add_run_arguments, set_rate
from unison_agent.training.plain_attention import plain_attention

if TYPE_CHECKING:
    from transformers import Qwen2_5_VLForConditionalGeneration
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
        Qwen2_5_VisionTransformerPretrainedModel,
        Qwen2_5_VLVisionAttention,
        Qwen2_5_VLVisionBlock,
    )

LEARNING_RATE = 1.2e-3
BATCH = 96
GAP = (3, 9)  # frames between the two of a pair
FIRST = 13  # the first of them is one of so many
CLIPS = 0.5  # share of pairs
# A thing moves by a pixel a frame, and still things are many: left to itself the tower says "still" of all.
MOTION_WEIGHT = 4.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One training example.

    Attributes:
        frames: (2, 64, 64, 3) uint8.
        summary: Sixteen words.
        spots: For three things, the patch under the centre; -1 where there is no thing.
        motions: Where each of them moves, or "still".
    """

    frames: NDArray[np.uint8]
    summary: tuple[str, ...]
    spots: tuple[int, ...]
    motions: tuple[str, ...]


def _spots(scene: world.Scene, frame: int) -> tuple[int, ...]:
    found: list[int] = []
    for thing in scene.things:
        dx, dy = world.DIRECTIONS[thing.motion] if thing.motion else (0, 0)
        x, y = thing.x + dx * world.SPEED * frame, thing.y + dy * world.SPEED * frame
        column, row = (min(3, max(0, v // pixels.PATCH)) for v in (x, y))
        found.append(row * 4 + column)
    return tuple(found + [-1] * (3 - len(found)))


def _motions(scene: world.Scene) -> tuple[str, ...]:
    return tuple([t.motion or "still" for t in scene.things] + ["still"] * (3 - len(scene.things)))


def sample(rng: random.Random) -> Sample:
    """Return a random example: a still picture, two frames of a clip, or a map."""
    kind = rng.random()
    if kind < CLIPS:
        scene = world.random_scene(rng, moving=True)
        first = rng.randrange(FIRST)
        pair = [world.draw(scene, first), world.draw(scene, first + rng.randint(*GAP))]
        summary = words.summary(world.later(scene, first), moving=True)
        return Sample(np.stack(pair), summary, _spots(scene, first), _motions(scene))
    scene = world.random_scene(rng)
    picture = world.draw(scene)
    summary = words.summary(scene, moving=False)
    if kind < CLIPS + 0.1:
        maps = (
            world.edge_map(picture),
            world.gray_map(picture),
            world.depth_map(scene),
            world.layout_map(scene),
        )
        picture = rng.choice(maps)
        # A map shows no colours.
        summary = tuple("a" if w in world.sprites.COLORS else w for w in summary)
    still = world.Scene(scene.background, tuple(replace(t, motion=None) for t in scene.things))
    return Sample(np.stack([picture, picture]), summary, _spots(scene, 0), _motions(still))


def targets(model: "Qwen2_5_VLForConditionalGeneration", base: Path) -> Tensor:
    """Return the embedding of every summary word, shape (words, hidden)."""
    tokenizer = compose.load_tokenizer(base)
    table = cast("nn.Embedding", model.get_input_embeddings()).weight.float()
    rows = [
        table[tokenizer(" " + word, add_special_tokens=False).input_ids].mean(0)
        for word in words.SUMMARY_WORDS
    ]
    return torch.stack(rows)


class BatchedTower(nn.Module):
    """The tower's own weights, run on a batch of equal pictures at once.

    The class loops over pictures in attention; with all of one size there is no need to.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, tower: "Qwen2_5_VisionTransformerPretrainedModel") -> None:
        super().__init__()
        self.tower = tower
        seen: list[tuple[Tensor, Tensor]] = []
        block = tower.blocks[0]
        hook = block.register_forward_pre_hook(
            lambda _m, _a, kwargs: seen.append(kwargs["position_embeddings"]), with_kwargs=True
        )
        dtype = next(tower.parameters()).dtype
        tower(torch.zeros(pixels.TOKENS, 1536, dtype=dtype), grid_thw=torch.tensor([[1, 4, 4]]))
        hook.remove()
        for name, values in zip(("cos", "sin"), seen[0], strict=True):
            self.register_buffer(name, values.float(), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs (B, 16, hidden of the language model) and the states halfway up."""
        tower = self.tower
        hidden = functional.linear(x, tower.patch_embed.proj.weight.flatten(1))
        halfway = hidden
        blocks = cast("Sequence[Qwen2_5_VLVisionBlock]", tower.blocks)
        for i, block in enumerate(blocks):
            hidden = hidden + self._attend(block.attn, block.norm1(hidden))
            hidden = hidden + block.mlp(block.norm2(hidden))
            if i + 1 == len(blocks) // 2:
                halfway = hidden
        return tower.merger.mlp(tower.merger.ln_q(hidden)), halfway

    def _attend(self, attention: "Qwen2_5_VLVisionAttention", x: Tensor) -> Tensor:
        b, n, d = x.shape
        heads = attention.num_heads
        query, key, value = attention.qkv(x).view(b, n, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
        out = plain_attention(self._rotate(query), self._rotate(key), value)
        return attention.proj(out.transpose(1, 2).reshape(b, n, d))

    def _rotate(self, x: Tensor) -> Tensor:
        half = x.shape[-1] // 2
        turned = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
        return (x * self.cos + turned * self.sin).to(x.dtype)


def main() -> None:
    """Train, resume, and write vision.safetensors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="folder of the language model")
    add_run_arguments(parser, out=Path("runs/vision"), minutes=15)
    args = parser.parse_args()
    from safetensors.torch import save_file

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    clock = time.process_time if args.threads == 1 else time.monotonic
    budget = Budget(args.out, args.minutes, clock=clock)
    state = budget.resume()
    rng = random.Random(args.seed + 1000 * budget.step)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = compose.load_tokenizer(args.base)
    model = compose.build_model(args.base, tokenizer, None, torch.float32)
    vectors = targets(model, args.base).to(device)
    tower = model.model.visual.requires_grad_(True)
    net = BatchedTower(tower).to(device)
    heads = nn.Linear(256, 3 * len(words.SUMMARY_WORDS)).to(
        device
    )  # colour, name, motion at a spot
    average = Average(tower.parameters())
    parameters = [*tower.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.01)
    if state is not None:
        heads.load_state_dict(state["heads"])  # pyright: ignore[reportArgumentType]
        tower.load_state_dict(state["tower"])  # pyright: ignore[reportArgumentType]
        average.values = [v.to(device) for v in cast("list[Tensor]", state["average"])]
        optimizer.load_state_dict(state["optimizer"])  # pyright: ignore[reportArgumentType]
    index = {word: i for i, word in enumerate(words.SUMMARY_WORDS)}
    scale = vectors.pow(2).sum(-1).mean()

    weight = torch.ones(words.SUMMARY_LENGTH, device=device)
    weight[-1] = MOTION_WEIGHT
    weight /= weight.mean()

    def batch(size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows = [sample(rng) for _ in range(size)]
        frames = torch.from_numpy(np.stack([r.frames for r in rows]))
        labels = torch.tensor([[index[w] for w in r.summary] for r in rows])
        spots = torch.tensor([r.spots for r in rows])
        motions = torch.tensor([[index[m] for m in r.motions] for r in rows])
        x = pixels.patches(frames).to(device)
        return x, labels.to(device), spots.to(device), motions.to(device)

    def score(out: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        distance = torch.cdist(out.float(), vectors.expand(len(out), -1, -1)).pow(2) / scale
        wrong = functional.cross_entropy(-8 * distance.transpose(1, 2), labels, reduction="none")
        far = distance.gather(-1, labels[..., None])[..., 0]
        loss = ((wrong + 2 * far) * weight).mean()
        return loss, (distance.argmin(-1) == labels).float()

    def look(halfway: Tensor, labels: Tensor, spots: Tensor, motions: Tensor) -> Tensor:
        """Return the loss of naming colour, name and motion at each thing's patch."""
        row, thing = (spots >= 0).nonzero(as_tuple=True)
        logits = heads(halfway[row, spots[row, thing]]).float().unflatten(-1, (3, -1))
        said = (labels[row, 4 * thing + 1], labels[row, 4 * thing + 2], motions[row, thing])
        wanted = torch.stack(said, dim=1)
        return functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())

    def save() -> None:
        budget.save(
            {
                "tower": tower.state_dict(),
                "heads": heads.state_dict(),
                "average": average.values,
                "optimizer": optimizer.state_dict(),
            }
        )

    while not budget.over:
        set_rate(optimizer, LEARNING_RATE, budget.rate())
        x, labels, spots, motions = batch(BATCH)
        with torch.autocast(device, torch.bfloat16):
            out, halfway = net(x)
            hint = look(halfway, labels, spots, motions)
        loss, right = score(out, labels)
        (loss + hint).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        budget.count(BATCH)
        average.update(budget.step)
        if budget.step % 50 == 0:
            by_word = right.mean(0)
            budget.log(
                loss=loss.item(),
                hint=hint.item(),
                right=right.mean().item(),
                color=by_word[1].item(),
                name=by_word[2].item(),
                place=by_word[3].item(),
                motion=right[labels[:, -1] != index["still"], -1].mean().item(),
            )
        if budget.save_due():
            save()
    save()
    average.swap()
    with torch.no_grad():
        x, labels, _, _ = batch(1000)
        _, right = score(net(x)[0], labels)
    budget.log(final=right.mean().item(), name=right[:, 2].mean().item())
    weights = {k: v.detach().half().contiguous().cpu() for k, v in tower.state_dict().items()}
    save_file(weights, args.out / "vision.safetensors")


if __name__ == "__main__":
    main()
