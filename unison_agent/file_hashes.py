"""SHA-256 of weights by file, computed once and kept as long as a file is the same; it loads nothing.

The hub's cache names large files by their SHA-256, which is taken from there. Other files are read once; what came
out is kept in the library's cache by the file's path, size and time of change.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import cast

from unison_agent.errors import WeightsError
from unison_agent.weights import cache_dir, sha256_file

_DIGITS = 64


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file; of one that the hub's cache holds, as the hub has stated it.

    Raises:
        OSError: The file cannot be read.
    """
    named = path.resolve().name
    if path.is_symlink() and len(named) == _DIGITS and set(named) <= set("0123456789abcdef"):
        return named
    return read_hash(path)


def read_hash(path: Path) -> str:
    """Return the SHA-256 of what a file holds; it is read when it has changed since the last time.

    Raises:
        OSError: The file cannot be read.
    """
    place = path.resolve()
    state = place.stat()
    marks = {"path": str(place), "size": state.st_size, "mtime_ns": state.st_mtime_ns}
    kept = cache_dir() / "hashes" / f"{sha256(str(place).encode()).hexdigest()}.json"
    known = _known(kept)
    digest = known.get("sha256")
    if isinstance(digest, str) and known == {**marks, "sha256": digest}:
        return digest
    digest = sha256_file(place)
    # A cache that cannot be written costs time, and nothing else.
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(f".{token_hex(4)}")
        part.write_text(json.dumps({**marks, "sha256": digest}), encoding="utf-8")
        part.replace(kept)
    return digest


def _known(kept: Path) -> Mapping[str, object]:
    """Return what is kept of a file; nothing when it was not hashed yet."""
    try:
        loaded: object = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, object]", loaded) if isinstance(loaded, dict) else {}


def weight_files(folder: Path, *, without: Iterable[str] = ()) -> Mapping[str, str]:
    """Return the SHA-256 of every safetensors file below `folder`, by its path there.

    Args:
        folder: A checkpoint or pipeline.
        without: Folders in it that are not loaded.
    """
    left_out = set(without)
    found = (path for path in folder.rglob("*.safetensors"))
    names = {path.relative_to(folder): path for path in found}
    return {
        name.as_posix(): file_hash(path)
        for name, path in sorted(names.items())
        if name.parts[0] not in left_out
    }


def check_pins(folder: Path, pins: Mapping[str, str], *, of: str) -> None:
    """Hold files to the hashes that a tool pack states; what they hold is read, not what the hub states.

    Args:
        folder: Where they lie.
        pins: SHA-256 by path in `folder`.
        of: What they belong to, for messages.

    Raises:
        WeightsError: A file is missing or another; it names both hashes.
    """
    for name, expected in pins.items():
        path = folder / name
        if not path.is_file():
            msg = f"{of} has no {name}, whose sha256 the tool pack states."
            raise WeightsError(msg, hint="Correct the pins in the tool pack.")
        got = read_hash(path)
        if got != expected:
            msg = f"{of}: {name} has the sha256 {got}, the tool pack states {expected}."
            hint = "Take the revision that the pack was written for, or correct its pins after a check."
            raise WeightsError(msg, hint=hint)
