"""Whether a merged checkpoint keeps its trained head; it reads files and loads no model."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

from unison_agent.errors import WeightsError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Protocol

    from torch import Tensor

    class _File(Protocol):
        def keys(self) -> list[str]: ...
        def get_tensor(self, name: str) -> Tensor: ...


def check_merged(folder: Path) -> None:
    """Refuse a merged checkpoint whose configuration throws its trained head away.

    With tie_word_embeddings set, embed_tokens takes the place of lm_head when the checkpoint is loaded: where
    the two differ, the added tokens are never written, and nothing says so.

    Args:
        folder: Holds config.json and safetensors files.

    Raises:
        WeightsError: The embeddings are said to be tied and are not, or a file cannot be read.
    """
    try:
        config = cast(
            "dict[str, object]", json.loads((folder / "config.json").read_text(encoding="utf-8"))
        )
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder / 'config.json'} cannot be read: {error}.") from error
    inner = config.get("text_config")
    texts = cast("dict[str, object]", inner) if isinstance(inner, dict) else {}
    tied = bool(config.get("tie_word_embeddings", texts.get("tie_word_embeddings", False)))
    head = _find(folder, "lm_head.weight")
    embeddings = _find(folder, "embed_tokens.weight")
    if not tied or head is None or embeddings is None:
        return
    if head.shape != embeddings.shape:
        got = f"of {tuple(head.shape)}, and embed_tokens is {tuple(embeddings.shape)}"
    elif differing := int((head != embeddings).any(dim=1).sum()):
        got = f"which differs from embed_tokens in {differing} of {len(head)} rows"
    else:
        return
    msg = f"{folder}: config.json sets tie_word_embeddings, but the weights hold a lm_head {got}."
    raise WeightsError(
        msg, hint="Set tie_word_embeddings to false, or use the LoRA without merging."
    )


def _find(folder: Path, ending: str) -> "Tensor | None":
    """Return the tensor of a checkpoint whose name ends so."""
    from safetensors import SafetensorError, safe_open

    for file in sorted(folder.glob("*.safetensors")):
        try:
            with cast("AbstractContextManager[_File]", safe_open(file, framework="pt")) as opened:
                for name in opened.keys():  # noqa: SIM118 - it is no mapping
                    if name.endswith(ending):
                        return opened.get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{file} cannot be read: {error}.") from error
    return None
