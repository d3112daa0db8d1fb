"""The connector of a tool: found, fetched and loaded; it does not know what it will read."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from unison_agent.errors import (
    ConnectorMismatchError,
    DownloadError,
    MissingDependencyError,
    WeightsError,
)
from unison_agent.file_hashes import file_hash, read_hash
from unison_agent.hub_files import hub_source, only_file, repo_folder
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.specs import ConnectorSpec, ToolSpec

if TYPE_CHECKING:
    from unison_agent.connector import Connector, Projector


class LoadedConnector(NamedTuple):
    """A connector, and which file it was.

    Attributes:
        connector: It.
        sha256: Of its file.
        source: ``owner/name@commit`` on the hub; None for a file of one's own.
    """

    connector: "Connector | Projector"
    sha256: str
    source: str | None


def check_stated(spec: ConnectorSpec, *, layer: int, template_sha256: str) -> None:
    """Compare what the pack says a connector was trained for with what it is used with.

    Raises:
        ConnectorMismatchError: Naming both values.
    """
    wrong = [
        f"{name}: trained for {trained}, used with {used}"
        for name, trained, used in (
            ("layer", spec.layer, layer),
            ("template_sha256", spec.template_sha256, template_sha256),
        )
        if trained is not None and trained != used
    ]
    if wrong:
        msg = f"The connector {spec.file} does not fit: {'; '.join(wrong)}."
        raise ConnectorMismatchError(msg, hint="Correct layer or connector in the tool pack.")


def load_connector(spec: ToolSpec, folder: Path, progress: Progress) -> LoadedConnector | None:
    """Return the connector of `spec` with its hash; None when there is none and none is required.

    Args:
        spec: Of the tool.
        folder: Where it lies if the spec names no other place.
        progress: Told of fetching and loading.

    Raises:
        DownloadError: The hub could not be reached, so that it cannot be told whether there is one.
        WeightsError: It is required and missing, damaged, or another than the pack pins.
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
    pins = spec.connector.pinned()
    digest = read_hash(path) if pins else file_hash(path)
    stated = next((pins[one] for one in pins if path.as_posix().endswith(f"/{one}")), None)
    if pins and stated != digest:
        msg = (
            f"{path.name} has the sha256 {digest}, the tool pack states {stated or 'none for it'}."
        )
        hint = "Take the revision that the pack was written for, or correct its pins after a check."
        raise WeightsError(f"The connector of {spec.name}: {msg}", hint=hint)
    progress(ProgressEvent("load", 0, 1, "connector"))
    match spec.connector.kind:
        case "resampler":
            connector = Connector.load(path)
        case "projector":
            connector = Projector.load(path)
    progress(ProgressEvent("load", 1, 1, "connector"))
    return LoadedConnector(connector, digest, hub_source(spec.connector.repo, path))


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
