"""An AutoencoderKLWan whose weights are set, not trained: a PCA of 4x4 pixel patches, exactly invertible.

It knows pixels and the class, nothing of scenes or tasks.

How the class's own layers become one linear map and its transpose:

* ``patch_size=4`` makes the class cut 3x4x4 pixels into 48 channels; ``dim_mult=[1]`` and no residual
  blocks leave conv_in, a middle block, a norm, SiLU and conv_out.
* Residual and attention blocks with zero output weights are identities.
* Of each causal 3x3x3 convolution only the tap (this frame, this cell) is set, so frames do not mix and
  chunked encoding changes nothing: T frames are T latent frames.
* The head is RMS norm, SiLU, convolution. It is fed (x, -x, BIG): beside BIG the RMS is constant, so the
  norm is the identity up to |x|^2 / BIG^2, and silu(x) - silu(-x) = x.
* Two more latent channels mark the border cells (-EDGE, +EDGE at left/right and top/bottom, 0 inside).
  They come from the zero padding next to the constant channel. Wan's attention is relative and this
  encoder knows no position of its own; the marks arrive through every VACE input.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import AutoencoderKLWan
    from torch import nn

PATCH = 4
BIG = 1.0e4
EDGE = 3.0
BORDER_CHANNELS = 2


@dataclass(frozen=True, slots=True)
class Basis:
    """The linear map of the VAE.

    Attributes:
        rows: (z, 48) orthonormal; latents are rows @ (patch - mean).
        mean: (48,) of patches in [-1, 1].
        std: (z,) what the pipeline divides latents by.
    """

    rows: Tensor
    mean: Tensor
    std: Tensor


def principal_basis(pictures: Tensor, num_channels: int) -> Basis:
    """Return the PCA of the 4x4 patches of pictures (N, 3, H, W) in [-1, 1].

    The std is between pixel scaling and whitening (variance ** 0.25): leading channels keep more signal
    than noise for longer, so that denoising goes from coarse to fine.
    """
    n, c, h, w = pictures.shape
    cells = pictures.view(n, c, h // PATCH, PATCH, w // PATCH, PATCH)
    # The class's own order of the 48 channels: colour, x, y.
    patches = cells.permute(0, 2, 4, 1, 5, 3).reshape(-1, c * PATCH * PATCH).double()
    mean = patches.mean(0)
    centred = patches - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    rows = vectors.T.flip(0)[:num_channels].float()
    variance = values.flip(0)[:num_channels].clamp_min(1e-6).float()
    rows = rows * torch.where(rows.sum(1, keepdim=True) < 0, -1.0, 1.0)
    std = variance**0.25
    std = std * (variance / std**2).mean().sqrt()
    return Basis(rows, mean.float(), std)


@torch.no_grad()
def build_vae(basis: Basis) -> "AutoencoderKLWan":
    """Return the VAE of a basis, with z + 2 latent channels."""
    from diffusers import AutoencoderKLWan

    z, patch_channels = basis.rows.shape
    latent_channels = z + BORDER_CHANNELS
    width = 2 * z + 1
    vae = AutoencoderKLWan(
        base_dim=width,
        z_dim=latent_channels,
        dim_mult=[1],
        num_res_blocks=0,
        attn_scales=[],
        # Never read with one level, but WanVACEPipeline takes 2**len as its spatial factor.
        temperal_downsample=[False] * int(math.log2(PATCH)),
        in_channels=patch_channels,
        out_channels=patch_channels,
        patch_size=PATCH,
        scale_factor_temporal=1,
        scale_factor_spatial=PATCH,
        latents_mean=[0.0] * latent_channels,
        latents_std=[*basis.std.tolist(), *[1.0] * BORDER_CHANNELS],
    )
    for parameter in vae.parameters():
        parameter.zero_()
    encoder, decoder = vae.encoder, vae.decoder
    _split(encoder.conv_in, basis.rows, -basis.rows @ basis.mean)
    _join(encoder.norm_out, encoder.conv_out, torch.eye(z))
    taps = (((1, 0), (1, 2)), ((0, 1), (2, 1)))  # (y, x) of the neighbours that may be padding
    for k, (low, high) in enumerate(taps):
        weight = encoder.conv_out.weight[z + k, 2 * z, -1]
        weight[low] = EDGE / BIG
        weight[high] = -EDGE / BIG
    every = range(latent_channels)
    vae.quant_conv.weight[every, every, 0, 0, 0] = 1.0
    log_variance = cast("Tensor", vae.quant_conv.bias)[latent_channels:]
    log_variance.fill_(-30.0)  # so that the mode is the mean
    vae.post_quant_conv.weight[every, every, 0, 0, 0] = 1.0
    _split(decoder.conv_in, torch.eye(z), None)
    _join(decoder.norm_out, decoder.conv_out, basis.rows.T, basis.mean)
    return vae.eval().requires_grad_(False)


def _split(layer: "nn.Module", matrix: Tensor, bias: Tensor | None) -> None:
    """Set a convolution to x -> (Mx + b, -(Mx + b), BIG)."""
    z, inputs = matrix.shape
    weight, offset = cast("Tensor", layer.weight), cast("Tensor", layer.bias)
    weight[:z, :inputs, -1, 1, 1] = matrix
    weight[z : 2 * z, :inputs, -1, 1, 1] = -matrix
    if bias is not None:
        offset[:z] = bias
        offset[z : 2 * z] = -bias
    offset[2 * z] = BIG


def _join(
    norm: "nn.Module", layer: "nn.Module", matrix: Tensor, bias: Tensor | None = None
) -> None:
    """Set norm, SiLU and convolution to (x, -x, BIG) -> Mx + b."""
    outputs, z = matrix.shape
    weight, offset = cast("Tensor", layer.weight), cast("Tensor", layer.bias)
    cast("Tensor", norm.gamma).fill_(BIG / math.sqrt(2 * z + 1))
    weight[:outputs, :z, -1, 1, 1] = matrix
    weight[:outputs, z : 2 * z, -1, 1, 1] = -matrix
    if bias is not None:
        offset[:outputs] = bias


def encode(pixels: Tensor, basis: Basis) -> Tensor:
    """Return the latents the pipeline would compute, fast.

    Args:
        pixels: (B, 3, T, H, W) in [-1, 1].
        basis: On the same device.

    Returns:
        (B, z + 2, T, H/4, W/4), scaled.
    """
    b, c, t, h, w = pixels.shape
    cells = pixels.reshape(b, c, t, h // PATCH, PATCH, w // PATCH, PATCH)
    flat = cells.permute(0, 2, 3, 5, 1, 6, 4).reshape(b, t, h // PATCH, w // PATCH, -1)
    latents = (((flat - basis.mean) @ basis.rows.T) / basis.std).permute(0, 4, 1, 2, 3)
    marks = latents.new_zeros(1, BORDER_CHANNELS, 1, h // PATCH, w // PATCH)
    marks[:, 0, ..., 0], marks[:, 0, ..., -1] = -EDGE, EDGE
    marks[:, 1, ..., 0, :], marks[:, 1, ..., -1, :] = -EDGE, EDGE
    return torch.cat([latents, marks.expand(b, -1, t, -1, -1)], dim=1)


def decode(latents: Tensor, basis: Basis) -> Tensor:
    """Return pixels (B, 3, T, H, W) in [-1, 1] of scaled latents (B, z + 2, T, h, w)."""
    z = basis.rows.shape[0]
    flat = (latents[:, :z].permute(0, 2, 3, 4, 1) * basis.std) @ basis.rows + basis.mean
    b, t, h, w, _ = flat.shape
    cells = flat.reshape(b, t, h, w, 3, PATCH, PATCH).permute(0, 4, 1, 2, 6, 3, 5)
    return cells.reshape(b, 3, t, h * PATCH, w * PATCH).clamp(-1, 1)
