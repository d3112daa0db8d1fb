"""Many requests from a JSONL file, their plans into another; it needs no media files and runs nothing.

A line in is ``{"id", "request", "media": ["image", "video", ...]}``; a line out is ``{"id", "task", "fields"}``
of the first call, with all calls in ``steps`` when there are several, or ``{"id", "error"}``. In ``fields``
media stand as places in ``media``, counted from 0. What the request leaves open is absent; so is a prompt or
question that is the whole request.

A request may mark its attachments with ``<IMGPAD>`` and ``<VIDPAD>``. The planner reads the k-th mark of a
kind as the handle of the k-th attachment of that kind; words that come back have the marks again.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast, get_args, runtime_checkable

from unison_agent.errors import RequestError, UnisonError
from unison_agent.media import MediaSet
from unison_agent.planning.call_fields import FIELD_ORDER
from unison_agent.planning.planner import make_request
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.router.roles import roles
from unison_agent.tasks import Call, CustomCall, MediaKind, Plan, Request

TOGETHER = 16  # requests that are planned at once
_MARK = re.compile(r"<(IMG|VID)PAD>")
_KIND_OF_MARK: Mapping[str, MediaKind] = {"IMG": "image", "VID": "video"}


class Plans(Protocol):
    """Whoever turns requests into plans."""

    def plan(self, request: Request) -> Plan:
        """Return the plan that the request means."""
        ...


@runtime_checkable
class PlansTogether(Plans, Protocol):
    """Whoever does so for several requests at once."""

    def plan_batch(self, requests: Sequence[Request]) -> list[Plan]:
        """Return the plans of the requests, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """One line that came in.

    Attributes:
        id: As it was given.
        request: What the planner reads.
        said: The request as it was given, with marks.
        places: For each character of what the planner reads, where it begins and ends in `said`.
    """

    id: str | int
    request: Request
    said: str
    places: tuple[tuple[int, int], ...]

    def as_said(self, words: str) -> str:
        """Return words of the request as they were given, with marks instead of handles."""
        pattern = r"\s+".join(re.escape(word) for word in words.split())
        found = re.search(pattern, self.request.text) if pattern else None
        if found is None:
            return words
        return self.said[self.places[found.start()][0] : self.places[found.end() - 1][1]]


@dataclass(frozen=True, slots=True)
class Refused:
    """One line that cannot be planned, and why."""

    id: str | int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of a batch.

    Attributes:
        text: The lines to write, each ended.
        failed: How many of them are errors.
        lines: How many there are.
    """

    text: str
    failed: int
    lines: int


def plan_lines(data: bytes, planner: Plans, *, progress: Progress = silent) -> Batch:
    """Plan every line; a line that cannot be planned is an error line, and the rest goes on.

    Args:
        data: The lines, UTF-8.
        planner: Plans them, `TOGETHER` at once if it can.
        progress: Told of every chunk.
    """
    read = [
        read_line(line, number)
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1)
        if line.strip()
    ]
    good = [line for line in read if isinstance(line, Line)]
    progress(ProgressEvent("plan", 0, len(good)))
    plans = _plans([line.request for line in good], planner, progress)
    answers: list[dict[str, object]] = []
    for line in read:
        plan = next(plans) if isinstance(line, Line) else None
        match line, plan:
            case Line(), Plan():
                answers.append(answer(line, plan))
            case _:
                reason = line.reason if isinstance(line, Refused) else str(plan)
                answers.append({"id": line.id, "error": reason})
    return Batch(
        text="".join(f"{_json(entry)}\n" for entry in answers),
        failed=sum("error" in entry for entry in answers),
        lines=len(answers),
    )


def read_line(data: bytes, number: int) -> Line | Refused:
    """Return what one line asks for, or why it cannot be planned; `number` names it where it has no id."""
    try:
        entry = cast("object", json.loads(data.decode("utf-8")))
    except (ValueError, RecursionError) as error:
        return Refused(None, f"line {number} is not JSON in UTF-8: {error}.")
    if not isinstance(entry, dict):
        return Refused(None, f"line {number} is no object, but {type(entry).__name__}.")
    fields = cast("Mapping[str, object]", entry)
    id_ = fields.get("id")
    if not isinstance(id_, (str, int)) or isinstance(id_, bool):
        return Refused(None, f"line {number}: id must be text or a whole number, got {id_!r}.")
    try:
        return _line(id_, fields)
    except RequestError as error:
        return Refused(id_, str(error))


def request_of(text: str, kinds: Sequence[MediaKind]) -> Request:
    """Return a request with attachments of those kinds, named as `Unison.plan` names them.

    Raises:
        RequestError: The text is empty, too long, or no Unicode text.
    """
    return make_request(text, MediaSet.of_kinds(*kinds).attachments)


def answer(line: Line, plan: Plan) -> dict[str, object]:
    """Return the line that says what was planned."""
    if plan.missing is not None:
        return {"id": line.id, "task": "needs_input", "fields": {"slot": plan.missing.slot}}
    steps = [{"task": call.task, "fields": _fields(line, call)} for call in plan.steps]
    several: dict[str, object] = {"steps": steps} if len(steps) > 1 else {}
    return {"id": line.id, **steps[0], **several}


# --- reading -------------------------------------------------------------------------------------


def _line(id_: str | int, fields: Mapping[str, object]) -> Line:
    said = fields.get("request")
    if not isinstance(said, str):
        msg = f"request must be text, got {type(said).__name__}."
        raise RequestError(msg)
    marks: list[MediaKind] = [_KIND_OF_MARK[match[1]] for match in _MARK.finditer(said)]
    kinds = _kinds(fields.get("media"), marks)
    for kind in get_args(MediaKind):
        if marks.count(kind) > kinds.count(kind):
            msg = f"Attachments of kind {kind}: the request marks {marks.count(kind)}, media names {kinds.count(kind)}."
            raise RequestError(msg)
    text, places = _with_handles(said)
    return Line(id_, request_of(text, kinds), said, places)


def _kinds(media: object, marks: list[MediaKind]) -> list[MediaKind]:
    """Return the kinds of the attachments; where they are not named, those of the marks."""
    if media is None:
        return marks
    if not isinstance(media, list):
        raise RequestError(f"media must be a list of kinds, got {type(media).__name__}.")
    for place, kind in enumerate(cast("list[object]", media)):
        if kind not in get_args(MediaKind):
            raise RequestError(f"media[{place}] must be image or video, got {kind!r}.")
    return cast("list[MediaKind]", media)


def _with_handles(said: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the text with handles instead of marks, and where each of its characters comes from."""
    parts: list[tuple[str, int, int]] = []
    counts = {"IMG": 0, "VID": 0}
    at = 0
    for match in _MARK.finditer(said):
        parts += [(char, at + i, at + i + 1) for i, char in enumerate(said[at : match.start()])]
        at = match.end()
        counts[match[1]] += 1
        handle = f"{_KIND_OF_MARK[match[1]]}_{counts[match[1]]}"
        # A handle that touches a word would be another word.
        if parts and (parts[-1][0].isalnum() or parts[-1][0] == "_"):
            parts.append((" ", match.start(), match.start()))
        parts += [(char, match.start(), match.end()) for char in handle]
        if said[at : at + 1].isalnum():
            parts.append((" ", at, at))
    parts += [(char, at + i, at + i + 1) for i, char in enumerate(said[at:])]
    return "".join(part[0] for part in parts), tuple(part[1:] for part in parts)


# --- planning and writing ------------------------------------------------------------------------


def _plans(
    requests: Sequence[Request], planner: Plans, progress: Progress
) -> Iterator[Plan | UnisonError]:
    """Yield the plan of each request, or what went wrong."""
    size = TOGETHER if isinstance(planner, PlansTogether) else 1
    for start in range(0, len(requests), size):
        chunk = requests[start : start + size]
        try:
            done: Sequence[Plan | UnisonError] = (
                planner.plan_batch(chunk)
                if isinstance(planner, PlansTogether)
                else [planner.plan(chunk[0])]
            )
        except UnisonError:  # one of them; the others still have their plans
            done = [_plan(request, planner.plan) for request in chunk]
        progress(ProgressEvent("plan", start + len(chunk), len(requests)))
        yield from done


def _plan(request: Request, plan: Callable[[Request], Plan]) -> Plan | UnisonError:
    try:
        return plan(request)
    except UnisonError as error:
        return error


def _fields(line: Line, call: Call) -> dict[str, object]:
    places = {a.handle: place for place, a in enumerate(line.request.attachments)}
    if isinstance(call, CustomCall):
        return cast("dict[str, object]", _with_places(call.arguments, places))
    stated = cast(
        "dict[str, object]", call.model_dump(mode="json", exclude_none=True, exclude={"task"})
    )
    for name, value in stated.items():
        if isinstance(value, float) and value.is_integer():
            stated[name] = int(value)  # as it was written
    for role in roles(call):
        # The output of an earlier step keeps its name.
        stated[role.name] = _with_places(stated[role.name], places)
    for name in ("prompt", "question"):
        if stated.get(name) == line.request.text:
            del stated[name]
    for name in ("prompt", "question", "negative_prompt", "target"):
        if name in stated:
            stated[name] = line.as_said(str(stated[name]))
    order = [*FIELD_ORDER, *(name for name in stated if name not in FIELD_ORDER)]
    return {name: stated[name] for name in order if name in stated}


def _with_places(value: object, places: Mapping[str, int]) -> object:
    """Return a value with places instead of the handles of attachments, at any depth."""
    match value:
        case str():
            return places.get(value, value)
        case list():
            return [_with_places(one, places) for one in cast("list[object]", value)]
        case dict():
            items = cast("dict[str, object]", value).items()
            return {name: _with_places(one, places) for name, one in items}
        case _:
            return value


def _json(entry: Mapping[str, object]) -> str:
    text = json.dumps(entry, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, as JSON may escape it
        return json.dumps(entry)
    return text
