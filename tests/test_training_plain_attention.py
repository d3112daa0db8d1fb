"""Plain attention says what the fused kernel says, and stands in for it only where it may."""

import subprocess
import sys

import torch
from torch.nn import functional

from unison_agent.training.plain_attention import plain_attention


def test_it_equals_the_fused_kernel_forwards_and_backwards() -> None:
    torch.manual_seed(0)
    query, key, value = parts = [torch.randn(2, 3, 5, 8, requires_grad=True) for _ in range(3)]
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    said = plain_attention(query, key, value, mask, 0.3)
    expected = functional.scaled_dot_product_attention(query, key, value, mask, scale=0.3)
    torch.testing.assert_close(said, expected)
    wanted = torch.autograd.grad(expected.square().sum(), parts)
    for got, want in zip(torch.autograd.grad(said.square().sum(), parts), wanted, strict=True):
        torch.testing.assert_close(got, want)


def test_a_mask_is_still_respected_where_everything_attends_plainly() -> None:
    # In a process of its own: it changes torch for good.
    code = """
import torch
from torch.nn import functional
from unison_agent.training.plain_attention import attend_plainly
query, key, value = torch.randn(3, 1, 4, 8)
plain = functional.scaled_dot_product_attention(query, key, value)
causal = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
attend_plainly()
torch.testing.assert_close(functional.scaled_dot_product_attention(query, key, value), plain)
torch.testing.assert_close(functional.scaled_dot_product_attention(query, key, value, is_causal=True), causal)
assert not torch.allclose(plain, causal)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
