"""Opens the language model that a planning LoRA is trained on: a plain one, or that inside a Qwen2.5-VL.

Both are read, written and adapted through the same three things: the model with its head, the body whose
linear layers the LoRA's names are relative to, and the tokenizer. It knows no data and no training.
"""

# transformers is typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from torch import nn
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """One language model, ready to be trained or to write.

    Attributes:
        model: With its head; typed as the smallest of those it can be.
        body: What the LoRA goes on.
        tokenizer: Its own.
    """

    model: "LlamaForCausalLM"
    body: "nn.Module"
    tokenizer: "PreTrainedTokenizerFast"


def open_language_model(
    base: Path, device: str = "cpu", *, attention: Literal["sdpa", "eager"] = "sdpa"
) -> LanguageModel:
    """Load a language model in bf16.

    Args:
        base: Folder (or name on the hub) of a causal language model or of a Qwen2.5-VL.
        device: Where it goes.
        attention: On the CPU, eager attention's backward is much faster than SDPA's.
    """
    import torch
    from transformers import (
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForImageTextToText,
        AutoTokenizer,
    )

    sees = AutoConfig.from_pretrained(base).model_type == "qwen2_5_vl"
    opener = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    loaded = opener.from_pretrained(base, dtype=torch.bfloat16, attn_implementation=attention)
    model = cast("LlamaForCausalLM", cast("nn.Module", loaded).to(device))
    body = cast("nn.Module", model.model.language_model if sees else model.model)
    tokenizer = cast("PreTrainedTokenizerFast", AutoTokenizer.from_pretrained(base))
    return LanguageModel(model, body, tokenizer)
