"""The parts of diffusers' pipelines and models that switches need; it makes none of them."""

from typing import TYPE_CHECKING, Protocol, TypedDict, Unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch


class Groups(TypedDict):
    """How groups of layers are kept in main memory."""

    onload_device: "torch.device"
    offload_type: str
    num_blocks_per_group: int | None
    use_stream: bool


class Denoiser(Protocol):
    """A transformer or UNet."""

    def to(self, device: str) -> object:
        """Bring it to a device."""
        ...

    def enable_group_offload(self, **groups: Unpack[Groups]) -> None:
        """Keep groups of its layers in main memory until they run."""
        ...

    def enable_layerwise_casting(
        self, storage_dtype: "torch.dtype", compute_dtype: "torch.dtype"
    ) -> None:
        """Keep weights in a smaller type, and compute in another."""
        ...

    def enable_cache(self, config: object) -> None:
        """Foretell steps."""
        ...

    def compile(self) -> None:
        """Compile all of it at its first run."""
        ...

    def compile_repeated_blocks(self, *, fullgraph: bool) -> None:
        """Compile its repeated blocks at their first run."""
        ...


class Vae(Protocol):
    """An autoencoder."""

    def enable_tiling(self) -> None:
        """Decode large frames tile by tile."""
        ...

    def enable_slicing(self) -> None:
        """Decode a batch one by one."""
        ...


class Tunable(Protocol):
    """The part of a diffusers pipeline that switches need."""

    vae: Vae

    @property
    def config(self) -> "Mapping[str, object]":
        """Its own settings by name."""
        ...

    @property
    def components(self) -> "Mapping[str, object]":
        """The models by name."""
        ...

    def to(self, device: str) -> object:
        """Bring all models to a device."""
        ...

    def enable_model_cpu_offload(self, *, device: str) -> None:
        """Keep whole models in main memory until they run."""
        ...

    def enable_sequential_cpu_offload(self, *, device: str) -> None:
        """Keep single layers in main memory until they run."""
        ...

    def enable_group_offload(self, *, exclude_modules: list[str], **groups: Unpack[Groups]) -> None:
        """Keep groups of layers in main memory until they run."""
        ...

    def load_lora_weights(self, where: str, **kwargs: object) -> None:
        """Read a LoRA."""
        ...

    def fuse_lora(self, *, lora_scale: float) -> None:
        """Merge it."""
        ...

    def unload_lora_weights(self) -> None:
        """Take its layers away."""
        ...
