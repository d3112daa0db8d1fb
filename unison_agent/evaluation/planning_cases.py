"""Benchmark lines as cases: a request and the steps it means; it knows files and calls, but no planner.

Wanted and planned steps are brought into one form, `Step`, so that they can be compared field by field. A
prompt or question that is the whole request is left out of it, as it is left out of what the model writes.
"""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast, get_args

from pydantic import ValidationError

from unison_agent.batch import request_of
from unison_agent.errors import RequestError
from unison_agent.planning.written import SLOTS
from unison_agent.router.roles import roles
from unison_agent.tasks import TASK_CALL, Call, CustomCall, MediaKind, Plan, Request

FieldValue: TypeAlias = str | int | float | tuple[str, ...]

NEEDS_INPUT = "needs_input"
# The fields that hold words of the request itself; they are scored by their words, not as right or wrong.
WORDS = ("prompt", "question")
_BENCHMARK = Path(__file__).parents[2] / "data" / "planning" / "evaluation"


@dataclass(frozen=True, slots=True)
class Step:
    """One call, or the one slot that is missing.

    Attributes:
        task: The task, or "needs_input".
        fields: Roles as handles and what is stated; `slot` of what is missing.
    """

    task: str
    fields: Mapping[str, FieldValue]


@dataclass(frozen=True, slots=True)
class Case:
    """One request and what it means.

    Attributes:
        request: As a user gives it.
        steps: What a planner should find.
        slices: Names of the groups that it is counted in.
        place: File and line, for messages.
    """

    request: Request
    steps: tuple[Step, ...]
    slices: tuple[str, ...] = ()
    place: str = ""

    @property
    def task(self) -> str:
        """The task of the first step."""
        return self.steps[0].task


def benchmark_files(*, required: bool = True) -> list[Path]:
    """Return the benchmark of a checkout.

    Raises:
        RequestError: This is no checkout, and it is required.
    """
    files = sorted(_BENCHMARK.glob("*.jsonl"))
    if required and not files:
        msg = f"There is no benchmark in {_BENCHMARK}; it is part of a checkout, not of the wheel."
        raise RequestError(msg, hint="Name the files to read.")
    return files


def read_cases(
    files: Iterable[Path], *, limit: int | None = None, seed: int | None = None
) -> list[Case]:
    """Return the cases of JSONL files.

    Args:
        files: In order.
        limit: At most so many; the first ones, or a sample when there is a seed.
        seed: Shuffles them.

    Raises:
        RequestError: A file cannot be read, or a line is no case; it names file and line.
    """
    cases: list[Case] = []
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RequestError(f"{path} cannot be read as UTF-8 text: {error}.") from error
        # Not splitlines: a line of JSON may hold a line separator of Unicode.
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                cases.append(read_case(line, place=f"{path}:{number}", file=path.stem))
    if seed is not None:
        random.Random(seed).shuffle(cases)
    return cases[:limit]


def read_case(line: str, *, place: str, file: str = "") -> Case:
    """Return the case that one line of JSON states.

    Args:
        line: ``{"request", "media", "call"}``, and perhaps ``"lang"`` and ``"slice"``.
        place: Names the line in errors.
        file: The slice that all lines of a file are in.

    Raises:
        RequestError: It is no case.
    """
    try:
        entry = cast("object", json.loads(line))
    except json.JSONDecodeError as error:
        raise _no_case(place, f"this is not JSON ({error})") from error
    if not isinstance(entry, dict):
        raise _no_case(place, f"expected an object, got {type(entry).__name__}")
    fields = cast("dict[str, object]", entry)
    text, media, call = (fields.get(name) for name in ("request", "media", "call"))
    if not isinstance(text, str) or not isinstance(media, list) or not isinstance(call, dict):
        raise _no_case(place, "a case has a request, a list of media and a call")
    kinds = cast("list[object]", media)
    if not all(kind in get_args(MediaKind) for kind in kinds):
        raise _no_case(place, f"media are image and video, got {kinds}")
    try:
        request = request_of(text, cast("Sequence[MediaKind]", kinds))
    except RequestError as error:
        raise _no_case(place, error.message.removesuffix(".")) from error
    steps = _wanted(cast("Mapping[str, object]", call), request, place)
    slices = [file] if file else []
    if "slice" in fields:
        slices.append(f"{file}: {fields['slice']}" if file else str(fields["slice"]))
    if fields.get("lang", "en") != "en":
        slices.append(f"lang: {fields['lang']}")
    return Case(request, steps, tuple(slices), place)


def steps_of(plan: Plan) -> tuple[Step, ...]:
    """Return a plan in the form in which it is compared."""
    if plan.missing is not None:
        return (Step(NEEDS_INPUT, {"slot": plan.missing.slot}),)
    return tuple(_step(call, plan.request) for call in plan.steps)


def _step(call: Call, request: Request) -> Step:
    if isinstance(call, CustomCall):
        return Step(call.tool, cast("Mapping[str, FieldValue]", call.arguments))
    fields = call.model_dump(exclude_none=True, exclude={"task"})
    for name in WORDS:
        if fields.get(name) == request.text:
            del fields[name]
    return Step(call.task, cast("Mapping[str, FieldValue]", fields))


def _wanted(call: Mapping[str, object], request: Request, place: str) -> tuple[Step, ...]:
    if NEEDS_INPUT in call:
        slot = call[NEEDS_INPUT]
        if slot not in SLOTS or len(call) > 1:
            raise _no_case(place, f"needs_input is one of {', '.join(SLOTS)}, got {call}")
        return (Step(NEEDS_INPUT, {"slot": cast("str", slot)}),)
    kinds: dict[str, str] = {a.handle: a.kind for a in request.attachments}
    steps: list[Step] = []
    rest = cast("object", call)
    while isinstance(rest, dict):
        fields = dict(cast("dict[str, object]", rest))
        rest = fields.pop("then", None)
        task = str(fields.get("task"))
        words = WORDS[task.endswith("_understanding")]
        try:
            step = TASK_CALL.validate_python({words: request.text, **fields})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise _no_case(place, f"call: {where}: {first['msg']}") from error
        for role in roles(step):
            if kinds.get(role.handle) not in role.kinds:
                raise _no_case(place, f"call: {role.name} cannot be {role.handle!r}")
        steps.append(_step(step, request))
        if not task.endswith("_understanding"):
            kinds[f"step_{len(steps)}"] = "video" if "fps" in type(step).model_fields else "image"
    if rest is not None:
        raise _no_case(place, "then: expected a call")
    return tuple(steps)


def _no_case(place: str, reason: str) -> RequestError:
    return RequestError(
        f"{place}: {reason}.", hint="The form is described in data/planning/README.md."
    )
