"""Runs ``pip download`` and tells how much has arrived; it does not know what the wheel is for.

pip does the download, so that proxies, mirrors and certificates are those the user already set up.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from unison_agent.progress import Progress, ProgressEvent

_POLL_SECONDS = 0.2  # between looks at what has arrived


def pip_download(
    requirement: str, folder: Path, options: Sequence[str], *, num_bytes: int, progress: Progress
) -> tuple[int, str]:
    """Fetch one wheel, without what it depends on.

    Args:
        requirement: What pip is asked for.
        folder: Where the wheel goes, beside pip's log and temporary files.
        options: Of ``pip download``, besides those that make it quiet.
        num_bytes: Size of the wheel, for the progress bar.
        progress: Told of the bytes; what it raises ends pip and goes on.

    Returns:
        pip's exit code and its log.
    """
    temporary = folder / "pip"
    temporary.mkdir(exist_ok=True)
    log_path = folder / "pip.log"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar=off", "--retries=2"]
    command += ["--dest", str(folder), *options]
    command.append(requirement)
    # pip writes what arrives below its temporary folder: counting there shows the progress.
    settings: dict[str, str] = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    settings["PIP_RESUME_RETRIES"] = "5"  # taken by pip >= 25.1, ignored before
    received = 0
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=temporary, env=os.environ | settings, stdout=log, stderr=log
        )
        try:
            while True:
                try:
                    code = process.wait(_POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    received = max(received, _bytes_below(folder, but=log_path))
                    done = min(received, num_bytes)
                    progress(ProgressEvent("download", done, num_bytes, requirement))
                else:
                    break
        finally:
            if process.poll() is None:  # cancelled
                process.terminate()
                process.wait()
    return code, log_path.read_text(encoding="utf-8", errors="replace")


def _bytes_below(folder: Path, *, but: Path) -> int:
    total = 0
    # pip moves files and removes folders meanwhile: os.walk skips what is gone, rglob raises.
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            with suppress(OSError):
                total += path.stat().st_size if path != but else 0
    return total
