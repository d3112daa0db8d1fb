"""Gradients averaged over the processes of a run, and one clock for all; it does not know what is trained.

accelerate starts and joins the processes (`PartialState`). Its wrapper of a model wants the same parameters to learn
in every step, and the generator's connector learns only late, so gradients are averaged by hand, all in one message.
"""

from collections.abc import Sequence
from typing import cast

import torch
from accelerate import PartialState
from accelerate.utils.operations import broadcast, reduce
from torch import Tensor, nn


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Give every process the mean of all their gradients; nothing changes where there is one.

    Args:
        parameters: The same ones have a gradient in each process.
    """
    gradients: list[Tensor] = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    mean = cast("Tensor", reduce(flat, reduction="mean"))
    parts = mean.split([g.numel() for g in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def agreed(share: float) -> float:
    """Return the first process's share of the run that is done, so that all stop together."""
    here = torch.tensor(share, dtype=torch.float64, device=PartialState().device)
    return cast("Tensor", broadcast(here)).item()
