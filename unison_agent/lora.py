"""LoRAs of a language model, folded into copies of its weights and switched; it does not know their purpose.

A folded layer runs as fast as the layer alone, where a LoRA beside it costs a small model a third of its speed.
The base's own weights are kept, not computed back: switched off, a LoRA leaves no trace.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, cast

from unison_agent.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

AdapterName = Literal["planner", "answers"]
ADAPTERS: tuple[AdapterName, ...] = ("planner", "answers")


class _Settings(TypedDict):
    """What is read of a peft configuration."""

    r: int
    lora_alpha: float
    target_modules: list[str]


class FoldedLoras:
    """The LoRAs of one model, all off at first.

    Args:
        language_model: Whose linear layers the LoRAs' names are relative to.
    """

    def __init__(self, language_model: "nn.Module") -> None:
        self._model = language_model
        self._base: dict[str, Tensor] = {}
        self._folded: dict[AdapterName, dict[str, Tensor]] = {}

    @property
    def names(self) -> frozenset[AdapterName]:
        """What can be switched to."""
        return frozenset(self._folded)

    def add(self, folder: Path, name: AdapterName) -> None:
        """Add the LoRA in `folder` under `name`, switched off.

        Args:
            folder: Holds adapter_config.json (peft) and adapter.safetensors.
            name: To switch it by.

        Raises:
            WeightsError: The file does not fit the model.
        """
        from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

        self.activate(None)
        config = (folder / "adapter_config.json").read_text(encoding="utf-8")
        settings = cast("_Settings", json.loads(config))
        values = load_file(folder / "adapter.safetensors")
        layers = self._layers(settings["target_modules"])
        expected = {f"{layer}.{part}.weight" for layer in layers for part in ("lora_A", "lora_B")}
        if not layers:
            raise _misfit(folder, f"the model has no {' or '.join(settings['target_modules'])}.")
        if values.keys() != expected:
            wrong = sorted(values.keys() ^ expected)
            raise _misfit(folder, f"{len(wrong)} names differ, e.g. {wrong[0]}.")
        scale = settings["lora_alpha"] / settings["r"]
        folded: dict[str, Tensor] = {}
        for layer, linear in layers.items():
            down, up = (values[f"{layer}.{part}.weight"] for part in ("lora_A", "lora_B"))
            found = (tuple(down.shape), tuple(up.shape))
            fits = (
                (settings["r"], linear.in_features),
                (linear.out_features, settings["r"]),
            )
            if found != fits:
                raise _misfit(
                    folder, f"{layer} needs the shapes {fits}, got a size mismatch: {found}."
                )
            change = scale * (up.float() @ down.float()).to(linear.weight.device)
            folded[layer] = (linear.weight.float() + change).to(linear.weight.dtype)
            self._base.setdefault(layer, linear.weight.data)
        self._folded[name] = folded

    def activate(self, name: AdapterName | None) -> None:
        """Switch to one LoRA; to the untouched base for None, and for one that was not added."""
        folded = {} if name is None else self._folded.get(name, {})
        for layer, base in self._base.items():
            linear = cast("nn.Linear", self._model.get_submodule(layer))
            linear.weight.data = folded.get(layer, base)

    def _layers(self, targets: list[str]) -> dict[str, "nn.Linear"]:
        """Return the linear layers whose own name is one of the targets."""
        from torch import nn

        modules = cast("Iterable[tuple[str, nn.Module]]", self._model.named_modules())
        return {
            name: module
            for name, module in modules
            if isinstance(module, nn.Linear) and name.rpartition(".")[2] in targets
        }


def _misfit(folder: Path, why: str) -> WeightsError:
    msg = f"{folder / 'adapter.safetensors'} does not fit: {why}"
    return WeightsError(msg, hint="Use the LoRA that was trained for this model.")
