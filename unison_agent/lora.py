"""LoRAs on a language model, attached by name and switched; it does not know what they were trained for."""

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unison_agent.errors import MissingDependencyError, WeightsError

if TYPE_CHECKING:
    from torch import nn

AdapterName = Literal["planner", "answers"]
ADAPTERS: tuple[AdapterName, ...] = ("planner", "answers")


def attach(language_model: "nn.Module", folder: Path, name: AdapterName) -> None:
    """Add the LoRA in `folder` under `name`, switched off.

    Args:
        language_model: Whose linear layers the LoRA's names are relative to.
        folder: Holds adapter_config.json (peft) and adapter.safetensors.
        name: To switch it by.

    Raises:
        WeightsError: The file does not fit the model.
        MissingDependencyError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingDependencyError(error.name or "peft", extra="models") from error
    import torch
    from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    settings = LoraConfig(
        r=config["r"],
        lora_alpha=config["lora_alpha"],
        target_modules=config["target_modules"],
        inference_mode=True,
    )
    try:
        with warnings.catch_warnings():
            # Several LoRAs on one model are what is wanted here.
            warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
            inject_adapter_in_model(settings, language_model, adapter_name=name)
    except ValueError as error:  # none of the target modules is there
        raise _misfit(folder, str(error)) from error
    expected = {k for k in language_model.state_dict() if f".{name}." in k}
    values: dict[str, torch.Tensor] = {
        key.removesuffix(".weight") + f".{name}.weight": value
        for key, value in load_file(folder / "adapter.safetensors").items()
    }
    if values.keys() != expected:
        wrong = sorted(values.keys() ^ expected)
        raise _misfit(folder, f"{len(wrong)} names differ, e.g. {wrong[0]}.")
    dtype = next(language_model.parameters()).dtype
    try:
        language_model.load_state_dict({k: v.to(dtype) for k, v in values.items()}, strict=False)
    except RuntimeError as error:  # a shape differs
        raise _misfit(folder, str(error)) from error
    for key, parameter in language_model.named_parameters():
        if f".{name}." in key:
            parameter.data = parameter.data.to(dtype)
            parameter.requires_grad_(False)
    activate(language_model, None)


def _misfit(folder: Path, why: str) -> WeightsError:
    msg = f"{folder / 'adapter.safetensors'} does not fit: {why}"
    return WeightsError(msg, hint="Use the LoRA that was trained for this model.")


def activate(language_model: "nn.Module", name: AdapterName | None) -> None:
    """Switch to one LoRA, or to the untouched base for None."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in language_model.modules():
        if isinstance(module, BaseTunerLayer):
            if name is not None and name in module.lora_A:  # pyright: ignore[reportOperatorIssue]
                module.set_adapter(name)
                module.enable_adapters(enabled=True)
            else:
                module.enable_adapters(enabled=False)
