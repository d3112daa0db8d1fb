"""Attention as two products, which trains faster on a CPU than the fused kernel; it knows no model.

On short sequences the fused kernel's backward costs a good part of a training step.
"""

import torch
from torch import Tensor
from torch.nn import functional


def plain_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """Attend with two batched products.

    Args:
        query: Shape (..., L, D).
        key: Shape (..., S, D).
        value: Shape (..., S, D).
        mask: Broadcast to (..., L, S): bool, True where a query may look, or added to the scores.
        scale: Of the scores, D ** -0.5 unless told.

    Returns:
        Shape (..., L, D).
    """
    scores = query @ key.transpose(-1, -2) * (scale or query.shape[-1] ** -0.5)
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, float("-inf"))
    elif mask is not None:
        scores = scores + mask
    return scores.softmax(-1) @ value


def attend_plainly() -> None:
    """Let every model of this process attend by `plain_attention` on the CPU, where it can."""
    fused = functional.scaled_dot_product_attention

    def attention(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if query.is_cuda or is_causal or dropout_p or enable_gqa:
            return fused(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)  # fmt: skip
        return plain_attention(query, key, value, attn_mask, scale)

    functional.scaled_dot_product_attention = attention
