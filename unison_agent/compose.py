"""SmolLM2-135M-Instruct as the text half of a small Qwen2_5_VL; it knows nothing of plans or pictures.

The class is that of Qwen2.5-VL-3B, so nano and wan-vace share one code path. Text logits are those of
the base model: zero biases, multimodal RoPE sections that add up to the head, tied embeddings.
"""

import hashlib
import shutil
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast

from unison_agent import weights
from unison_agent.errors import MissingDependencyError, WeightsError
from unison_agent.progress import Progress, ProgressEvent, silent

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

VISION_START: Final = "<|vision_start|>"
VISION_END: Final = "<|vision_end|>"
IMAGE_PAD: Final = "<|image_pad|>"
VIDEO_PAD: Final = "<|video_pad|>"
_ADDED: Final = (VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD)
BASE_FOLDER: Final = "smollm2-135m-instruct"  # beside the file that it is made from
_REMAKE: Final = "Make it again: unison-agent pull nano --force"
_VOCABULARY: Final = 49216  # 49,152 of the base, the four above, filled up to a multiple of 64


@dataclass(frozen=True, slots=True)
class Composed:
    """What was loaded.

    Attributes:
        model: In evaluation mode.
        tokenizer: With the vision tokens.
        fingerprint: Of the weights of the base and of the vision tower.
    """

    model: "Qwen2_5_VLForConditionalGeneration"
    tokenizer: "PreTrainedTokenizerFast"
    fingerprint: str


def load_nano(
    folder: Path,
    *,
    dtype: Literal["float32", "bfloat16", "float16"],
    progress: Progress = silent,
) -> Composed:
    """Load nano's model: base language model from the cache, vision tower from `folder`.

    Args:
        folder: Holds vision.safetensors, listed in SHA256SUMS; every listed file is checked.
        dtype: Of all weights.
        progress: Told of the download, and before the first of two steps of loading; the caller does the second.

    Raises:
        DownloadError: The base is not cached and could not be fetched.
        WeightsError: A file is missing or damaged.
        MissingDependencyError: torch, transformers or accelerate is not installed.
    """
    try:
        import torch
        from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

        for package in ("accelerate", "transformers"):  # wanted below, after the download
            import_module(package)
    except ImportError as error:
        raise MissingDependencyError(error.name or "torch", extra="models") from error
    hashes = weights.verify_folder(folder)
    base = base_folder(progress)
    progress(ProgressEvent("load", 0, 2, "understanding model"))
    tokenizer = load_tokenizer(base)
    vision = load_file(folder / "vision.safetensors")
    model = build_model(base, tokenizer, vision, getattr(torch, dtype))
    return Composed(model, tokenizer, fingerprint_of(hashes["vision.safetensors"]))


def fingerprint_of(vision_sha256: str) -> str:
    """Return the fingerprint of the base with the vision tower of this hash, as 64 hexadecimal digits."""
    marks = f"{weights.BASE.member_sha256}:{vision_sha256}"
    return hashlib.sha256(marks.encode()).hexdigest()


def load_tokenizer(base: Path) -> "PreTrainedTokenizerFast":
    """Return the base tokenizer with the four vision tokens added."""
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(base)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    tokenizer = cast("PreTrainedTokenizerFast", loaded)
    tokenizer.add_tokens(list(_ADDED), special_tokens=True)
    return tokenizer


def build_model(
    base: Path,
    tokenizer: "PreTrainedTokenizerFast",
    vision: "dict[str, torch.Tensor] | None",
    dtype: "torch.dtype",
) -> "Qwen2_5_VLForConditionalGeneration":
    """Return the composed model in evaluation mode.

    Args:
        base: Folder of the dequantized language model (config.json, model.safetensors).
        tokenizer: From `load_tokenizer`.
        vision: Weights of the vision tower, names relative to it; None leaves it random.
        dtype: Of all weights.

    Raises:
        WeightsError: Tensors are missing or unknown.
    """
    import json

    import torch
    from accelerate import init_empty_weights
    from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    llama = json.loads((base / "config.json").read_text(encoding="utf-8"))
    ids = {token: int(tokenizer.convert_tokens_to_ids(token)) for token in _ADDED}  # pyright: ignore[reportArgumentType]
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": _VOCABULARY,
            "hidden_size": llama["hidden_size"],
            "intermediate_size": llama["intermediate_size"],
            "num_hidden_layers": llama["num_hidden_layers"],
            "num_attention_heads": llama["num_attention_heads"],
            "num_key_value_heads": llama["num_key_value_heads"],
            "max_position_embeddings": 8192,
            "rms_norm_eps": llama["rms_norm_eps"],
            "tie_word_embeddings": True,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 2,
            # One position for all three axes reduces to the base's plain RoPE on text.
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 100000.0,
                "mrope_section": [8, 12, 12],
            },
        },
        vision_config=vision_config(llama["hidden_size"]),
        image_token_id=ids[IMAGE_PAD],
        video_token_id=ids[VIDEO_PAD],
        vision_start_token_id=ids[VISION_START],
        vision_end_token_id=ids[VISION_END],
        tie_word_embeddings=True,
    )
    weights = load_file(base / "model.safetensors")
    text = {
        name.replace("model.", "model.language_model.", 1): value
        for name, value in weights.items()
        if name != "lm_head.weight"
    }
    embedding = text["model.language_model.embed_tokens.weight"]
    mean = embedding.float().mean(0, keepdim=True).to(embedding.dtype)
    extra = mean.repeat(_VOCABULARY - embedding.shape[0], 1)
    text["model.language_model.embed_tokens.weight"] = torch.cat([embedding, extra])
    values = {name: value.to(dtype) for name, value in text.items()}
    # Without a tower to load (its training starts from a random one) the class initialises itself.
    bare = nullcontext() if vision is None else init_empty_weights(include_buffers=False)
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with bare:
            model = Qwen2_5_VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(previous)
    for name, parameter in model.model.language_model.named_parameters(
        prefix="model.language_model"
    ):
        if name.endswith("bias"):
            values[name] = torch.zeros(parameter.shape, dtype=dtype)
    for name, value in (vision or {}).items():
        values[f"model.visual.{name}"] = value.to(dtype)
    found = model.load_state_dict(values, strict=False, assign=True)
    missing, unexpected = cast("tuple[list[str], list[str]]", found)
    _check_found(missing, unexpected, tower=vision is not None)
    model.tie_weights()
    return model.eval().requires_grad_(False)


def _check_found(missing: list[str], unexpected: list[str], *, tower: bool) -> None:
    """Raise unless every weight got a value, but the tied head and a tower that is yet to be trained."""
    lacking = [
        name
        for name in missing
        if name != "lm_head.weight" and (tower or not name.startswith("model.visual."))
    ]
    for names, fault in ((lacking, "lack"), (unexpected, "hold unknown")):
        if names:
            raise WeightsError(
                f"nano's weights {fault} {len(names)} tensors, first {names[0]}.",
                hint="Reinstall unison-agent; weights of another version do not fit.",
            )


def vision_config(out_hidden_size: int) -> dict[str, int | list[int] | str]:
    """Return nano's tower: 16-pixel patches, no merging, so 64x64 is 16 tokens of one window."""
    return {
        "depth": 6,
        "hidden_size": 256,
        "intermediate_size": 768,
        "num_heads": 4,
        "in_channels": 3,
        "patch_size": 16,
        "spatial_merge_size": 1,
        "temporal_patch_size": 2,
        "window_size": 64,
        "fullatt_block_indexes": [2, 5],
        "out_hidden_size": out_hidden_size,
        "tokens_per_second": 2,
    }


def base_folder(progress: Progress = silent, *, force: bool = False, offline: bool = False) -> Path:
    """Return the folder of the dequantized language model, making it at the first call.

    The GGUF file is fetched (see `weights.fetch_base`), dequantized once to bfloat16 safetensors and
    cached beside it; the folder appears complete or not at all.

    Raises:
        DownloadError: The file is not cached and could not be fetched.
        WeightsError: The cache is damaged or cannot be written.
    """
    gguf = weights.fetch_base(progress, force=force, offline=offline)
    folder = gguf.parent / BASE_FOLDER
    if folder.is_dir() and not force:
        weights.verify_folder(folder, hint=_REMAKE)
        return folder
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    progress(ProgressEvent("load", 0, 1, "dequantizing the language model, once"))
    logging.disable_progress_bar()  # told through `progress`
    with tempfile.TemporaryDirectory(dir=gguf.parent, prefix=".making-") as making:
        target = Path(making) / folder.name
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        model = AutoModelForCausalLM.from_pretrained(  # pyright: ignore[reportUnknownMemberType]
            gguf.parent,
            gguf_file=gguf.name,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
        )
        model.save_pretrained(target)  # pyright: ignore[reportUnknownMemberType]
        tokenizer.save_pretrained(target)  # pyright: ignore[reportUnknownMemberType]
        weights.write_sums(target, [path.name for path in target.iterdir()])
        if folder.is_dir():
            if not force:
                return folder  # another process was faster
            shutil.rmtree(folder)
        target.rename(folder)
    progress(ProgressEvent("load", 1, 1))
    return folder
