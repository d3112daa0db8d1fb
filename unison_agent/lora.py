"""LoRAs of a language model, folded into copies of its weights and switched; it does not know their purpose.

A folded layer runs as fast as the layer alone, where a LoRA beside it costs a small model a third of its speed.
The base's own weights are kept, not computed back: switched off, a LoRA leaves no trace.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, cast

from unison_agent.errors import WeightsError
from unison_agent.file_hashes import file_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor, nn

    from unison_agent.packing import PackedLinear

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
        self._modules: dict[str, nn.Module] = {}
        self._base: dict[str, Tensor] = {}
        self._folded: dict[AdapterName, dict[str, Tensor]] = {}
        self._unfolded: dict[AdapterName, _Unfolded] = {}
        self.hashes: dict[str, str] = {}  # of the files, by name

    def pack(self, *others: "nn.Module") -> None:
        """Lay out the weights of all linear layers once, and those of `others`; the products stay the same.

        LoRAs that are added later are laid out too. Layers that this machine cannot lay out stay as they are.
        """
        from unison_agent.packing import pack

        if self._base:
            msg = "Layers are packed before LoRAs are added."
            raise RuntimeError(msg)
        for module in (*self._model.modules(), *others):
            pack(module)

    @property
    def names(self) -> frozenset[AdapterName]:
        """What can be switched to."""
        return frozenset((*self._folded, *self._unfolded))

    def add(self, folder: Path, name: AdapterName) -> None:
        """Add the LoRA in `folder` under `name`, switched off.

        Args:
            folder: Holds adapter_config.json (peft) and adapter.safetensors.
            name: To switch it by.

        Raises:
            WeightsError: The file does not fit the model.
        """
        from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

        config = (folder / "adapter_config.json").read_text(encoding="utf-8")
        settings = cast("_Settings", json.loads(config))
        file = folder / "adapter.safetensors"
        scale = settings["lora_alpha"] / settings["r"]
        self.fold(
            name,
            load_file(file),
            targets=settings["target_modules"],
            rank=settings["r"],
            scale=scale,
            file=file,
        )
        self.hashes[name] = file_hash(file)

    def fold(
        self,
        name: AdapterName,
        values: "Mapping[str, Tensor]",
        *,
        targets: "Sequence[str]",
        rank: int,
        scale: float,
        file: Path,
    ) -> None:
        """Add a LoRA under `name`, switched off; it is checked here, and multiplied out when it is first on.

        Args:
            name: To switch it by.
            values: Its matrices, ``<layer>.lora_A.weight`` and ``<layer>.lora_B.weight``.
            targets: The own names of the linear layers that it changes.
            rank: Of the matrices.
            scale: Of their product.
            file: Where it comes from, for messages.

        Raises:
            WeightsError: It does not fit the model.
        """
        self.activate(None)
        layers = self._layers(targets)
        expected = {f"{layer}.{part}.weight" for layer in layers for part in ("lora_A", "lora_B")}
        if not layers:
            raise _misfit(file, f"the model has no {' or '.join(targets)}.")
        if wrong := sorted(set(values) ^ expected):
            raise _misfit(file, f"{len(wrong)} names differ, e.g. {wrong[0]}.")
        for layer, linear in layers.items():
            down, up = (values[f"{layer}.{part}.weight"] for part in ("lora_A", "lora_B"))
            found = (tuple(down.shape), tuple(up.shape))
            fits = (
                (rank, linear.in_features),
                (linear.out_features, rank),
            )
            if found != fits:
                raise _misfit(
                    file, f"{layer} needs the shapes {fits}, got a size mismatch: {found}."
                )
        self._folded.pop(name, None)
        self._unfolded[name] = _Unfolded(values, layers, scale)
        self._modules |= layers
        for layer, linear in layers.items():
            self._base.setdefault(layer, _own(linear))

    def exchange(self, name: AdapterName, module: "nn.Module", key: str, weight: "Tensor") -> None:
        """Let a whole weight take the place of a module's own where `name` is active.

        Args:
            name: As it was added with.
            module: With a weight of its own, shared with no other.
            key: Names the module among all that are switched.
            weight: Its number of rows may differ.
        """
        from unison_agent.packing import unpack

        changed = self._changed(name)
        self.activate(None)
        unpack(module)
        own = cast("Tensor", module.weight)
        self._modules[key] = module
        self._base.setdefault(key, own.data)
        changed[key] = weight.to(own.device, own.dtype)

    def activate(self, name: AdapterName | None) -> None:
        """Switch to one LoRA; to the untouched base for None, and for one that was not added."""
        folded = self._changed(name) if name is not None and name in self.names else {}
        for layer, base in self._base.items():
            module, weight = self._modules[layer], folded.get(layer, base)
            if weight.is_mkldnn:
                cast("PackedLinear", module).packed = weight
            else:
                cast("Tensor", module.weight).data = weight

    def _changed(self, name: AdapterName) -> "dict[str, Tensor]":
        """Return the weights that a LoRA puts in the place of the base's; it must have been added."""
        if (waiting := self._unfolded.pop(name, None)) is not None:
            self.activate(None)
            self._folded[name] = waiting.folded()
        return self._folded[name]

    def _layers(self, targets: "Sequence[str]") -> dict[str, "nn.Linear"]:
        """Return the linear layers whose own name is one of the targets."""
        from torch import nn

        modules = cast("Iterable[tuple[str, nn.Module]]", self._model.named_modules())
        return {
            name: module
            for name, module in modules
            if isinstance(module, nn.Linear) and name.rpartition(".")[2] in targets
        }


@dataclass(frozen=True, slots=True)
class _Unfolded:
    """A LoRA that fits and has not been on yet.

    Attributes:
        values: Its matrices.
        layers: The linear layers that it changes, by name.
        scale: Of the products of its matrices.
    """

    values: "Mapping[str, Tensor]"
    layers: "dict[str, nn.Linear]"
    scale: float

    def folded(self) -> "dict[str, Tensor]":
        """Return the changed weights by layer, laid out as the layer is; its own must be those of the base."""
        from unison_agent.packing import PackedLinear, packed

        made: dict[str, Tensor] = {}
        for layer, linear in self.layers.items():
            down, up = (self.values[f"{layer}.{part}.weight"] for part in ("lora_A", "lora_B"))
            change = self.scale * (up.float() @ down.float()).to(linear.weight.device)
            weight = (linear.weight.float() + change).to(linear.weight.dtype)
            made[layer] = packed(weight) if isinstance(linear, PackedLinear) else weight
        return made


def _own(linear: "nn.Linear") -> "Tensor":
    """Return the weight that a layer multiplies by."""
    from unison_agent.packing import PackedLinear

    return linear.packed if isinstance(linear, PackedLinear) else linear.weight.data


def _misfit(file: Path, why: str) -> WeightsError:
    msg = f"{file} does not fit: {why}"
    return WeightsError(msg, hint="Use the LoRA that was trained for this model.")
