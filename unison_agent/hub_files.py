"""Folders of repositories on the Hugging Face hub, fetched once and cached by it; it loads no weights.

The cache is the hub's own: HF_HOME says where it lies, and HF_HUB_OFFLINE=1 keeps to what it holds.
"""

from collections.abc import Sequence
from pathlib import Path

from unison_agent.errors import DownloadError, MissingDependencyError, WeightsError
from unison_agent.progress import Progress, ProgressEvent, silent

_CACHE_HINT = "Check the network, HF_HOME and HF_HUB_OFFLINE; once fetched it loads offline."


def repo_folder(
    repo: str, revision: str, patterns: Sequence[str], progress: Progress = silent
) -> Path:
    """Return the folder of a repository with the files that match, fetching those that are not cached.

    Args:
        repo: ``owner/name``.
        revision: Commit, branch or tag.
        patterns: Of file names; ``*`` crosses folders.
        progress: Told before and after.

    Raises:
        DownloadError: They are not cached and the hub could not be reached.
        WeightsError: There is no such repository or revision, or it wants a login.
        MissingDependencyError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import errors, snapshot_download  # pyright: ignore[reportUnknownVariableType]
        from huggingface_hub.utils import (
            are_progress_bars_disabled,
            disable_progress_bars,
            enable_progress_bars,
        )
    except ImportError as error:
        raise MissingDependencyError(error.name or "huggingface_hub", extra="models") from error
    name = f"{repo}@{revision}"
    progress(ProgressEvent("download", 0, 1, name))
    shown = not are_progress_bars_disabled()
    disable_progress_bars()  # told through `progress`
    try:
        folder = snapshot_download(repo, revision=revision, allow_patterns=list(patterns))
    except errors.GatedRepoError as error:
        msg = f"{repo} is open only to those who accepted its terms."
        raise WeightsError(msg, hint="Accept them on the hub and log in: hf auth login") from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        msg = f"There is no {name} on the hub."
        raise WeightsError(msg, hint="Correct repo and revision in the tool pack.") from error
    except Exception as error:  # the hub's client raises those of its HTTP library too
        msg = f"{name} could not be fetched: {type(error).__name__}: {_first_line(error)}"
        raise DownloadError(msg, hint=_CACHE_HINT) from error
    finally:
        if shown:
            enable_progress_bars()
    progress(ProgressEvent("download", 1, 1, name))
    return Path(folder)


def hub_source(repo: str | None, folder: Path) -> str | None:
    """Return ``owner/name@commit`` of files in the hub's cache; None for those of a folder of one's own."""
    if repo is None:
        return None
    place = next((one for one in (folder, *folder.parents) if one.parent.name == "snapshots"), None)
    return None if place is None else f"{repo}@{place.name}"


def cached_folder(repo: str, revision: str) -> Path | None:
    """Return the folder of a repository that was loaded before, None where the cache has none of it."""
    from huggingface_hub import errors, snapshot_download  # pyright: ignore[reportUnknownVariableType]

    try:
        found = snapshot_download(repo, revision=revision, local_files_only=True)
    except (errors.LocalEntryNotFoundError, OSError, ValueError):
        return None
    return Path(found)


def only_file(folder: Path, name: str) -> Path | None:
    """Return the file of that name in `folder` or below it, None if there is none.

    Raises:
        WeightsError: There are several.
    """
    found = sorted(folder.rglob(name)) if folder.is_dir() else []
    if len(found) > 1:
        listed = ", ".join(path.relative_to(folder).as_posix() for path in found)
        msg = f"{folder} holds several {name}: {listed}."
        raise WeightsError(
            msg, hint="Name the folder of the one you want as path in the tool pack."
        )
    return found[0] if found else None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no reason was given."
