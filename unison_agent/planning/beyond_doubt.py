"""What a request states beyond doubt: put into the one step that can hold it, else told as unused.

A planner may overlook "81 frames"; the words beside the number leave no doubt, so no model has to be asked. It
does not know who wrote the plan.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from unison_agent.planning.call_fields import TIMES, NumberField
from unison_agent.planning.evidence import find_evidence
from unison_agent.planning.plain_names import plain_counts, plain_maps, plain_shapes
from unison_agent.planning.stated import Place, Stated
from unison_agent.planning.units import plain_places
from unison_agent.tasks import GENERATION_TASKS, Attachment, Evidence, TaskCall, Unused

# Their units and names leave no doubt; "three pictures" may be of the scene.
_FIELDS: tuple[NumberField, ...] = (*TIMES, "seed", "steps", "guidance_scale")
_QUOTED = re.compile(
    r'"[^"]*"|\u201c[^\u201d]*\u201d|\u201e[^\u201c\u201d]*[\u201c\u201d]|\u00ab[^\u00bb]*\u00bb|「[^」]*」'
)
_A_YEAR, _FEWEST_FRAMES = 1000, 5  # "a wall with three frames"
# "An 80s disco", but "a 30s clip".
_DECADE = re.compile(r"[2-9]0s\b")
_LASTING = re.compile(
    r"\s*(?:$|[,.;:!?)\n])|[ -](?:videos?|clips?|animations?|films?|movies?|gifs?|loops?|footage|shots?|versions?"
    r"|teasers?|ads?|timelapse|long|of|at|with|and|please|duration|\d)\b",
    re.IGNORECASE,
)
_PLANTED = re.compile(r"\b(?:an?|each|every|one) seed $", re.IGNORECASE)
_COUNTED = re.compile(r" (?:times?|hours?|days?|weeks?|months?|years?)\b", re.IGNORECASE)
_THERE = ("these ", "those ", "the ", "both ")
_NAMED = frozenset({"resolution", "control_type", "aspect_ratio"})
# Words like "edges" and "4:3" are often of the scene: where no step can hold them, nothing is said of them.
_QUIETLY = frozenset({"num_outputs", "control_type", "aspect_ratio"})
_LINES = re.compile(r"\d{3,4} ?p", re.IGNORECASE)
# "25 steps" between marks beside another setting is one; "39 steps leading down to a pool" are of the scene.
_PART = re.compile(r"[^,;.:!?(\n]+(?:[.:]\d[^,;.:!?(\n]*)*")
_STEPS = re.compile(
    r"\s*(?:and |with |at )?[\w-]+ (?P<kind>sampling |inference |denoising |diffusion )?steps?(?: please)?[\s)]*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Value:
    """One value, and where the text states it."""

    field: str
    value: str
    place: Place


def take_up(
    calls: Sequence[TaskCall],
    evidence: Sequence[Evidence],
    stated: Stated,
    attachments: Sequence[Attachment] = (),
) -> tuple[tuple[TaskCall, ...], tuple[Evidence, ...], tuple[Unused, ...]]:
    """Return the calls with what the text states beyond doubt, their evidence, and what no call holds.

    A value goes to a call where it is the only one with such a field left open. Words inside a prompt, a question
    or quotation marks are used there. Where nothing is to be made, nothing is certain.
    """
    steps, found, unused = list(calls), list(evidence), list[Unused]()
    if not any(call.task in GENERATION_TASKS for call in calls):
        return tuple(steps), tuple(found), ()
    used = [(one.start, one.end) for one in evidence]
    used += [match.span() for match in _QUOTED.finditer(stated.text)]
    for one in sorted(_values(stated, calls, attachments, used), key=lambda one: one.place):
        start, end = one.place
        if _overlaps(one.place, used):
            continue
        holders = [n for n, call in enumerate(steps) if _is_open(call, one.field)]
        filled = _filled(steps[holders[0]], one) if len(holders) == 1 else None
        if filled is None:
            if one.field not in _QUIETLY:  # "a couple of options, say 3"
                unused.append(Unused(field=one.field, start=start, end=end))
            continue
        number = holders[0]
        steps[number] = filled
        said = [e for e in find_evidence(number + 1, filled, stated) if e.field == one.field]
        found += said
        used += [(e.start, e.end) for e in said]
    return tuple(steps), tuple(found), tuple(unused)


def _values(
    stated: Stated,
    calls: Sequence[TaskCall],
    attachments: Sequence[Attachment],
    used: Sequence[Place],
) -> Iterator[_Value]:
    """Yield the values that can be of one field only."""
    yield from _names(stated, calls, used)
    given = {len(attachments), *Counter(one.kind for one in attachments).values()}
    yield from (_Value("num_outputs", *one) for one in plain_counts(stated, given))
    for name, places in stated.resolutions.items():
        yield from (
            _Value("resolution", name, p) for p in places if _LINES.fullmatch(stated.text, *p)
        )
    settings = {name: list(plain_places(name, stated)) for name in _FIELDS}
    others = [place for name, said in settings.items() if name != "steps" for _, place in said]
    for name in _FIELDS:
        for number, place in settings[name]:
            if name == "steps" and not _are_sampling_steps(place, others, stated.text):
                continue
            if _is_likely(name, number, place, stated.text):
                yield _Value(name, number, place)


def _names(stated: Stated, calls: Sequence[TaskCall], used: Sequence[Place]) -> Iterator[_Value]:
    """Yield the structure map and the shape that are named outside of what is used, where there is one of them."""
    if any(getattr(call, "prompt", None) == stated.text for call in calls):
        return
    for name, places in (
        ("control_type", plain_maps(stated)),
        ("aspect_ratio", plain_shapes(stated)),
    ):
        free = [(value, place) for value, place in places if not _overlaps(place, used)]
        # "9:16, portrait format" says one thing twice.
        said = {value for value, _ in free}
        said -= {_shape_of(value) for value in said if ":" in value}
        if len(said) == 1:
            yield _Value(name, *next(one for one in free if one[0] in said))


def _shape_of(ratio: str) -> str:
    width, height = map(float, ratio.split(":"))
    return "square" if width == height else "portrait" if width < height else "landscape"


def _are_sampling_steps(place: Place, settings: Sequence[Place], text: str) -> bool:
    """Whether steps are those of sampling and not of a stair: by their name, or alone between marks beside a setting."""
    parts = list(_PART.finditer(text))
    for number, part in enumerate(parts):
        if part.start() <= place[0] and place[1] <= part.end():
            said = _STEPS.fullmatch(part.group())
            beside = parts[max(0, number - 1) : number + 2]
            near = any(one.start() <= a and b <= one.end() for one in beside for a, b in settings)
            return said is not None and (said["kind"] is not None or near)
    return False


def _overlaps(place: Place, used: Sequence[Place]) -> bool:
    return any(a < place[1] and place[0] < b for a, b in used)


def _is_likely(name: NumberField, number: str, place: Place, text: str) -> bool:
    """Whether it is none of what only looks so: "the 1920s", "between these two frames", "image_2 frames"."""
    before, after = text[: place[0]], text[place[1] :]
    match name:
        case "duration_seconds":
            if float(number) >= _A_YEAR:
                return False
            if decade := _DECADE.match(text, place[0]):
                lasting = _LASTING.match(text, decade.end())
                return lasting is not None and not before.lower().endswith(_THERE)
        case "num_frames":
            if float(number) < _FEWEST_FRAMES or before.lower().endswith(_THERE):
                return False
        case "seed":
            if _PLANTED.search(before) or _COUNTED.match(after):
                return False
        case _:
            pass
    return not before.endswith("_")


def _is_open(call: TaskCall, field: str) -> bool:
    return field in type(call).model_fields and getattr(call, field) is None


def _filled(call: TaskCall, one: _Value) -> TaskCall | None:
    """Return the call with the value, or None where its rules do not allow it."""
    value = one.value if one.field in _NAMED else float(one.value)
    try:
        return type(call).model_validate({**call.model_dump(exclude_none=True), one.field: value})
    except ValidationError:
        return None
