"""A tiny WanVACEPipeline and connector for tests, as nano has them; it does not know what they are asked.

The classes are those of diffusers and of the library, and the weights random, so what is drawn is noise.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unison_agent.conversation import READ_TEMPLATE_SHA256
from unison_agent.pipelines import LoadedPipeline, adopt
from unison_agent.testing import HIDDEN_SIZE, ScriptedUnderstanding
from unison_agent.testing_parts import saved, seeded, seeded_noise
from unison_agent.weights import write_sums

if TYPE_CHECKING:
    from unison_agent.connector import Conditioning

TEXT_DIM = 16


def tiny_conditioning(prompt: str = "a red star", *, text_dim: int = TEXT_DIM) -> "Conditioning":
    """Return conditioning that depends on `prompt`: 4 tokens for it, 2 against it."""
    from unison_agent.connector import Conditioning

    return Conditioning(seeded_noise(prompt, 1, 4, text_dim), seeded_noise("", 1, 2, text_dim))


def tiny_text_encoder() -> tuple[object, object]:
    """Return a tokenizer that reads bytes and a random UMT5 of width 16, as a WanVACEPipeline has them."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate(["<pad>", "</s>", *letters])}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="</s>", padding_side="right"
    )
    config = UMT5Config(
        vocab_size=len(vocabulary),
        d_model=TEXT_DIM,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        tie_word_embeddings=False,  # pyright: ignore[reportCallIssue]
    )
    with seeded():
        return tokenizer, UMT5EncoderModel(config).eval()


def tiny_wan_vace(
    *, vae_temporal: Literal[1, 4] = 1, seed: int = 0, text_encoder: bool = False
) -> object:
    """Build a random WanVACEPipeline that runs in milliseconds on prompt embeddings of width 16.

    Args:
        vae_temporal: 1 as in nano, or 4 as in Wan2.1; the spatial factor is 4 in both.
        seed: Of its weights.
        text_encoder: Whether it has one, so that it reads prompts itself.

    Returns:
        A diffusers.WanVACEPipeline; sides must be multiples of 8.
    """
    from diffusers import (
        AutoencoderKLWan,  # pyright: ignore[reportPrivateImportUsage]
        UniPCMultistepScheduler,  # pyright: ignore[reportPrivateImportUsage]
        WanVACEPipeline,  # pyright: ignore[reportPrivateImportUsage]
        WanVACETransformer3DModel,  # pyright: ignore[reportPrivateImportUsage]
    )

    z_dim = 4
    with seeded(seed):
        vae = AutoencoderKLWan(
            base_dim=8,
            z_dim=z_dim,
            dim_mult=[1] if vae_temporal == 1 else [1, 1, 1],
            num_res_blocks=0,
            attn_scales=[],
            temperal_downsample=[vae_temporal == 4] * 2,
            in_channels=48 if vae_temporal == 1 else 3,
            out_channels=48 if vae_temporal == 1 else 3,
            patch_size=4 if vae_temporal == 1 else None,
            latents_mean=[0.0] * z_dim,
            latents_std=[1.0] * z_dim,
        )
        transformer = WanVACETransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=32,
            in_channels=z_dim,
            out_channels=z_dim,
            text_dim=TEXT_DIM,
            freq_dim=16,
            ffn_dim=64,
            num_layers=2,
            vace_layers=[0],
            vace_in_channels=2 * z_dim + 4 * 4,
        )
    tokenizer, encoder = tiny_text_encoder() if text_encoder else (None, None)
    return WanVACEPipeline(
        tokenizer=tokenizer,  # pyright: ignore[reportArgumentType]
        text_encoder=encoder,  # pyright: ignore[reportArgumentType]
        vae=vae.eval(),
        scheduler=UniPCMultistepScheduler(  # pyright: ignore[reportArgumentType]
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        transformer=transformer.eval(),
    )


def tiny_pipeline(
    *, vae_temporal: Literal[1, 4] = 1, seed: int = 0, text_encoder: bool = False
) -> LoadedPipeline:
    """Return `tiny_wan_vace` ready for the video adapter."""
    pipe = tiny_wan_vace(vae_temporal=vae_temporal, seed=seed, text_encoder=text_encoder)
    return adopt(pipe, name="tiny", vae_spatial=4, vae_temporal=vae_temporal)


def save_tiny_pipeline(folder: Path, *, text_encoder: bool = False) -> Path:
    """Write `tiny_wan_vace` as nano's pipeline is written, with the sums of its files; return the folder."""
    pipeline = saved(tiny_wan_vace(text_encoder=text_encoder), folder)
    files = [path for path in pipeline.rglob("*") if path.is_file()]
    write_sums(pipeline, [path.relative_to(pipeline).as_posix() for path in files])
    return pipeline


def save_tiny_weights(folder: Path) -> None:
    """Write ``pipeline/`` and ``connector.safetensors`` as nano has them, small and random.

    They belong to ScriptedUnderstanding. Load them with PipelineStore(folder) and
    GenerationTool(..., weights_folder=folder) under the tool spec of nano.
    """
    from unison_agent.connector import Connector, Contract, Resampler, Shape

    save_tiny_pipeline(folder / "pipeline")
    model = ScriptedUnderstanding
    contract = Contract(model.fingerprint, model.layer, READ_TEMPLATE_SHA256, TEXT_DIM)
    module = Resampler(Shape(HIDDEN_SIZE, TEXT_DIM, num_queries=4, num_layers=1, num_heads=2))
    Connector(module, contract).save(folder / "connector.safetensors")
