"""Turns media into files and writes them whole or not at all; it does not know what a result is."""

import itertools
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from unison_agent import record_files
from unison_agent.errors import OutputError
from unison_agent.media import Image, Kind, Medium
from unison_agent.replay import Record

SUFFIXES: dict[Kind, tuple[str, ...]] = {"image": (".png", ".webp"), "video": (".mp4", ".gif")}
TEXT_SUFFIXES = (".txt", ".json")
_LOSSY = (".jpg", ".jpeg")


def kind_of(suffix: str) -> Kind | None:
    """The kind of media a suffix stands for; None for text.

    Raises:
        OutputError: A suffix that is not written.
    """
    if suffix in TEXT_SUFFIXES:
        return None
    for kind in get_args(Kind):
        if suffix in SUFFIXES[kind]:
            return kind
    if suffix in _LOSSY:
        msg = f"{suffix} is not written: JPEG changes the pixels that the record stands for."
        raise OutputError(msg, hint="Use .png or .webp, which lose nothing.")
    got = f"The suffix {suffix!r} is not written" if suffix else "The path has no suffix"
    known = "images as .png or .webp, videos as .mp4 or .gif, answers as .txt or .json"
    raise OutputError(f"{got}.", hint=f"Write {known}.")


def encoded(medium: Medium, record: Record, suffix: str) -> bytes:
    """The bytes of a file with the record inside.

    Args:
        medium: What to encode.
        record: How it was made.
        suffix: One of `SUFFIXES` of the medium's kind.

    Raises:
        OutputError: The suffix is for another kind, or the encoder refused.
    """
    match medium, suffix:
        case Image(), ".png":
            return record_files.embed_png(medium.png_bytes(), record)
        case Image(), ".webp":
            return medium.webp_bytes(record_files.webp_exif(record))
        case Image(), _:
            pass
        case _, ".mp4":
            return medium.mp4_bytes(record_files.mp4_metadata(record))
        case _, ".gif":
            return medium.gif_bytes(record_files.comment(record))
        case _:
            pass
    hint = f"Use {' or '.join(SUFFIXES[medium.kind])}."
    raise OutputError(
        f"{suffix} cannot hold the output, which is of kind {medium.kind}.", hint=hint
    )


def numbered(path: Path, count: int) -> tuple[Path, ...]:
    """One path for each of several files: ``star-1.png``, ``star-2.png`` ..."""
    if count == 1:
        return (path,)
    return tuple(path.with_stem(f"{path.stem}-{index}") for index in range(1, count + 1))


def aside(targets: Sequence[Path]) -> tuple[Path, ...]:
    """Free names beside `targets` for files that are not what they should be: ``star-rejected.mp4``."""
    return free([target.with_stem(f"{target.stem}-rejected") for target in targets])


def free(targets: Sequence[Path]) -> tuple[Path, ...]:
    """The same names, or with one number for all of them where one is taken: ``star-rejected-2.mp4``."""
    for number in itertools.count(1):
        mark = "" if number == 1 else f"-{number}"
        paths = tuple(target.with_stem(f"{target.stem}{mark}") for target in targets)
        if not any(path.exists() or path.is_symlink() for path in paths):
            return paths
    raise AssertionError  # numbers do not end


def check_targets(targets: Sequence[Path], *, overwrite: bool) -> None:
    """Find out before any work whether files can be written.

    Raises:
        OutputError: The folder is missing or closed, or a file is there and may not be replaced.
    """
    try:
        _check_targets(targets, overwrite=overwrite)
    except (OSError, ValueError) as error:  # a name that is too long, or holds a NUL
        raise OutputError(f"{str(targets[0])!r} cannot be written: {error}.") from error


def _check_targets(targets: Sequence[Path], *, overwrite: bool) -> None:
    folder = targets[0].parent
    if not folder.is_dir():
        there = "is not a folder" if folder.exists() else "does not exist"
        raise OutputError(f"{folder} {there}.", hint="Create it, or choose another folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{folder} is not writable.", hint="Choose another folder.")
    for target in targets:
        if target.is_dir():
            raise OutputError(f"{target} is a folder.", hint="Name a file in it.")
        if not overwrite and (target.exists() or target.is_symlink()):
            raise _exists(target)


def write_whole(files: Sequence[tuple[Path, bytes]], *, overwrite: bool) -> None:
    """Write files so that each appears whole or not at all, whatever interrupts.

    Each is written under a temporary name in its own folder first; none gets its real name before
    all are on the disk.

    Raises:
        OutputError: The disk refused, or a file is there and may not be replaced.
    """
    temporary: list[tuple[Path, Path]] = []
    try:
        for target, data in files:
            path = target.with_name(f".{secrets.token_hex(8)}.part")
            temporary.append((path, target))
            with path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for path, target in temporary:
            _publish(path, target, overwrite=overwrite)
    except OSError as error:
        raise OutputError(f"{files[0][0]} could not be written: {error}.") from error
    finally:
        for path, _ in temporary:
            path.unlink(missing_ok=True)


def _publish(path: Path, target: Path, *, overwrite: bool) -> None:
    if not overwrite:
        try:
            os.link(path, target)  # unlike a rename, it fails when the name is taken meanwhile
        except FileExistsError as error:
            raise _exists(target) from error
        except OSError:  # a file system without hard links
            if target.exists():
                raise _exists(target) from None
        else:
            return
    path.replace(target)


def _exists(target: Path) -> OutputError:
    return OutputError(
        f"{target} exists.",
        hint="Choose another name, or say that it may be replaced: overwrite=True, --overwrite.",
    )
