"""Makes the switches of a pack: each is a call of diffusers, in the one order in which they work; it decides nothing.

Loading, `tune` and `place` follow each other: a LoRA is merged before weights are cast, and both before they move.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from unison_agent.errors import WeightsError
from unison_agent.file_hashes import check_pins
from unison_agent.hub_files import repo_folder
from unison_agent.pipelines.needs import device_of
from unison_agent.pipelines.tunable import Denoiser, Groups, Tunable
from unison_agent.progress import Progress, silent
from unison_agent.speed_specs import INTERVAL, MAX_ORDER, THRESHOLD, WARMUP_STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from unison_agent.file_specs import Dtype, Files
    from unison_agent.speed_specs import CacheSpec, DistilledLora, MemorySpec, SpeedSpec, Switches

# Of TaylorSeer: diffusers' own patterns match no layer of these transformers.
_LAYERS = [
    r"(vace_)?blocks\.\d+\.(attn1|attn2|ffn)",
    r"(single_)?transformer_blocks\.\d+\.(attn[12]?|ff|ff_context|img_mlp|txt_mlp|proj_mlp|proj_out)",
]


def load_arguments(
    switches: "Switches", where: str, revision: str | None, dtype: "Dtype", progress: Progress
) -> dict[str, object]:
    """Return what `from_pretrained` of a pipeline with a transformer is told besides.

    Args:
        switches: Of the pipeline.
        where: Its folder or repository, for the configuration of a denoiser from GGUF.
        revision: Of the repository.
        dtype: What layers compute in.
        progress: Told of what is fetched.

    Raises:
        WeightsError: The GGUF file is missing or does not fit.
        DownloadError: It could not be fetched.
    """
    memory = switches.memory
    arguments: dict[str, object] = {}
    if memory.device_map == "balanced":
        arguments["device_map"] = "balanced"
    if memory.quantization is not None:
        from diffusers import (
            PipelineQuantizationConfig,  # pyright: ignore[reportPrivateImportUsage]
            TorchAoConfig,  # pyright: ignore[reportPrivateImportUsage]
        )

        kinds = {"int8": "Int8WeightOnlyConfig", "float8": "Float8WeightOnlyConfig"}
        kind = getattr(import_module("torchao.quantization"), kinds[memory.quantization])
        arguments["quantization_config"] = PipelineQuantizationConfig(
            quant_mapping={"transformer": TorchAoConfig(kind()), "unet": TorchAoConfig(kind())}
        )
    if memory.gguf is not None:
        file = _file(memory.gguf, memory.gguf.file, progress)
        arguments["transformer"] = _gguf_denoiser(file, where, revision, dtype)
    return arguments


def _file(files: "Files", name: str, progress: Progress) -> Path:
    if files.repo is not None and files.revision is not None:
        found = repo_folder(files.repo, files.revision, (name,), progress) / name
    else:
        found = Path(files.path or ".") / name
    if not found.is_file():
        raise WeightsError(f"There is no file {found}.", hint="Correct the tool pack.")
    check_pins(found.parent, files.pinned(), of=name)
    return found


def _gguf_denoiser(file: Path, where: str, revision: str | None, dtype: "Dtype") -> object:
    import diffusers
    import torch

    folder = Path(where)
    if not folder.is_dir():
        folder = repo_folder(
            where, revision or "main", ("model_index.json", "transformer/config.json")
        )
    try:
        config = json.loads((folder / "transformer" / "config.json").read_text(encoding="utf-8"))
        kind = getattr(diffusers, str(config["_class_name"]))
        compute = getattr(torch, dtype)
        quantization = diffusers.GGUFQuantizationConfig(compute_dtype=compute)  # pyright: ignore[reportPrivateImportUsage]
        return kind.from_single_file(
            str(file),
            config=str(folder),
            subfolder="transformer",
            quantization_config=quantization,
            torch_dtype=compute,
        )
    except (OSError, ValueError, TypeError, RuntimeError, KeyError, AttributeError) as error:
        msg = f"{file} could not be loaded: {str(error).rstrip('.')}."
        hint = "Name a GGUF file of the pipeline's own transformer in the tool pack."
        raise WeightsError(msg, hint=hint) from error


def tune(pipe: Tunable, switches: "Switches", dtype: "Dtype", progress: Progress = silent) -> None:
    """Make the switches that change the models, while these are in main memory.

    Raises:
        WeightsError: The LoRA is missing, or of another model.
        DownloadError: It could not be fetched.
    """
    import torch

    memory, speed = switches.memory, switches.speed
    if speed.distilled is not None:
        _merge(pipe, speed.distilled, progress)
    if memory.storage_dtype is not None:
        denoiser(pipe).enable_layerwise_casting(
            storage_dtype=getattr(torch, memory.storage_dtype), compute_dtype=getattr(torch, dtype)
        )
    if speed.cache is not None:
        denoiser(pipe).enable_cache(_cache(speed.cache, dtype))
    if memory.vae_tiling:
        pipe.vae.enable_tiling()
    if memory.vae_slicing:
        pipe.vae.enable_slicing()


def denoiser(pipe: Tunable) -> Denoiser:
    """Return the transformer or UNet of a pipeline."""
    models = pipe.components
    return cast("Denoiser", models["transformer"] if "transformer" in models else models["unet"])


def _merge(pipe: Tunable, lora: "DistilledLora", progress: Progress) -> None:
    file = _file(lora, lora.file, progress)
    try:
        pipe.load_lora_weights(
            str(file.parent), weight_name=file.name, use_safetensors=True, local_files_only=True
        )
        pipe.fuse_lora(lora_scale=lora.weight)
        pipe.unload_lora_weights()
    except (OSError, ValueError, TypeError, RuntimeError, KeyError, AttributeError) as error:
        msg = f"The LoRA {file} could not be merged: {str(error).rstrip('.')}."
        raise WeightsError(msg, hint="Name one of the pipeline's own model in the pack.") from error


def _cache(spec: "CacheSpec", dtype: "Dtype") -> object:
    import torch
    from diffusers import (
        FirstBlockCacheConfig,  # pyright: ignore[reportPrivateImportUsage]
        TaylorSeerCacheConfig,  # pyright: ignore[reportPrivateImportUsage]
    )

    if spec.method == "first_block":
        return FirstBlockCacheConfig(threshold=spec.threshold or THRESHOLD)
    whole = spec.scope == "model"
    return TaylorSeerCacheConfig(
        cache_interval=spec.interval or INTERVAL,
        disable_cache_before_step=spec.warmup_steps or WARMUP_STEPS,
        max_order=MAX_ORDER if spec.max_order is None else spec.max_order,
        taylor_factors_dtype=getattr(torch, dtype),
        use_lite_mode=whole,
        cache_identifiers=None if whole else _LAYERS,
    )


def place(pipe: Tunable, switches: "Switches", device: str | None) -> None:
    """Bring a tuned pipeline to where it computes, or let it wait in main memory; compile what shall be."""
    memory, where = switches.memory, device_of(switches, device)
    match memory.offload:
        case "model":
            pipe.enable_model_cpu_offload(device=where)
        case "sequential":
            pipe.enable_sequential_cpu_offload(device=where)
        case "block" | "leaf":
            # It is small, and run by encode and decode, which no hook sees.
            pipe.enable_group_offload(**_groups(memory, where), exclude_modules=["vae"])
        case None:
            if memory.device_map != "balanced":
                pipe.to(where)
    _compile(pipe, switches.speed)


def place_denoiser(pipe: Tunable, switches: "Switches", device: str) -> None:
    """Bring the denoiser of a pipeline whose other models have their place already to where it computes."""
    memory, model = switches.memory, denoiser(pipe)
    match memory.offload:
        case "model":
            pipe.enable_model_cpu_offload(device=device)
        case "sequential":
            import torch
            from accelerate import cpu_offload

            cpu_offload(cast("torch.nn.Module", model), torch.device(device))
        case "block" | "leaf":
            model.enable_group_offload(**_groups(memory, device))
        case None:
            if memory.device_map != "balanced":
                model.to(device)
    _compile(pipe, switches.speed)


def _groups(memory: "MemorySpec", where: str) -> Groups:
    import torch

    blocks = (memory.blocks_per_group or 1) if memory.offload == "block" else None
    return {
        "onload_device": torch.device(where),
        "offload_type": f"{memory.offload}_level",
        "num_blocks_per_group": blocks,
        "use_stream": memory.use_stream,
    }


def _compile(pipe: Tunable, speed: "SpeedSpec") -> None:
    match speed.compile:
        case "blocks":
            denoiser(pipe).compile_repeated_blocks(fullgraph=True)
        case "whole":
            denoiser(pipe).compile()
        case None:
            pass


def weight_bytes(models: "Mapping[str, object]") -> int:
    """Return what the weights of some models take, each storage counted once."""
    import torch

    seen: dict[int, int] = {}
    for model in models.values():
        if isinstance(model, torch.nn.Module):
            for tensor in _tensors(model):
                storage = tensor.untyped_storage()
                seen[storage.data_ptr()] = storage.nbytes()
    return sum(seen.values())


def _tensors(model: "torch.nn.Module") -> "Iterator[torch.Tensor]":
    for tensor in (*model.parameters(), *model.buffers()):
        yield from _plain(tensor)


def _plain(tensor: "torch.Tensor") -> "Iterator[torch.Tensor]":
    flatten = getattr(tensor, "__tensor_flatten__", None)  # of torchao's tensors of tensors
    if flatten is None:
        yield tensor
        return
    for name in flatten()[0]:
        yield from _plain(getattr(tensor, name))
