"""What a fresh run of the generator starts from; it knows files and token sizes, not the training.

Where tokens were larger before, the layers that depend on the size are cut to smaller ones (`with_finer_tokens`).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from unison_agent.training.wan_transformer import with_finer_tokens

TRANSFORMER = Path("pipeline", "transformer", "diffusion_pytorch_model.safetensors")
CONNECTOR = "connector.safetensors"


def start_from(path: Path, transformer: nn.Module, connector: nn.Module) -> None:
    """Load into both models what `path` holds of them.

    Args:
        path: The last.pt of training/connector.py, which leaves the transformer as it is; that of another run of the
            generator, whose averaged weights are taken; or the folder of weights that ship.
        transformer: With tokens as large as those of the path's, or smaller.
        connector: A resampler of the same shape.
    """
    if path.is_dir():
        _load(transformer, load_file(path / TRANSFORMER))
        connector.load_state_dict(load_file(path / CONNECTOR))
        return
    state = torch.load(path, map_location="cpu", weights_only=True)
    # One list for both, in the order in which the generator trains them.
    averaged = iter(cast("list[Tensor]", state.get("average", [])))
    if "transformer" in state:
        _load(transformer, _averaged(transformer, state["transformer"], averaged))
    connector.load_state_dict(_averaged(connector, state["connector"], averaged))


def _averaged(
    module: nn.Module, known: Mapping[str, Tensor], averaged: Iterator[Tensor]
) -> dict[str, Tensor]:
    """Return the state with averaged parameters, where there are any; a connector's start has none."""
    names = [name for name, _ in module.named_parameters()]
    return {**known, **dict(zip(names, averaged, strict=False))}


def _load(transformer: nn.Module, known: Mapping[str, Tensor]) -> None:
    old, new = (
        state["patch_embedding.weight"].shape[-1] for state in (known, transformer.state_dict())
    )
    transformer.load_state_dict(with_finer_tokens(dict(known), old, new))
