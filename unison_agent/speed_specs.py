"""What a tool pack says of speed and memory: switches of a pipeline, and which go together; it loads nothing.

Each switch is a call of diffusers; `pipelines.tuning` makes them. What is refused here would give a wrong
picture, an error in the middle of a run, or nothing at all for its price.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal, cast

from pydantic import Field

from unison_agent.file_specs import Count, Dtype, Files, wrong
from unison_agent.tasks import Wire

Offload = Literal["model", "sequential", "block", "leaf"]
CacheMethod = Literal["taylorseer", "first_block", "pyramid_attention", "faster", "mag"]
TunedFamily = Literal["Wan VACE", "SDXL", "FLUX", "Qwen-Image", "Qwen-Image-Edit", "LTX-Video"]
Conflict = tuple[tuple[str, str], tuple[str, str], str]
"""The place of one key, that of the other, and why they do not go together."""
_ONE_CALL = ("FLUX", "LTX-Video")  # a step is one call of the denoiser, with guidance too
INTERVAL, WARMUP_STEPS, MAX_ORDER, THRESHOLD = 3, 4, 1, 0.05
"""Of caches that state none."""


class GgufSpec(Files):
    """A denoiser in one GGUF file, in place of the pipeline's own."""

    file: Annotated[str, Field(pattern=r"^[\w][\w.-]*\.gguf$")]


class MemorySpec(Wire):
    """What a pipeline does to take less memory of the device, the gentlest first."""

    vae_tiling: bool = Field(default=False, description="Decode large frames tile by tile.")
    vae_slicing: bool = Field(default=False, description="Decode a batch one by one.")
    storage_dtype: Literal["float8_e4m3fn", "float8_e5m2"] | None = Field(
        default=None,
        description="Of the denoiser's weights at rest; each layer computes in `dtype`.",
    )
    quantization: Literal["int8", "float8"] | None = Field(
        default=None, description="Of the denoiser's weights alone, made by torchao while loading."
    )
    gguf: GgufSpec | None = Field(default=None, description="A denoiser quantized beforehand.")
    device_map: Annotated[str, Field(pattern=r"^(balanced|cpu|cuda(:\d+)?)$")] | None = Field(
        default=None, description="'balanced' over all GPUs, or one device."
    )
    offload: Offload | None = Field(
        default=None,
        description="What waits in main memory: whole models, groups of blocks, or single layers.",
    )
    blocks_per_group: Count | None = Field(default=None, description="Of offload 'block'.")
    use_stream: bool = Field(
        default=False, description="Fetch the next blocks or leaves while these compute."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Yield what is set here and does not go together."""
        weights = [key for key in ("storage_dtype", "quantization", "gguf") if getattr(self, key)]
        for first, second in pairwise(weights):
            yield ("memory", first), ("memory", second), "both decide how the denoiser is stored"
        if self.offload and self.device_map:
            why = "both decide where the models lie"
            yield ("memory", "offload"), ("memory", "device_map"), why
        if self.offload == "sequential" and weights:
            why = "it moves weights as plain tensors; offload = 'leaf' goes with it"
            yield ("memory", "offload"), ("memory", weights[0]), why
        if self.device_map == "balanced" and self.gguf:
            why = "'balanced' places only what it loads itself"
            yield ("memory", "device_map"), ("memory", "gguf"), why
        if self.use_stream and (self.blocks_per_group or 1) > 1:
            why = "with a stream a group is one block"
            yield ("memory", "use_stream"), ("memory", "blocks_per_group"), why

    def check_complete(self) -> None:
        """Check that what belongs to `offload` has it.

        Raises:
            PydanticCustomError: A key has not.
        """
        if self.blocks_per_group and self.offload != "block":
            msg = "blocks_per_group goes with offload = 'block'"
            raise wrong(msg, "memory", "blocks_per_group")
        if self.use_stream and self.offload not in ("block", "leaf"):
            msg = "use_stream goes with offload = 'block' or 'leaf'"
            raise wrong(msg, "memory", "use_stream")


class CacheSpec(Wire):
    """Steps of the denoiser that are foretold from those before them, not computed."""

    method: CacheMethod
    interval: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="Of taylorseer: one step of so many is computed; 3 by default."
    )
    warmup_steps: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="Of taylorseer: so many are computed at first; 4 by default."
    )
    max_order: Annotated[int, Field(ge=0, le=3)] | None = Field(
        default=None, description="Of taylorseer's expansion; 1 by default."
    )
    scope: Literal["layers", "model"] | None = Field(
        default=None,
        description="Of taylorseer: what is foretold, each attention and feed-forward (the default) or the whole.",
    )
    threshold: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="Of first_block: a smaller change skips the rest; 0.05 by default.",
    )

    def check(self, family: TunedFamily) -> None:
        """Check that the method is right for a family of models, and has no key of another.

        Raises:
            PydanticCustomError: It is not.
        """
        why = cache_fault(self.method, family)
        if why is not None:
            raise wrong(f"{self.method} is wrong on {family}: {why}", "speed", "cache", "method")
        own = {"first_block": ("threshold",)}.get(
            self.method, ("interval", "warmup_steps", "max_order", "scope")
        )
        for key in ("interval", "warmup_steps", "max_order", "scope", "threshold"):
            if key not in own and getattr(self, key) is not None:
                raise wrong(f"{self.method} has no {key}", "speed", "cache", key)


def cache_fault(method: CacheMethod, family: TunedFamily) -> str | None:
    """Return why a method is wrong for a family, None where it is right; as diffusers 0.42 has both."""
    if family == "SDXL":
        return "its denoiser is a UNet, and has no cache"
    match method:
        case "taylorseer":
            return None
        case "first_block":
            if family == "Wan VACE":
                return "a skipped step adds the hints of VACE twice, as they are in what is reused"
            return None
        case "mag":
            if family == "Wan VACE":
                return "a skipped step adds the hints of VACE twice, as they are in what is reused"
            return "it needs ratios measured on the very checkpoint and number of steps"
        case "pyramid_attention" if family not in _ONE_CALL:
            return "its memory does not tell the call with the prompt from the one against it"
        case "faster" if family not in _ONE_CALL:
            return "it expects both branches of guidance in one batch; they are two calls"
        case _:
            return "first_block and taylorseer are offered in its place"


class DistilledLora(Files):
    """A LoRA that makes few steps enough. Its steps and guidance take the place of the tool's defaults."""

    file: Annotated[str, Field(pattern=r"^[\w][\w.-]*\.safetensors$")]
    steps: Count = Field(description="What it was distilled for; no other number is granted.")
    guidance_scale: float = Field(default=1.0, ge=0, description="Likewise.")
    weight: float = Field(default=1.0, gt=0, le=2, description="How much of it is merged.")


class SpeedSpec(Wire):
    """What a pipeline does to take less time."""

    distilled: DistilledLora | None = None
    cache: CacheSpec | None = None
    compile: Literal["blocks", "whole"] | None = Field(
        default=None,
        description="torch.compile of the repeated blocks, quickly, or of the whole denoiser.",
    )


class Switches(Wire):
    """The switches of a pipeline."""

    memory: MemorySpec = MemorySpec()
    speed: SpeedSpec = SpeedSpec()

    @property
    def switched(self) -> str:
        """What is not as it is by default, in words: ``"offload=leaf use_stream=True"``; empty when all is."""
        tables = (table.model_dump(exclude_defaults=True) for table in (self.memory, self.speed))
        return " ".join(_words(values) for values in tables if values)

    def check_switches(self, dtype: Dtype, family: TunedFamily) -> None:
        """Check that the switches go together, with the dtype, and with the models.

        Raises:
            PydanticCustomError: They do not; it names both keys.
        """
        self.memory.check_complete()
        if self.speed.cache is not None:
            self.speed.cache.check(family)
        if self.memory.gguf and family == "SDXL":
            raise wrong("the denoiser of SDXL is not read from GGUF", "memory", "gguf")
        for first, second, why in (*self.memory.conflicts(), *self._conflicts()):
            msg = f"{'.'.join(first)} and {'.'.join(second)} do not go together: {why}"
            raise wrong(msg, *first)
        if self.memory.quantization == "int8" and dtype != "bfloat16":
            msg = "memory.quantization = 'int8' and dtype do not go together: it needs 'bfloat16'"
            raise wrong(msg, "memory", "quantization")

    def _conflicts(self) -> Iterator[Conflict]:
        memory, speed = self.memory, self.speed
        cache, lora = ("speed", "cache"), ("speed", "distilled")
        compiled, offload = ("speed", "compile"), ("memory", "offload")
        if speed.cache and speed.compile:
            yield cache, compiled, "what is skipped is decided anew at each step"
        if speed.cache and memory.use_stream:
            why = "the stream fetches layers that a skipped step never uses"
            yield cache, ("memory", "use_stream"), why
        if speed.cache and speed.distilled:
            warmup = speed.cache.warmup_steps or WARMUP_STEPS
            if speed.cache.method == "taylorseer" and speed.distilled.steps <= warmup + 1:
                yield cache, lora, f"of {speed.distilled.steps} steps none is left to skip"
        if speed.compile and memory.offload == "sequential":
            yield compiled, offload, "each layer would be compiled again wherever it moves"
        if speed.compile == "blocks" and memory.offload in ("block", "leaf"):
            yield compiled, offload, "blocks are compiled whole, and the moves lie within them"
        for key in ("quantization", "gguf"):
            if speed.distilled and getattr(memory, key):
                why = "a LoRA cannot be merged into quantized weights"
                yield lora, ("memory", key), why


def _words(values: dict[str, object], above: str = "") -> str:
    parts: list[str] = []
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, dict):
            parts.append(_words(cast("dict[str, object]", value), f"{name}."))
        else:
            parts.append(f"{name}={value}")
    return " ".join(parts)
