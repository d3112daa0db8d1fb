"""Which files a checkpoint was loaded from, by hash and by commit of the hub; it loads nothing."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from unison_agent.errors import WeightsError
from unison_agent.file_hashes import check_pins, file_hash, weight_files
from unison_agent.hub_files import cached_folder, hub_source

if TYPE_CHECKING:
    from unison_agent.file_specs import Files
    from unison_agent.pipeline_specs import Place
    from unison_agent.speed_specs import Switches

    Origin = dict[str, tuple[str, str | None]]


def files_of(
    what: "Files", of: str, *, without: Iterable[str] = ()
) -> tuple[Mapping[str, str], str | None]:
    """Return the SHA-256 of a checkpoint's files by their paths in it, and ``owner/name@commit``.

    Nothing where the hub's cache has none of it.

    Args:
        what: Where they lie, and what the tool pack pins of them.
        of: What to call it in messages.
        without: Folders in it that are not loaded.

    Raises:
        WeightsError: One is another than the tool pack pins.
    """
    folder = _folder(what)
    if folder is None:
        if what.pins:
            msg = f"{of}: its files were not found, so their hashes cannot be checked."
            raise WeightsError(msg, hint="Fetch them into the hub's own cache.")
        return {}, None
    check_pins(folder, what.pinned(), of=of)
    return weight_files(folder, without=without), hub_source(what.repo, folder)


def origin(what: "Place", prefix: str) -> "Origin":
    """Return hash and ``owner/name@commit`` of a checkpoint's files, by the names that records give them.

    Raises:
        WeightsError: One is another than the tool pack pins.
    """
    hashes, source = files_of(what, what.place)
    return {f"{prefix}/{name}": (digest, source) for name, digest in hashes.items()}


def switched_origin(switches: "Switches") -> "Origin":
    """Return the same of the files that switches name: a LoRA that is merged, and a denoiser from GGUF."""
    found: Origin = {}
    for prefix, what in (("distilled", switches.speed.distilled), ("gguf", switches.memory.gguf)):
        folder = None if what is None else _folder(what)
        if what is not None and folder is not None and (folder / what.file).is_file():
            digest = file_hash(folder / what.file)
            found[f"{prefix}/{what.file}"] = (digest, hub_source(what.repo, folder))
    return found


def hashes_and_sources(files: "Origin") -> tuple[dict[str, str], dict[str, str | None]]:
    """Return the hashes of files by name, and by the same names where they came from."""
    hashes = {name: digest for name, (digest, _) in files.items()}
    return hashes, {name: source for name, (_, source) in files.items()}


def _folder(what: "Files") -> Path | None:
    if what.repo is not None and what.revision is not None:
        return cached_folder(what.repo, what.revision)
    return Path(what.path or "")
