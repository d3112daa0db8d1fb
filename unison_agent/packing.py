"""Linear layers whose weights are laid out once the way a CPU multiplies them; it does not know their purpose.

In bfloat16 every product otherwise lays them out anew, which takes longer than the product itself where few tokens are
read. What comes out is the same to the last bit.
"""

from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

_TOKENS: Final = 8  # that the layout is made for; it serves any number


class PackedLinear(nn.Linear):
    """A layer that multiplies by `packed`; `weight` is kept as it was, and not read."""

    packed: Tensor

    def forward(self, input: Tensor) -> Tensor:
        """Return the products, shape (..., out_features)."""
        if not _fits(input) or (input.requires_grad and torch.is_grad_enabled()):
            weight = self.packed.to_dense().to(input.device, input.dtype)
            return linear(input, weight, self.bias)
        made = torch.ops.mkldnn._linear_pointwise(input, self.packed, self.bias, "none", [], "")
        return cast("Tensor", made)


def pack(layer: nn.Module) -> bool:
    """Make a layer a `PackedLinear` where this machine can; it stays the same object.

    Args:
        layer: Its own `weight` is not copied.

    Returns:
        Whether it is one now.
    """
    if isinstance(layer, PackedLinear):
        return True
    if type(layer) is not nn.Linear or not _fits(layer.weight) or not _able():
        return False
    layer.__class__ = PackedLinear
    cast("PackedLinear", layer).packed = packed(layer.weight.data)
    return True


def unpack(layer: nn.Module) -> None:
    """Make a layer plain again, with the weight that it had."""
    if isinstance(layer, PackedLinear):
        del layer.packed
        cast("nn.Module", layer).__class__ = nn.Linear


def packed(weight: Tensor) -> Tensor:
    """Return a copy of a weight, (out, in), laid out for `PackedLinear`."""
    return cast("Tensor", torch.ops.mkldnn._reorder_linear_weight(weight, _TOKENS))


def _fits(values: Tensor) -> bool:
    return values.is_cpu and values.dtype == torch.bfloat16


def _able() -> bool:
    """Whether torch has these operators, and the processor computes in bfloat16."""
    if not torch.backends.mkldnn.is_available():
        return False
    names = ("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported")
    if not all(hasattr(torch.ops.mkldnn, name) for name in names):
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
