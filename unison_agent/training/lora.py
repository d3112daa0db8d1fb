"""The planning LoRA as plain tensors: added to a language model, read from it, written for it.

Keys are relative to the language model (``layers.0.self_attn.q_proj.lora_A.weight``), without any prefix
of the library that trains it. It does not know what the model is trained on.
"""

# torch, transformers and peft are typed in part only.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

RANK = 16
ALPHA = 32
TARGET_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def add_lora(language_model: "nn.Module") -> None:
    """Put an untrained LoRA on every linear layer, in place; only it will train."""
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=list(TARGET_MODULES))
    inject_adapter_in_model(config, language_model)


def lora_state(language_model: "nn.Module") -> dict[str, "torch.Tensor"]:
    """Return the LoRA's tensors by their plain names."""
    from peft import get_peft_model_state_dict

    return {
        name: tensor.detach().cpu().clone()
        for name, tensor in get_peft_model_state_dict(language_model).items()
    }


def load_lora(language_model: "nn.Module", state: Mapping[str, "torch.Tensor"]) -> None:
    """Set the LoRA that is on the model to `state`.

    Raises:
        KeyError: A tensor has no place on the model, or a place no tensor.
    """
    from peft import set_peft_model_state_dict

    expected = set(lora_state(language_model))
    if expected != set(state):
        raise KeyError(f"the adapter's tensors differ: {sorted(expected ^ set(state))[:4]}")
    set_peft_model_state_dict(language_model, dict(state))


def write_adapter(state: Mapping[str, "torch.Tensor"], folder: Path) -> None:
    """Write the LoRA in bf16 as safetensors, with a peft configuration beside it."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in state.items()}
    part = folder / "adapter.safetensors.part"
    save_file(tensors, part, metadata={"format": "pt"})
    part.replace(folder / "adapter.safetensors")
    config = {
        "peft_type": "LORA",
        "r": RANK,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": list(TARGET_MODULES),
    }
    (folder / "adapter_config.json").write_text(
        json.dumps(config, indent=2) + "\n", encoding="utf-8"
    )


def read_adapter(folder: Path) -> dict[str, "torch.Tensor"]:
    """Return the tensors of a written LoRA."""
    from safetensors.torch import load_file

    return load_file(folder / "adapter.safetensors")
