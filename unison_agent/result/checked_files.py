"""Writes encoded media once each was read back; what is not as granted is kept aside. It knows no records."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unison_agent.errors import OutputError
from unison_agent.media import Medium
from unison_agent.result import saving
from unison_agent.result.checking import fault_of
from unison_agent.tasks import Granted


@dataclass(frozen=True, slots=True)
class Encoded:
    """One file that is still to be written.

    Attributes:
        path: Its name.
        data: The file.
        medium: What was encoded.
        granted: What it was to be; None where nothing was granted, and `medium` alone says it.
    """

    path: Path
    data: bytes
    medium: Medium
    granted: Granted | None = None


def write_checked(files: Sequence[Encoded], *, overwrite: bool) -> None:
    """Write files, all or none, after reading each back.

    Raises:
        OutputError: They cannot be written; or one is not what was granted. All are kept aside then.
    """
    saving.check_targets([file.path for file in files], overwrite=overwrite)
    for file in files:
        fault = fault_of(file.data, file.medium, file.granted, file.path.suffix.lower())
        if fault is not None:
            raise _set_aside(files, file.path, fault)
    saving.write_whole([(file.path, file.data) for file in files], overwrite=overwrite)


def _set_aside(files: Sequence[Encoded], wrong: Path, fault: str) -> OutputError:
    """Write files under names of their own, so that the work is not lost; return the error that says so."""
    moved = saving.aside([file.path for file in files])
    data = (file.data for file in files)
    saving.write_whole(list(zip(moved, data, strict=True)), overwrite=False)
    names = ", ".join(str(path) for path in moved)
    msg = f"{wrong.name} is not what was granted: {fault}. It was not written; what was made is kept aside: {names}."
    return OutputError(msg, hint="Look at it, then save under another suffix or run it again.")
