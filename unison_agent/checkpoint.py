"""A published Qwen2.5-VL, from the hub or a folder: weights, tokenizer and sight; it does not know what it is for."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast

from unison_agent.errors import MissingDependencyError, WeightsError
from unison_agent.file_hashes import file_hash
from unison_agent.hub_files import repo_folder
from unison_agent.merged_checkpoint import check_merged
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.sight import CheckpointSight

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

CLASS: Final = "Qwen2_5_VLForConditionalGeneration"
_CONFIG = "config.json"
_FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja")
# What conversations are made of; see `conversation`.
_CONTROL = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was loaded.

    Attributes:
        model: In evaluation mode.
        tokenizer: With the vision tokens.
        sight: How it sees.
        fingerprint: Of its weights.
    """

    model: "Qwen2_5_VLForConditionalGeneration"
    tokenizer: "PreTrainedTokenizerFast"
    sight: CheckpointSight
    fingerprint: str


def checkpoint_folder(repo: str, revision: str, progress: Progress = silent) -> Path:
    """Return the folder of a checkpoint of the hub; its class is checked before its weights are fetched.

    Raises:
        DownloadError: It is not cached and the hub could not be reached.
        WeightsError: There is no such repository, or it holds another class.
    """
    check_class(repo_folder(repo, revision, (_CONFIG,), progress))
    return repo_folder(repo, revision, _FILES, progress)


def check_class(folder: Path) -> None:
    """Check that a folder describes a Qwen2.5-VL.

    Raises:
        WeightsError: It holds no config.json, or that of another class.
    """
    file = folder / _CONFIG
    try:
        loaded: object = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        msg = f"No understanding model in {folder}: {_CONFIG} is missing."
        raise WeightsError(msg, hint="Name a folder that save_pretrained wrote.") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file} cannot be read: {error}.") from error
    config = cast("dict[str, object]", loaded) if isinstance(loaded, dict) else {}
    listed = config.get("architectures")
    names = [str(one) for one in cast("list[object]", listed)] if isinstance(listed, list) else []
    if CLASS not in names:
        got = ", ".join(names) or str(config.get("model_type") or "no class")
        msg = f"{file} describes {got}; expected {CLASS}."
        raise WeightsError(msg, hint="Name a Qwen2.5-VL as the understanding model.")


def load_checkpoint(
    folder: Path,
    *,
    dtype: Literal["float32", "bfloat16", "float16"],
    device: str | None = None,
    progress: Progress = silent,
) -> Checkpoint:
    """Load a checkpoint as save_pretrained writes it; only safetensors are read, and no code.

    Args:
        folder: Its files.
        dtype: Of all weights.
        device: Where it runs; CUDA when there is one by default.
        progress: Told before and after.

    Raises:
        WeightsError: Files are missing, damaged or of another class.
        MissingDependencyError: torch or transformers is not installed.
    """
    check_class(folder)
    try:
        import torch
        from transformers import GenerationConfig, Qwen2_5_VLForConditionalGeneration
        from transformers.utils import logging
    except ImportError as error:
        raise MissingDependencyError(error.name or "torch", extra="models") from error
    check_merged(folder)  # safetensors comes with transformers
    progress(ProgressEvent("load", 0, 1, "understanding model"))
    tokenizer, sight = _tokenizer(folder), CheckpointSight.load(folder)
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # told through `progress`
    try:
        found = Qwen2_5_VLForConditionalGeneration.from_pretrained(  # pyright: ignore[reportUnknownMemberType]
            folder,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, TypeError, RuntimeError, KeyError) as error:
        raise WeightsError(f"The model in {folder} could not be loaded: {error}.") from error
    finally:
        if shown:
            logging.enable_progress_bar()
    loaded = cast("tuple[Qwen2_5_VLForConditionalGeneration, dict[str, set[str]]]", found)
    model, info = loaded
    if info["missing_keys"]:
        absent = sorted(info["missing_keys"])
        msg = f"{folder} is no whole {CLASS}: it lacks {len(absent)} tensors, first {absent[0]}."
        raise WeightsError(msg, hint="Copy or fetch it again.")
    model.eval().requires_grad_(False)
    # Of what the checkpoint says of writing, its end tokens are kept: answers are greedy, and a penalty on
    # repetition, which published ones set, would hurt digits that are copied.
    ends = cast("list[int] | int | None", getattr(model.generation_config, "eos_token_id", None))
    model.generation_config = GenerationConfig(eos_token_id=ends)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.nn.Module.to(model, place)
    checkpoint = Checkpoint(model, tokenizer, sight, _fingerprint(folder))
    progress(ProgressEvent("load", 1, 1, "understanding model"))
    return checkpoint


def _tokenizer(folder: Path) -> "PreTrainedTokenizerFast":
    from transformers import AutoTokenizer

    try:
        loaded: object = AutoTokenizer.from_pretrained(folder, local_files_only=True)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"The tokenizer in {folder} cannot be read: {error}.") from error
    tokenizer = cast("PreTrainedTokenizerFast", loaded)
    known = tokenizer.get_vocab()
    lacking = [token for token in _CONTROL if token not in known]
    if lacking:
        msg = f"The tokenizer in {folder} lacks {', '.join(lacking)}."
        raise WeightsError(msg, hint="Use the tokenizer files that belong to the model.")
    return tokenizer


def _fingerprint(folder: Path) -> str:
    """Return a hash of the weights by file; gigabytes are read once at most."""
    files = sorted(folder.glob("*.safetensors"))
    marks = [f"{file.name}:{file_hash(file)}" for file in files]
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()
