"""The connector of a tool: found, fetched and loaded; it does not know what it will read."""

from pathlib import Path
from typing import TYPE_CHECKING

from unison_agent.errors import DownloadError, MissingDependencyError, WeightsError
from unison_agent.hub_files import only_file, repo_folder
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.specs import ConnectorSpec, ToolSpec
from unison_agent.weights import sha256_file

if TYPE_CHECKING:
    from unison_agent.connector import Connector, Projector


def load_connector(
    spec: ToolSpec, folder: Path, progress: Progress
) -> "tuple[Connector | Projector, str] | None":
    """Return the connector of `spec` and its hash; None when there is none and none is required.

    Args:
        spec: Of the tool.
        folder: Where it lies if the spec names no other place.
        progress: Told of fetching and loading.

    Raises:
        DownloadError: The hub could not be reached, so that it cannot be told whether there is one.
        WeightsError: It is required and missing, or damaged.
    """
    if spec.connector is None:
        return None
    name = spec.connector.file
    if "." not in name:
        name += ".safetensors" if spec.connector.kind == "resampler" else ".pth"
    path = _found(spec.connector, name, folder, progress)
    if path is None:
        if not spec.connector.required:
            return None
        place = spec.connector.repo or spec.connector.path or folder
        msg = f"The connector of {spec.name} is missing: there is no {name} in {place}."
        raise WeightsError(msg, hint="Reinstall unison-agent, or train the part again.")
    try:
        from unison_agent.connector import Connector, Projector
    except ImportError as error:
        raise MissingDependencyError(error.name or "torch", extra="models") from error
    progress(ProgressEvent("load", 0, 1, "connector"))
    match spec.connector.kind:
        case "resampler":
            connector = Connector.load(path)
        case "projector":
            connector = Projector.load(path)
    loaded = connector, sha256_file(path)
    progress(ProgressEvent("load", 1, 1, "connector"))
    return loaded


def _found(spec: ConnectorSpec, name: str, folder: Path, progress: Progress) -> Path | None:
    """Return the file of a connector, None if there is none where it should be."""
    if spec.repo is None or spec.revision is None:
        path = (Path(spec.path) if spec.path else folder) / name
        return path if path.is_file() else None
    patterns = (f"*{name}", f"*{Path(name).stem}.json")
    try:
        fetched = repo_folder(spec.repo, spec.revision, patterns, progress)
    except DownloadError:
        raise
    except WeightsError:
        if spec.required:
            raise
        return None
    return only_file(fetched, name)
