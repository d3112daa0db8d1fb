"""What this machine has: packages, memory, disk, CUDA, video; it does not know who needs how much.

Torch is imported by `cuda` alone, and only where it is a build for CUDA.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import PIL.Image

from unison_agent.errors import UnisonError, WeightsError
from unison_agent.media import Video

_CGROUP = Path("/sys/fs/cgroup/memory.max")
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[^\]]*\])?\s*([^;]*)(?:;\s*(.*))?")


@dataclass(frozen=True, slots=True)
class Package:
    """One package that unison-agent asks for.

    Attributes:
        name: As pip knows it.
        wanted: The versions that fit, e.g. ``">=5"``; empty when any does.
        installed: The version that is here; None when there is none.
    """

    name: str
    wanted: str
    installed: str | None

    @property
    def fits(self) -> bool:
        """Whether it is here in a version that fits; without `packaging` any version is taken."""
        if self.installed is None:
            return False
        try:
            from packaging.specifiers import InvalidSpecifier, SpecifierSet
        except ImportError:
            return True
        try:
            return SpecifierSet(self.wanted).contains(self.installed, prereleases=True)
        except InvalidSpecifier:
            return True

    def __str__(self) -> str:
        return f"{self.name} {self.installed or 'is missing'}"


def packages(extra: str | None) -> tuple[Package, ...]:
    """Return what an extra of unison-agent asks for; None for what every install has."""
    return tuple(_packages(extra))


def _packages(extra: str | None) -> Iterator[Package]:
    for line in requires("unison-agent") or ():
        found = _REQUIREMENT.match(line)
        if found is None:
            continue
        name, wanted, marker = found[1], found[2].strip(" ()"), found[3] or ""
        of_extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
        if (of_extra[1] if of_extra else None) != extra or name == "unison-agent":
            continue
        try:
            yield Package(name, wanted, version(name))
        except PackageNotFoundError:
            yield Package(name, wanted, None)


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory in bytes; None where the system does not say."""

    total_bytes: int | None
    free_bytes: int | None


def memory() -> Memory:
    """Return the memory of the machine, or of the container where that has less."""
    try:
        import psutil
    except ImportError:
        total, free = _pages("SC_PHYS_PAGES"), _pages("SC_AVPHYS_PAGES")
    else:
        now = psutil.virtual_memory()
        total, free = int(now.total), int(now.available)
    try:
        allowed = int(_CGROUP.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return Memory(total, free)
    return Memory(min(total or allowed, allowed), min(free or allowed, allowed))


def _pages(name: str) -> int | None:
    try:
        return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def free_disk_bytes(folder: Path) -> int | None:
    """Return what is free where a folder is or would be made; None where the system does not say."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), None)
    try:
        return None if there is None else shutil.disk_usage(there).free
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class Device:
    """The first CUDA device, or why there is none."""

    name: str | None = None
    memory_bytes: int = 0
    why_not: str = ""


def cuda() -> Device:
    """Look for a CUDA device with torch, which is imported where its build could use one."""
    try:
        built = version("torch")
    except PackageNotFoundError:
        return Device(why_not="torch is not installed")
    if built.endswith("+cpu"):
        return Device(why_not=f"torch {built} is a build for CPUs")
    try:
        import torch

        if not torch.cuda.is_available():
            return Device(why_not=f"torch {built} finds no CUDA device")
        _, total = torch.cuda.mem_get_info(0)
        return Device(torch.cuda.get_device_name(0), total)
    except Exception as error:  # noqa: BLE001 - a broken install or driver may raise anything
        return Device(why_not=f"torch {built} cannot be used ({error})")


def mp4_fault() -> str | None:
    """Write a clip of two frames as MP4 and read it back; return what went wrong, if anything did."""
    frames = [PIL.Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    try:
        back = Video.open(Video.from_frames(frames, 8).mp4_bytes())
    except UnisonError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - FFmpeg's libraries may be broken in any way
        return f"{type(error).__name__}: {error}"
    return None if back.num_frames == len(frames) else f"{back.num_frames} of 2 frames came back"


def hub_snapshot(repo: str, revision: str, file: str) -> bool:
    """Whether a file of a repository of the hub is in the hub's cache; nothing is fetched."""
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError as error:
        msg = "huggingface_hub is not installed, so its cache cannot be looked into."
        raise WeightsError(msg) from error
    try:
        return isinstance(try_to_load_from_cache(repo, file, revision=revision), str)
    except HFValidationError as error:
        raise WeightsError(f"{repo} is no name of a repository: {error}.") from error
