"""Loads a vision model from the hub or a folder, and shapes pictures for it; it does not know what it sees.

Only safetensors are read, and no code of a repository is run.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
from PIL import Image

from unison_agent.errors import DownloadError, MissingDependencyError, WeightsError
from unison_agent.progress import Progress, ProgressEvent

try:
    import torch
    from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
    from transformers.utils import logging as hub_logging
except ImportError as error:
    raise MissingDependencyError(error.name or "transformers", extra="models") from error

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

# Of ImageNet, RGB: what all these models are shown.
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

AnyModel = TypeVar("AnyModel", bound=PreTrainedModel)


def load_model(
    kind: type[AnyModel], name: str, progress: Progress
) -> tuple[AnyModel, dict[str, str]]:
    """Return a model of class `kind`, ready to run, and a hash of its weights under its name.

    Args:
        kind: A class of transformers.
        name: A repository of the hub, or a folder.
        progress: Told before and after.

    Raises:
        DownloadError: The hub could not be reached.
        WeightsError: The files are missing, damaged or of another model.
    """
    progress(ProgressEvent("load", 0, 1, name))
    shown = hub_logging.is_progress_bar_enabled()
    hub_logging.disable_progress_bar()  # loading is told through `progress`
    try:
        found = kind.from_pretrained(  # pyright: ignore[reportUnknownMemberType]
            name, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, TypeError, RuntimeError, KeyError) as error:
        msg = f"{name} could not be loaded: {error}."
        if isinstance(error, OSError) and not Path(name).is_dir():
            hint = "Check the network; once fetched it loads offline."
            raise DownloadError(msg, hint=hint) from error
        raise WeightsError(msg) from error
    finally:
        if shown:
            hub_logging.enable_progress_bar()
    model, info = cast("tuple[AnyModel, dict[str, set[str]]]", found)
    if info["missing_keys"]:
        absent = ", ".join(sorted(info["missing_keys"])[:3])
        msg = f"{name} is no whole {kind.__name__}: it lacks {absent}."
        raise WeightsError(msg, hint="Name a repository of that model in the tool pack.")
    model.eval().requires_grad_(False)
    torch.nn.Module.to(model, "cuda" if torch.cuda.is_available() else "cpu")
    progress(ProgressEvent("load", 1, 1, name))
    return model, {name: weights_sha256(model)}


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a model.

    Raises:
        WeightsError: It is not there, or damaged.
    """
    try:
        found: object = AutoTokenizer.from_pretrained(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    except (OSError, ValueError, TypeError, KeyError) as error:
        msg = f"The tokenizer of {name} could not be loaded: {error}."
        raise WeightsError(msg) from error
    return cast("PreTrainedTokenizerBase", found)


def weights_sha256(model: PreTrainedModel) -> str:
    """Return a hash of all weights, by name and value."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def pixel_batch(frame: "Picture", size: tuple[int, int]) -> torch.Tensor:
    """Return a picture as these models read it, shape [1, 3, height, width]."""
    resized = frame.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    pixels = (np.asarray(resized, np.float32) / 255 - _MEAN) / _SPREAD
    return torch.as_tensor(pixels.transpose(2, 0, 1)[None].astype(np.float32))
