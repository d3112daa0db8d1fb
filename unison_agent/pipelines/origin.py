"""Which files a checkpoint was loaded from, by hash and by commit of the hub; it loads nothing."""

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


def origin(what: "Place", prefix: str) -> "Origin":
    """Return the SHA-256 of a checkpoint's files and ``owner/name@commit``, by the names that records give them.

    Raises:
        WeightsError: One is another than the tool pack pins.
    """
    folder = _folder(what)
    if folder is None:
        if what.pins:
            msg = f"{what.place}: its files were not found, so their hashes cannot be checked."
            raise WeightsError(msg, hint="Fetch them into the hub's own cache.")
        return {}
    check_pins(folder, what.pinned(), of=what.place)
    source = hub_source(what.repo, folder)
    return {f"{prefix}/{name}": (digest, source) for name, digest in weight_files(folder).items()}


def switched_origin(switches: "Switches") -> "Origin":
    """Return the same of the files that switches name: a LoRA that is merged, and a denoiser from GGUF."""
    found: Origin = {}
    for prefix, what in (("distilled", switches.speed.distilled), ("gguf", switches.memory.gguf)):
        folder = None if what is None else _folder(what)
        if what is not None and folder is not None and (folder / what.file).is_file():
            digest = file_hash(folder / what.file)
            found[f"{prefix}/{what.file}"] = (digest, hub_source(what.repo, folder))
    return found


def _folder(what: "Place | Files") -> Path | None:
    if what.repo is not None and what.revision is not None:
        return cached_folder(what.repo, what.revision)
    return Path(what.path or "")
