"""Checkpoints of clip pipelines for tests: real classes, random weights, a few megabytes; what they show is noise.

Name the folder as `path` in the `clip_pipeline` of a tool pack.
"""

from pathlib import Path
from typing import Any

from unison_agent.testing_parts import saved, seeded, t5_encoder, t5_tokenizer

_WIDTH = 32  # of the words' tokens
_CHANNELS = 8  # of the latents


def save_tiny_ltx(folder: Path, *, last_frames: bool = True) -> Path:
    """Write the models of LTX-Video: a latent is 32 pixels a side and 8 frames, as in those that are trained.

    Args:
        folder: Where to.
        last_frames: As LTX-Video 0.9.5 is, so that LTXConditionPipeline runs it; False is 0.9.0.

    Returns:
        The folder.
    """
    from diffusers import (
        AutoencoderKLLTXVideo,  # pyright: ignore[reportPrivateImportUsage]
        FlowMatchEulerDiscreteScheduler,  # pyright: ignore[reportPrivateImportUsage]
        LTXConditionPipeline,  # pyright: ignore[reportPrivateImportUsage]
        LTXPipeline,  # pyright: ignore[reportPrivateImportUsage]
        LTXVideoTransformer3DModel,  # pyright: ignore[reportPrivateImportUsage]
    )

    with seeded():
        parts: dict[str, Any] = {
            "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=not last_frames),
            "vae": AutoencoderKLLTXVideo(
                latent_channels=_CHANNELS,
                block_out_channels=(8, 8, 8, 8),
                decoder_block_out_channels=(8, 8, 8, 8),
                layers_per_block=(1,) * 5,
                decoder_layers_per_block=(1,) * 5,
                spatio_temporal_scaling=(True, True, True, False),
                decoder_spatio_temporal_scaling=(True, True, True, False),
                decoder_inject_noise=(False,) * 5,
                upsample_residual=(False,) * 4,
                upsample_factor=(1,) * 4,
                timestep_conditioning=last_frames,
                patch_size=4,
                patch_size_t=1,
            ),
            "text_encoder": t5_encoder(_WIDTH),
            "tokenizer": t5_tokenizer(),
            "transformer": LTXVideoTransformer3DModel(
                in_channels=_CHANNELS,
                out_channels=_CHANNELS,
                num_attention_heads=4,
                attention_head_dim=8,
                cross_attention_dim=_WIDTH,
                num_layers=1,
                caption_channels=_WIDTH,
            ),
        }
    return saved((LTXConditionPipeline if last_frames else LTXPipeline)(**parts), folder)
