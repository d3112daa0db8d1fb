"""Parts that checkpoints for tests share: noise, tokenizers, text encoders, a VAE; it knows no pipelines."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKL  # pyright: ignore[reportPrivateImportUsage]
    from transformers import CLIPTextConfig, CLIPTokenizer, T5EncoderModel, T5Tokenizer


@contextmanager
def seeded(seed: int = 0) -> Generator[None]:
    """Draw weights from `seed`, and leave torch's own generator as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        yield


def seeded_noise(text: str, *shape: int) -> "torch.Tensor":
    """Return standard normal noise that depends on `text` alone."""
    import torch

    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def saved(model: Any, folder: Path) -> Path:
    """Write a model or a pipeline, and return the folder."""
    model.save_pretrained(folder)
    return folder


def t5_tokenizer() -> "T5Tokenizer":
    """Return a tokenizer of single letters."""
    from transformers import T5Tokenizer

    pieces = ["<pad>", "</s>", "<unk>", "\u2581", *"abcdefghijklmnopqrstuvwxyz"]
    return T5Tokenizer(vocab=[(piece, -1.0) for piece in pieces], extra_ids=0)


def t5_encoder(width: int) -> "T5EncoderModel":
    """Return a text encoder of `width` channels for `t5_tokenizer`."""
    from transformers import T5Config, T5EncoderModel

    words = len(t5_tokenizer())
    return T5EncoderModel(
        T5Config(vocab_size=words, d_model=width, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    )


def image_vae(channels: tuple[int, ...], *, norm_num_groups: int, **others: Any) -> "AutoencoderKL":
    """Return an AutoencoderKL of four latent channels, whose side is halved for all but one of `channels`."""
    from diffusers import AutoencoderKL  # pyright: ignore[reportPrivateImportUsage]

    return AutoencoderKL(
        block_out_channels=channels,  # pyright: ignore[reportArgumentType]
        down_block_types=("DownEncoderBlock2D",) * len(channels),  # pyright: ignore[reportArgumentType]
        up_block_types=("UpDecoderBlock2D",) * len(channels),  # pyright: ignore[reportArgumentType]
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=norm_num_groups,
        **others,
    )


def clip_config(tokenizer: "CLIPTokenizer", width: int) -> "CLIPTextConfig":
    """Return the config of a CLIP text encoder of `width` channels."""
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=37,
        projection_dim=width,
        num_attention_heads=4,
        num_hidden_layers=2,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def clip_tokenizer() -> "CLIPTokenizer":
    """Return a tokenizer of single bytes."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|startoftext|>", "<|endoftext|>"]
    pieces = [*special, *letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)
