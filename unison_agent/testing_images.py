"""Checkpoints of image pipelines for tests: real classes, random weights, a few megabytes; what they draw is noise.

Name the folder as `path` in the `image_pipeline` of a tool pack.
"""

from pathlib import Path
from typing import Any

from unison_agent.testing_parts import (
    clip_config,
    clip_tokenizer,
    image_vae,
    saved,
    seeded,
    t5_encoder,
    t5_tokenizer,
)

_WIDTH = 32  # of each text encoder
_SDXL_LAYERS = 8  # of the denoiser, with attention to words: two a block with attention, of which there are four


def save_tiny_sdxl(folder: Path) -> Path:
    """Write a StableDiffusionXLPipeline whose latents are half a side; sides must be multiples of 8.

    Returns:
        The folder.
    """
    from diffusers import (
        EulerDiscreteScheduler,  # pyright: ignore[reportPrivateImportUsage]
        StableDiffusionXLPipeline,  # pyright: ignore[reportPrivateImportUsage]
        UNet2DConditionModel,  # pyright: ignore[reportPrivateImportUsage]
    )
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    tokenizer = clip_tokenizer()
    config = clip_config(tokenizer, _WIDTH)
    with seeded():
        pipe = StableDiffusionXLPipeline(
            vae=image_vae((16, 32), norm_num_groups=8, sample_size=64),
            text_encoder=CLIPTextModel(config),
            text_encoder_2=CLIPTextModelWithProjection(config),
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            unet=UNet2DConditionModel(
                sample_size=32, layers_per_block=1, in_channels=4, out_channels=4,
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), **_sdxl_blocks(),
            ),
            scheduler=EulerDiscreteScheduler(  # pyright: ignore[reportArgumentType]
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                steps_offset=1,
                timestep_spacing="leading",
            ),
        )  # fmt: skip
    return saved(pipe, folder)


def save_tiny_sdxl_controlnet(folder: Path, *, seed: int = 1) -> Path:
    """Write a ControlNetModel for `save_tiny_sdxl`; it changes the picture, as trained ones do.

    Returns:
        The folder.
    """
    import torch
    from diffusers import ControlNetModel  # pyright: ignore[reportPrivateImportUsage]

    with seeded(seed):
        net = ControlNetModel(
            layers_per_block=1,
            in_channels=4,
            conditioning_embedding_out_channels=(16, 32),
            **_sdxl_blocks(),
        )
        for name, weight in net.named_parameters():
            if "controlnet_" in name:  # zero until trained
                torch.nn.init.normal_(weight, std=0.3)
    return saved(net, folder)


def save_tiny_ip_adapter(folder: Path) -> Path:
    """Write an IP-Adapter for `save_tiny_sdxl` with its image encoder, in the files of h94/IP-Adapter.

    Returns:
        The folder; ``sdxl_models`` in it has ``ip-adapter_sdxl.safetensors`` and ``image_encoder``.
    """
    import torch
    from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    place = folder / "sdxl_models"
    width = 2 * _WIDTH  # of the words' tokens
    config = CLIPVisionConfig(
        hidden_size=_WIDTH,
        intermediate_size=37,
        projection_dim=_WIDTH,
        num_attention_heads=4,
        num_hidden_layers=2,
        image_size=32,
        patch_size=8,
    )
    with seeded(3):
        saved(CLIPVisionModelWithProjection(config), place / "image_encoder")
        weights = {
            "image_proj.proj.weight": torch.randn(4 * width, _WIDTH),
            "image_proj.proj.bias": torch.zeros(4 * width),
            "image_proj.norm.weight": torch.ones(width),
            "image_proj.norm.bias": torch.zeros(width),
        }
        # Of each layer that reads words; those that read pixels alone have the even numbers.
        for number in range(1, 2 * _SDXL_LAYERS, 2):
            for name in ("to_k_ip", "to_v_ip"):
                weights[f"ip_adapter.{number}.{name}.weight"] = torch.randn(64, width)
    save_file(weights, place / "ip-adapter_sdxl.safetensors")
    return folder


def _sdxl_blocks() -> dict[str, Any]:
    return {
        "block_out_channels": (32, 64),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "attention_head_dim": (2, 4),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "transformer_layers_per_block": (1, 2),
        "projection_class_embeddings_input_dim": 6 * 8 + _WIDTH,
        "cross_attention_dim": 2 * _WIDTH,
        "norm_num_groups": 8,
    }


def save_tiny_flux(folder: Path) -> Path:
    """Write a FluxKontextPipeline whose latents are an eighth of a side; sides must be multiples of 16.

    Returns:
        The folder.
    """
    from diffusers import (
        FlowMatchEulerDiscreteScheduler,  # pyright: ignore[reportPrivateImportUsage]
        FluxKontextPipeline,  # pyright: ignore[reportPrivateImportUsage]
        FluxTransformer2DModel,  # pyright: ignore[reportPrivateImportUsage]
    )
    from transformers import CLIPTextModel

    clip = clip_tokenizer()
    with seeded():
        pipe = FluxKontextPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=image_vae(
                (4, 4, 8, 8),
                norm_num_groups=4,
                use_quant_conv=False,
                use_post_quant_conv=False,
                mid_block_add_attention=False,
                shift_factor=0.1,
                scaling_factor=0.4,
            ),
            text_encoder=CLIPTextModel(clip_config(clip, _WIDTH)),
            tokenizer=clip,
            text_encoder_2=t5_encoder(_WIDTH),
            tokenizer_2=t5_tokenizer(),
            transformer=FluxTransformer2DModel(
                patch_size=1,
                in_channels=16,
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=_WIDTH,
                pooled_projection_dim=_WIDTH,
                guidance_embeds=True,
                axes_dims_rope=(4, 4, 8),
            ),
        )
    return saved(pipe, folder)


def save_tiny_qwen_image(folder: Path) -> Path:
    """Write a QwenImagePipeline whose latents are an eighth of a side; sides must be multiples of 16.

    Returns:
        The folder.
    """
    from diffusers import QwenImagePipeline  # pyright: ignore[reportPrivateImportUsage]

    pipe = QwenImagePipeline(**_qwen_parts())
    return saved(pipe, folder)


def save_tiny_qwen_image_edit(folder: Path) -> Path:
    """Write a QwenImageEditPipeline like `save_tiny_qwen_image`; its processor needs torchvision.

    Returns:
        The folder.
    """
    from diffusers import QwenImageEditPipeline  # pyright: ignore[reportPrivateImportUsage]
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    parts = _qwen_parts()
    size = {"shortest_edge": 28 * 28, "longest_edge": 4 * 28 * 28}
    processor = Qwen2VLProcessor(
        Qwen2VLImageProcessor(size=size), parts["tokenizer"], Qwen2VLVideoProcessor()
    )
    pipe = QwenImageEditPipeline(processor=processor, **parts)
    return saved(pipe, folder)


def _qwen_parts() -> dict[str, Any]:
    from diffusers import (
        AutoencoderKLQwenImage,  # pyright: ignore[reportPrivateImportUsage]
        FlowMatchEulerDiscreteScheduler,  # pyright: ignore[reportPrivateImportUsage]
        QwenImageTransformer2DModel,  # pyright: ignore[reportPrivateImportUsage]
    )
    from tokenizers import pre_tokenizers
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = [
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
        "<|image_pad|>", "<|video_pad|>",
    ]  # fmt: skip
    vocabulary = {piece: place for place, piece in enumerate([*special, *letters])}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=[], additional_special_tokens=special[1:])
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(vocabulary),
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "bos_token_id": 0,
            "eos_token_id": 0,
            "pad_token_id": 0,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1000.0,
                "mrope_section": [1, 1, 2],
            },
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "fullatt_block_indexes": [0],
        },
        image_token_id=vocabulary["<|image_pad|>"],
        video_token_id=vocabulary["<|video_pad|>"],
        vision_start_token_id=vocabulary["<|vision_start|>"],
        vision_end_token_id=vocabulary["<|vision_end|>"],
    )
    with seeded():
        return {
            "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            "vae": AutoencoderKLQwenImage(
                base_dim=4,
                z_dim=4,
                dim_mult=[1, 1, 1, 1],
                num_res_blocks=1,
                latents_mean=[0.0] * 4,
                latents_std=[1.0] * 4,
            ),
            "text_encoder": Qwen2_5_VLForConditionalGeneration(config),
            "tokenizer": tokenizer,
            "transformer": QwenImageTransformer2DModel(
                patch_size=2,
                in_channels=16,
                out_channels=4,
                num_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=16,
                axes_dims_rope=(8, 4, 4),
            ),
        }
