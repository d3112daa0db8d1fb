"""Where a result goes; problems that can be known early are found before minutes of work."""

from pathlib import Path
from typing import cast, get_args

from unison_agent.errors import OutputError
from unison_agent.media import Kind
from unison_agent.planning.call_fields import makes
from unison_agent.result import Result, Signer
from unison_agent.result.saving import (
    SUFFIXES,
    check_targets,
    free,
    kind_of,
    numbered,
    write_whole,
)
from unison_agent.result.signing import check_suffix, not_signed
from unison_agent.tasks import TASKS, Call, CustomCall, Plan, Task, handles_of


def check_out(out: Path, *, overwrite: bool) -> None:
    """Check a name for what does not depend on the plan.

    Raises:
        OutputError: The file could not be written there, or under that suffix.
    """
    kind_of(out.suffix.lower())
    check_targets([out], overwrite=overwrite)


def open_signer(sign: tuple[Path, Path] | None, out: Path | None) -> Signer | None:
    """Open the key and the certificates of ``--sign``.

    Raises:
        OutputError: They cannot be used, or not for that file.
        MissingDependencyError: c2pa-python is not installed.
    """
    if sign is None:
        return None
    if out is not None:
        check_suffix(out.suffix.lower())
    return Signer(*sign)


def check_fits(out: Path, plan: Plan, *, overwrite: bool) -> None:
    """Check a name against what the plan will make.

    Raises:
        OutputError: What is asked for is not what the suffix stands for, or one of several files is there.
    """
    wanted = kind_of(out.suffix.lower())
    if any(isinstance(call, CustomCall) for call in plan.steps):
        return  # what a custom tool makes, its function alone knows
    wanted_from = [call for call in _asked_for(plan) if _kind(call.task) == wanted]
    if not plan.steps or out.suffix.lower() == ".json":
        return
    if wanted_from:
        counts = [getattr(call, "num_outputs", None) or 1 for call in wanted_from]
        check_targets(numbered(out, sum(counts)), overwrite=overwrite)
        return
    made: set[Kind | None] = {_kind(call.task) for call in _asked_for(plan)}
    raise _misfit(out, " and ".join(call.task for call in plan.steps), made)


def check_fits_task(out: Path, task: str) -> None:
    """Check a name against what a task makes; one that is no task may make anything.

    Raises:
        OutputError: It does not make what the suffix stands for.
    """
    if task not in TASKS or out.suffix.lower() == ".json":
        return
    if kind_of(out.suffix.lower()) != (made := _kind(task)):
        raise _misfit(out, task, {made})


def _misfit(out: Path, tasks: str, made: set[Kind | None]) -> OutputError:
    expected = ", ".join(suffix for kind in made if kind is not None for suffix in SUFFIXES[kind])
    msg = f"{out} does not fit {tasks}: expected {expected or '.txt or .json'}."
    return OutputError(msg, hint="Choose another name, or say what you want more clearly.")


def unsaved(result: Result, out: Path | None) -> tuple[str, ...]:
    """Return what a result has that a file of that name does not hold, e.g. ``"image of step_1"``."""
    if out is None:
        return ()
    kind = kind_of(out.suffix.lower())
    return tuple(
        f"{one.kind} of step_{one.record.step}" for one in result.outputs if one.kind != kind
    )


def _asked_for(plan: Plan) -> list[Call]:
    """Return the steps whose output no later step takes."""
    return [
        call
        for number, call in enumerate(plan.steps, start=1)
        if all(f"step_{number}" not in handles_of(later) for later in plan.steps[number:])
    ]


def check_signable(plan: Plan) -> None:
    """Check that a plan makes something that can be signed.

    Raises:
        OutputError: It makes an answer, or ends with a tool of the user's own.
    """
    match plan.steps:
        case [*_, CustomCall() as call]:
            raise not_signed(call.tool)
        case [*_, call] if _kind(call.task) is None:
            msg = f"{call.task} makes an answer, which cannot be signed."
            raise OutputError(msg, hint="Leave --sign out.")
        case _:
            pass


def save(
    result: Result,
    out: Path | None,
    *,
    overwrite: bool,
    words: bool = True,
    sign: Signer | None = None,
) -> tuple[Path, ...]:
    """Save to `out`, or what was made under free names in this folder; return the paths.

    Raises:
        OutputError: It could not be written.
    """
    if not words:
        result = result.without_words()
    if out is not None:
        return _paths(result.save(out, overwrite=overwrite, sign=sign))
    saved: list[Path] = []
    kinds: list[Kind] = [output.kind for output in result.outputs]
    for kind in get_args(Kind):
        if (count := kinds.count(kind)) == 0:
            continue
        made = [step for step in result.steps if any(one.kind == kind for one in step.artifacts)]
        name = _free_name(made[-1].call.task, SUFFIXES[kind][0], count)
        saved += _paths(result.save(name, sign=sign))
    return tuple(saved)


def save_previews(result: Result, saved: tuple[Path, ...], *, overwrite: bool) -> tuple[Path, ...]:
    """Save what the notes show beside what was saved, e.g. as star-mask-inverted.png; return the paths.

    Where such a file is there, another name is taken: what was asked for is saved already.

    Raises:
        OutputError: They could not be written.
    """
    if not saved or not result.previews:
        return ()
    paths = [saved[0].with_name(f"{saved[0].stem}-{one.name}.png") for one in result.previews]
    paths = paths if overwrite else list(free(paths))
    data = [one.image.png_bytes() for one in result.previews]
    write_whole(list(zip(paths, data, strict=True)), overwrite=overwrite)
    return tuple(paths)


def _paths(saved: Path | tuple[Path, ...]) -> tuple[Path, ...]:
    return (saved,) if isinstance(saved, Path) else saved


def _kind(task: str) -> Kind | None:
    made = makes(cast("Task", task))
    return None if made == "text" else made


def _free_name(task: str, suffix: str, count: int) -> Path:
    """Return e.g. text-to-image.png, or text-to-image_2.png where that is taken."""
    stem = task.replace("_", "-")
    path = Path(stem).with_suffix(suffix)
    number = 1
    while any(target.exists() for target in numbered(path, count)):
        number += 1
        path = Path(f"{stem}_{number}").with_suffix(suffix)
    return path
