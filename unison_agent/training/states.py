"""Read the hidden states of the training requests once and keep them; it trains nothing.

``python -m unison_agent.training.states --base <folder> --vision <file> --task text_to_image --count 20000``
writes one pool a task: the states of all tokens, end to end, and where each example begins. The request
of example i is made again from the seed (`pool_wording`), so it is not stored.
"""

import argparse
import random
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unison_agent import compose
from unison_agent.reading import patches_of
from unison_agent.scenes.examples import Drawing, Wording, drawing, wording
from unison_agent.tasks import GENERATION_TASKS, GenerationTask
from unison_agent.vlm import UnderstandingModel

LAYER = 20
TEXT_DIM = 256  # of the tokens the connector makes of the states
SEED = 1
CHUNK = 64


def pool_wording(task: GenerationTask, index: int, seed: int = SEED) -> Wording:
    """Return the request of example `index` of a task's pool."""
    return wording(task, random.Random(f"{seed}-{task}-{index}"))


def pool_drawing(task: GenerationTask, index: int, said: Wording, seed: int = SEED) -> Drawing:
    """Return the drawing whose media the understanding model saw."""
    return drawing(task, said, random.Random(f"{seed}-{task}-{index}-drawing"), num_frames=17)


@dataclass(frozen=True, slots=True)
class Pool:
    """States of many requests.

    Attributes:
        states: (total tokens, hidden) half precision.
        starts: (examples + 1,) first token of each example.
    """

    states: Tensor
    starts: Tensor

    def __len__(self) -> int:
        return len(self.starts) - 1

    def batch(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """Return padded states (B, L, hidden) float32 and their mask (B, L)."""
        rows = [self.states[int(self.starts[i]) : int(self.starts[i + 1])] for i in indices]
        states = nn.utils.rnn.pad_sequence(rows, batch_first=True).float()
        lengths = torch.tensor([len(row) for row in rows])
        return states, torch.arange(states.shape[1])[None] < lengths[:, None]


def load_pool(path: Path) -> Pool:
    """Load a pool that `main` wrote."""
    values = load_file(path)
    return Pool(values["states"], values["starts"])


def reader(base: Path, vision: Path | None, layer: int) -> UnderstandingModel:
    """Return the understanding model cut off after the layer that is read."""
    tokenizer = compose.load_tokenizer(base)
    tower = None if vision is None else load_file(vision)
    model = compose.build_model(base, tokenizer, tower, torch.bfloat16)
    language = model.model.language_model
    language.layers = language.layers[:layer]
    cast("nn.Module", language).norm = nn.Identity()
    return UnderstandingModel(model, tokenizer, layer=layer, fingerprint="")


def main() -> None:
    """Write the pool of one task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--vision", type=Path, help="weights of the tower; not needed for text")
    parser.add_argument("--task", choices=GENERATION_TASKS, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--layer", type=int, default=LAYER, help="hidden states that are read")
    parser.add_argument("--out", type=Path, default=Path("runs/pools"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = reader(args.base, args.vision, args.layer)
    task: GenerationTask = args.task
    rows: list[Tensor] = []
    for start in range(0, args.count, CHUNK):
        indices = range(start, min(start + CHUNK, args.count))
        said = [pool_wording(task, i) for i in indices]
        seen = [pool_drawing(task, i, w).seen for i, w in zip(indices, said, strict=True)]
        looked = [[patches_of(one) for one in those] for those in seen]
        read = model.read_batch([w.text for w in said], looked)
        rows += [s[m].half() for s, m in zip(read.states, read.mask, strict=True)]
        if start % (CHUNK * 16) == 0:
            print(f"{task} {start + len(said)}/{args.count}", flush=True)
    starts = torch.tensor([0, *(len(row) for row in rows)]).cumsum(0)
    args.out.mkdir(parents=True, exist_ok=True)
    temporary = args.out / f".{task}.safetensors"
    save_file({"states": torch.cat(rows), "starts": starts}, temporary)
    temporary.replace(args.out / f"{task}.safetensors")


if __name__ == "__main__":
    main()
