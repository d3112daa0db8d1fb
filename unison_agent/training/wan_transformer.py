"""A tiny WanVACETransformer3DModel, initialised so that it learns from scratch; it knows no data."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from torch import Tensor, nn

if TYPE_CHECKING:
    from diffusers import WanVACETransformer3DModel
    from diffusers.models.transformers.transformer_wan import WanTransformerBlock
    from diffusers.models.transformers.transformer_wan_vace import WanVACETransformerBlock

WIDTH = 256
NUM_LAYERS = 8
PATCH = 2  # latent cells a side of a token; 8 pixels with the closed-form VAE
COARSE = 4  # what the first 399 minutes were trained with
MASK_CHANNELS = 16


def make_transformer(
    latent_channels: int, text_dim: int, patch: int = PATCH
) -> "WanVACETransformer3DModel":
    """Return a fresh model of about ten million parameters, a token for each patch x patch latent cells.

    The class's default initialisation is meant for loading weights over it. Here the time embedding
    starts silent with small open gates, outputs start at zero, and VACE's own outputs at half strength:
    they carry the absolute position (see closed_form_vae), so they must speak from the first step.
    """
    from diffusers import WanVACETransformer3DModel

    model = WanVACETransformer3DModel(
        patch_size=(1, patch, patch),
        num_attention_heads=WIDTH // 64,
        attention_head_dim=64,
        in_channels=latent_channels,
        out_channels=latent_channels,
        text_dim=text_dim,
        freq_dim=128,
        ffn_dim=3 * WIDTH,
        num_layers=NUM_LAYERS,
        vace_layers=[0, NUM_LAYERS // 2],
        vace_in_channels=2 * latent_channels + MASK_CHANNELS,
        rope_max_seq_len=128,
    )
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            bias = cast("Tensor | None", module.bias)
            if bias is not None:
                nn.init.zeros_(bias)
    for embedding in (model.patch_embedding, model.vace_patch_embedding):
        nn.init.xavier_uniform_(embedding.weight.flatten(1))
        nn.init.zeros_(cast("Tensor", embedding.bias))
    time = model.condition_embedder.time_embedder
    for layer in (time.linear_1, time.linear_2):
        nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(model.condition_embedder.time_proj.weight)
    plain = cast("Iterable[WanTransformerBlock]", model.blocks)
    vace = cast("Iterable[WanVACETransformerBlock]", model.vace_blocks)
    for block in [*plain, *vace]:
        block.scale_shift_table.data.zero_()
        block.scale_shift_table.data[:, [2, 5]] = 0.3  # the two gates
        nn.init.normal_(cast("nn.Linear", block.attn2.to_out[0]).weight, std=0.02)
    model.scale_shift_table.data.zero_()
    nn.init.zeros_(model.proj_out.weight)
    nn.init.zeros_(model.proj_out.bias)
    for block in vace:
        cast("nn.Linear", block.proj_out).weight.data.mul_(0.5)
    return model


def with_finer_tokens(state: dict[str, Tensor], old: int, new: int) -> dict[str, Tensor]:
    """Return the weights of a model whose tokens are smaller, to go on learning from.

    Only the layers that cut pixels into tokens and back depend on the size: they take the mean of the
    parts of the old token that become one, scaled so that a token is as loud as before.

    Args:
        state: Of a transformer with tokens of `old` x `old` latent cells.
        old: A multiple of `new`.
        new: Latent cells a side of the new tokens.

    Raises:
        ValueError: The tokens would become larger.
    """
    if old % new:
        msg = f"the weights have tokens of {old} latent cells a side, which must be a multiple of the new ones', got {new}"
        raise ValueError(msg)
    parts = old // new
    changed = dict(state)
    for name in ("patch_embedding.weight", "vace_patch_embedding.weight"):
        width, channels = state[name].shape[:2]
        cut = state[name].view(width, channels, 1, parts, new, parts, new)
        changed[name] = cut.mean((3, 5)) * parts
    for name in ("proj_out.weight", "proj_out.bias"):
        rest = state[name].shape[1:]
        cut = state[name].view(parts, new, parts, new, -1, *rest)
        changed[name] = cut.mean((0, 2)).reshape(-1, *rest)
    return changed
