"""The rows of a batch on a causal language model, with their key-value cache; knows no grammar.

Rows advance by different numbers of tokens, and some of these are forgotten again. What all rows forget
is cropped from the cache; what only some do stays as a hole that the attention mask hides.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from unison_agent.decoding.writing import Step

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel

KeyValues = tuple[tuple["Tensor", "Tensor"], ...]
"""Keys and values of each layer, (1, heads, tokens, head size); never changed in place."""


def read_prefix(model: "PreTrainedModel", token_ids: Sequence[int]) -> KeyValues:
    """Return the keys and values of tokens that begin every row."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    ids = torch.tensor([list(token_ids)], device=model.device)
    with torch.inference_mode():
        model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    layers = cast("Iterable[tuple[Tensor, Tensor, object]]", cache)
    return tuple((keys, values) for keys, values, _ in layers)


class Rows:
    """A batch that is stepped together.

    Args:
        model: In evaluation mode.
        count: How many rows.
        prefix: What every row begins with. It is copied, so several batches can share it.
    """

    def __init__(self, model: "PreTrainedModel", count: int, prefix: KeyValues) -> None:
        import torch
        from transformers import DynamicCache

        self._model = model
        started = [
            (keys.expand(count, -1, -1, -1), values.expand(count, -1, -1, -1))
            for keys, values in prefix
        ]
        self._cache = DynamicCache(started, config=model.config)
        length = self._cache.get_seq_length()
        self._seen = torch.ones(count, length, dtype=torch.bool)
        self._lengths = [length] * count  # without holes

    def read(self, steps: Sequence[Step]) -> "list[NDArray[np.float32]]":
        """Read one step of each row and return its logits, [drafted + 1, vocabulary]."""
        import torch

        self._forget([step.dropped for step in steps])
        width = max(len(step.tokens) for step in steps)
        ids = torch.zeros(len(steps), width, dtype=torch.long)
        positions = torch.zeros_like(ids)
        seen = torch.zeros(len(steps), width, dtype=torch.bool)
        # Padded on the left, so that the wanted logits stand at the end of every row.
        for row, step in enumerate(steps):
            begin, length = width - len(step.tokens), self._lengths[row]
            ids[row, begin:] = torch.tensor(step.tokens)
            positions[row, begin:] = torch.arange(length, length + len(step.tokens))
            seen[row, begin:] = True
            self._lengths[row] += len(step.tokens)
        self._seen = torch.cat([self._seen, seen], dim=1)
        device = self._model.device
        where: dict[str, Tensor] = {}
        if not bool(self._seen.all()):
            where = {
                "attention_mask": self._seen.long().to(device),
                "position_ids": positions.to(device),
            }
        wanted = max(step.drafted for step in steps) + 1
        with torch.inference_mode():
            logits = self._model(
                input_ids=ids.to(device),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=wanted,
                **where,
            ).logits
        values = cast("NDArray[np.float32]", logits.float().cpu().numpy())
        return [values[row, -step.drafted - 1 :] for row, step in enumerate(steps)]

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""
        import torch

        index = torch.tensor(rows)
        self._cache.batch_select_indices(index.to(self._model.device))
        self._seen = self._seen[index]
        self._lengths = [self._lengths[row] for row in rows]

    def _forget(self, dropped: Sequence[int]) -> None:
        common = min(dropped)
        if common:
            self._cache.crop(-common)
            self._seen = self._seen[:, :-common]
        for row, count in enumerate(dropped):
            self._lengths[row] -= count
            if count > common:
                self._seen[row, common - count :] = False
