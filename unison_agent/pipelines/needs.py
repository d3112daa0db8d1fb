"""Whether this machine can do what the switches of a pack ask for; it loads no weights and changes nothing."""

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from unison_agent.errors import MachineError, MissingDependencyError, UnisonError
from unison_agent.pipelines.loading import default_device

if TYPE_CHECKING:
    from unison_agent.speed_specs import Switches

_CUDA_TORCH = (
    "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu128"
)


def device_of(switches: "Switches", device: str | None) -> str:
    """Return where a pipeline computes: as the caller says, else as the pack does, else the best there is."""
    mapped = switches.memory.device_map
    return device or (mapped if mapped not in (None, "balanced") else default_device())


def check_machine(switches: "Switches", device: str | None = None) -> None:
    """Check, before anything is loaded, that all switches can work here.

    Args:
        switches: Of a pipeline.
        device: Where it shall compute, as the caller says.

    Raises:
        MissingDependencyError: A package is not installed.
        MachineError: There is no such device, or nothing that compiles.
    """
    for lack in lacks(switches, device):
        raise lack


def lacks(switches: "Switches", device: str | None = None) -> Iterator[UnisonError]:
    """Yield an error for each thing that `check_machine` would complain about."""
    memory, speed = switches.memory, switches.speed
    packages = (
        ("torch", "models", True),
        ("torchao", "speed", memory.quantization),
        ("gguf", "models", memory.gguf),
        ("peft", "speed", speed.distilled),
        ("accelerate", "models", memory.device_map == "balanced" or memory.offload),
    )
    missing = [
        MissingDependencyError(name, extra=extra)
        for name, extra, wanted in packages
        if wanted and find_spec(name) is None
    ]
    yield from missing
    if any(lack.package == "torch" for lack in missing):
        return
    where = device_of(switches, device)
    if memory.device_map == "balanced" and device is not None:
        msg = (
            f"memory.device_map = 'balanced' chooses the devices, and device {device!r} was given."
        )
        yield MachineError(msg, hint="Leave device out, or device_map in the tool pack.")
    yield from _lacks_cuda(switches, where)
    if speed.compile:
        yield from _lacks_compiler(where)


def _lacks_cuda(switches: "Switches", where: str) -> Iterator[MachineError]:
    import torch

    memory = switches.memory
    asked = [
        words
        for words, wanted in (
            ("memory.device_map = 'balanced'", memory.device_map == "balanced"),
            (f"memory.offload = {memory.offload!r}", memory.offload in ("model", "sequential")),
            ("memory.use_stream = true", memory.use_stream),
        )
        if wanted and not where.startswith("cuda")
    ]
    if where.startswith("cuda"):
        count, index = torch.cuda.device_count(), int(where.partition(":")[2] or 0)
        if index < count:
            return
        asked.append(f"The device {where}")
    if not asked:
        return
    if torch.version.cuda is None:
        why, hint = f"torch {torch.__version__} is a build without it", f"Run: {_CUDA_TORCH}"
    elif not torch.cuda.is_available():
        why = f"torch {torch.__version__} finds none"
        hint = "Mend the driver (nvidia-smi shows it), or leave the key out of the tool pack."
    else:
        why = f"the pipeline runs on {where}, and there are {torch.cuda.device_count()}"
        hint = "Leave device out, or the key in the tool pack."
    yield MachineError(f"{asked[0]} needs a CUDA device: {why}.", hint=hint)


def _lacks_compiler(where: str) -> Iterator[MachineError]:
    if where.startswith("cuda"):
        if find_spec("triton") is None:
            msg = "speed.compile needs triton, which is not installed."
            yield MachineError(msg, hint="Run: pip install triton")
    elif not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++", "cl"))):
        msg = "speed.compile needs a C++ compiler on the CPU, and there is none."
        yield MachineError(msg, hint="Run: apt install g++ (or set CXX)")
