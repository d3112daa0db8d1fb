"""One request with the connector on and off, side by side; it does not know what a connector does."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import PIL.Image

from unison_agent.agent import Planned, Unison
from unison_agent.errors import OutputError, RequestError
from unison_agent.media import Image, MediaSet, MediaSource
from unison_agent.progress import Progress
from unison_agent.result import Result
from unison_agent.result.checked_files import Encoded, write_checked
from unison_agent.result.saving import SUFFIXES, check_targets, encoded
from unison_agent.sheet import Cell, contact_sheet
from unison_agent.tasks import Mode
from unison_agent.wording import granted_words

Switch = Literal["on", "off"]
_SHEETS = (".png", ".webp")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one plan gave with each setting of the connector, same seed.

    Attributes:
        planned: What was run, and what it was about.
        results: What came out, by setting, in the order asked for.
    """

    planned: Planned
    results: tuple[tuple[Switch, Result], ...]

    @property
    def same(self) -> bool:
        """Whether all made the same pixels."""
        made = {tuple(one.sha256 for one in result.outputs) for _, result in self.results}
        return len(made) == 1

    def sheet(self) -> PIL.Image.Image:
        """Return one picture of all: pictures side by side, clips as strips of frames, RGB."""
        given = self.planned.media
        inputs = tuple(given.medium(handle) for handle, _ in given.attachments)
        cells: list[Cell] = []
        for switch, result in self.results:
            outputs = tuple(one.medium for one in result.outputs)
            # What tells the settings apart are the notes that the others lack.
            shared = [other.notes for name, other in self.results if name != switch]
            own = [note for note in result.notes if not any(note in notes for notes in shared)]
            words = own[0] if own else "The understanding model read the request."
            footer = granted_words(result.granted)
            cells.append(Cell(f"connector {switch}", words, inputs, outputs, result.text, footer))
        same = ", the same pixels" if self.same and len(self.results) > 1 else ""
        tasks = ", ".join(call.task.replace("_", " ") for call in self.planned.plan.steps)
        text = " ".join(self.planned.plan.request.text.split())
        return contact_sheet(text, f"{tasks}{same}", cells, columns=len(cells))

    def save(self, path: str | Path, *, overwrite: bool = False) -> tuple[Path, ...]:
        """Write the sheet, and beside it every picture and clip with its record; all files or none.

        Args:
            path: Of the sheet, .png or .webp; the others are named after it: ``sheet-on.png``, ``sheet-off.mp4``.
            overwrite: Whether files that exist are replaced.

        Returns:
            The sheet's path, then the others.

        Raises:
            OutputError: The suffix is another, or a file cannot be written; or one, read back, is not what was
                granted. All are kept aside then, as ``sheet-on-rejected.mp4``.
        """
        target = check_sheet(path)
        sheet = Image.from_pil(self.sheet())
        data = sheet.png_bytes() if target.suffix.lower() == ".png" else sheet.webp_bytes()
        files = [Encoded(target, data, sheet)]
        for switch, result in self.results:
            for number, one in enumerate(result.outputs, start=1):
                suffix = SUFFIXES[one.kind][0]
                which = number if len(result.outputs) > 1 else None
                name = _beside(target, switch, which, suffix)
                data = encoded(one.medium, one.record, suffix)
                files.append(Encoded(name, data, one.medium, one.granted))
        write_checked(files, overwrite=overwrite)
        return tuple(file.path for file in files)


def compare(
    unison: Unison,
    request: str | Planned,
    media: "Sequence[MediaSource] | MediaSet" = (),
    *,
    connector: Sequence[Switch] = ("on", "off"),
    mode: Mode = "nearest",
    seed: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Carry out one plan with the connector on and off, all else alike.

    With the connector off, the pipeline's own text encoder reads the prompt, as published pipelines do. A pipeline
    without one (nano's) draws what it has learned to draw of no prompt; the notes of the result say so.

    Args:
        unison: Who runs it.
        request: Your words, or what `Unison.plan` gave.
        media: What it is about.
        connector: The settings, each once.
        mode: As for `Unison.run`.
        seed: As for `Unison.run`; the same for all.
        progress: As for `Unison.run`.

    Raises:
        RequestError: There are no settings or unknown ones, or no step of the plan has a connector.
        UnisonError: As `Unison.run` says.
    """
    if (
        not connector
        or set(connector) - set(get_args(Switch))
        or len(set(connector)) < len(connector)
    ):
        msg = f"connector must be on, off or both, each once; got {', '.join(connector) or 'nothing'}."
        raise RequestError(msg)
    attached = MediaSet.of(media)
    if isinstance(request, str):
        planned = unison.plan(request, attached, progress=progress)
    else:
        planned = replace(request, media=attached) if len(attached) else request
    # Off comes first: whether there is a connector to switch off is known before anything is made.
    made = {
        switch: unison.run(
            planned, mode=mode, seed=seed, connector=switch == "on", progress=progress
        )
        for switch in sorted(connector)
    }
    return Comparison(planned, tuple((switch, made[switch]) for switch in connector))


def check_sheet(path: str | Path) -> Path:
    """Return the path of a sheet.

    Raises:
        OutputError: It is no .png or .webp.
    """
    target = Path(path)
    if target.suffix.lower() not in _SHEETS:
        raise OutputError(f"{path}: the sheet is a picture.", hint="Name it .png or .webp.")
    return target


def check_free(path: str | Path, *, overwrite: bool = False) -> None:
    """Find out before any work whether a sheet and what is saved beside it can be written.

    What will be made is not known yet, so that no picture and no clip of such a name may be there.

    Raises:
        OutputError: The sheet is no picture, the folder is missing or closed, or a file is there.
    """
    target = check_sheet(path)
    settings, suffixes = (
        "|".join(get_args(Switch)),
        "|".join(one[0][1:] for one in SUFFIXES.values()),
    )
    beside = re.compile(rf"{re.escape(target.stem)}-({settings})(-[0-9]+)?\.({suffixes})")
    there = sorted(target.parent.iterdir()) if target.parent.is_dir() else []
    check_targets(
        [target, *(one for one in there if beside.fullmatch(one.name))], overwrite=overwrite
    )


def _beside(sheet: Path, switch: Switch, number: int | None, suffix: str) -> Path:
    which = "" if number is None else f"-{number}"
    return sheet.with_name(f"{sheet.stem}-{switch}{which}{suffix}")
