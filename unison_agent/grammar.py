"""A request's grammar: the calls its attachments allow, with no value the request does not state.

The grammar is Lark text for llguidance. It knows the task calls and the request; it does not know a
model or a tokenizer. The JSON it admits is written in one fixed order, without white space, and leaves
out what is unstated. The prompt or question of a call is not written at all: the planner fills it in.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, Self, TypeAlias, cast, get_args

from annotated_types import Ge, Gt, Le

from unison_agent.stated import Stated, canonical, read_stated
from unison_agent.tasks import TASKS, Attachment, MediaKind, Task, VideoGeneration

Slot = Literal["source", "mask", "control", "references", "first_frame", "last_frame", "question"]
SLOTS: tuple[Slot, ...] = get_args(Slot)

NumberField = Literal[
    "width",
    "height",
    "num_frames",
    "duration_seconds",
    "fps",
    "seed",
    "steps",
    "guidance_scale",
    "num_outputs",
]
_SIZES: tuple[NumberField, ...] = ("width", "height")
_TIMES: tuple[NumberField, ...] = ("num_frames", "duration_seconds", "fps")
_SETTINGS: tuple[NumberField, ...] = ("seed", "steps", "guidance_scale", "num_outputs")
_FRACTIONAL: frozenset[NumberField] = frozenset({"duration_seconds", "fps", "guidance_scale"})

# Characters, escapes counted as written; they bound what a model that rambles can write.
_LONGEST_TARGET = 80
_LONGEST_NEGATIVE = 240

# The one order in which a call's fields are written.
FIELD_ORDER: tuple[str, ...] = (
    "source",
    "mask",
    "target",
    "control",
    "control_type",
    "references",
    "first_frame",
    "last_frame",
    *_SIZES,
    "resolution",
    "aspect_ratio",
    *_TIMES,
    *_SETTINGS,
    "negative_prompt",
    "prompt",
    "question",
)
# After the fields of a call: the call that follows it.
THEN = "then"
MOST_STEPS = 3


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What a field of the task calls may hold."""

    lowest: float = -math.inf
    highest: float = math.inf
    without_lowest: bool = False

    @classmethod
    def of(cls, name: NumberField) -> Self:
        """Read the bounds where they are declared, so that they are said only once."""
        bounds = cls()
        for bound in VideoGeneration.model_fields[name].metadata:
            match bound:
                case Ge(ge=lowest):
                    bounds = replace(bounds, lowest=float(cast("float", lowest)))
                case Gt(gt=lowest):
                    bounds = replace(
                        bounds, lowest=float(cast("float", lowest)), without_lowest=True
                    )
                case Le(le=highest):
                    bounds = replace(bounds, highest=float(cast("float", highest)))
                case _:
                    pass
        return bounds

    def admits(self, value: float) -> bool:
        above = value > self.lowest if self.without_lowest else value >= self.lowest
        return above and value <= self.highest


_BOUNDS: dict[NumberField, _Bounds] = {
    name: _Bounds.of(name) for name in (*_SIZES, *_TIMES, *_SETTINGS)
}

FieldValue: TypeAlias = str | int | float | Sequence[str]


def call_text(task: str, fields: Mapping[str, FieldValue]) -> str:
    """Return a call as the understanding model writes it.

    Args:
        task: Its task.
        fields: Stated values, handles, and the prompt or question where it is a part of the request.
    """
    return plan_text(((task, fields),))


def plan_text(steps: Sequence[tuple[str, Mapping[str, FieldValue]]]) -> str:
    """Return one or more calls, ``(task, fields)`` each, as the understanding model writes them."""
    document: dict[str, object] = {}
    for task, fields in reversed(steps):
        ordered = {name: _plain(fields[name]) for name in FIELD_ORDER if name in fields}
        following = {THEN: document} if document else {}
        document = {"task": task, **ordered, **following}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def missing_text(slot: Slot) -> str:
    """Return what the understanding model writes when `slot` must be filled first."""
    return json.dumps({"needs_input": slot}, separators=(",", ":"))


def request_grammar(text: str, attachments: tuple[Attachment, ...]) -> str:
    """Return the Lark grammar of the calls that `text` with `attachments` can mean.

    Args:
        text: The request.
        attachments: Handles and kinds, in order.
    """
    return _lark(read_stated(text), attachments)


@lru_cache(maxsize=256)
def _lark(stated: Stated, attachments: tuple[Attachment, ...]) -> str:
    images = _handles(attachments, "image")
    videos = _handles(attachments, "video")
    rules = _value_rules(stated)
    image_fields = _fields((*_SIZES, "resolution", "aspect_ratio", *_SETTINGS, "negative"), rules)
    video_fields = _fields(
        (*_SIZES, "resolution", "aspect_ratio", *_TIMES, *_SETTINGS, "negative"), rules
    )
    target = _fields(("target",), rules)
    control_type = _fields(("control_type",), rules)
    if images:
        rules["image"] = _any_of(images)
        rules |= _subset_rules(images)
    if videos:
        rules["video"] = _any_of(videos)

    calls: list[str] = []
    for task in TASKS:
        tail = video_fields if _makes_video(task) else image_fields
        match task:
            case "text_understanding":
                body = ""
            case "image_understanding" if images:
                body = ""
            case "video_understanding" if videos:
                body = ""
            case "text_to_image" | "text_to_video":
                body = tail
            case "image_to_video" if images:
                body = (
                    f"({_key('first_frame')} image ({_key('last_frame')} image)?"
                    f" | {_key('last_frame')} image) {tail}"
                )
            case "image_editing" if images:
                body = f"{_source_and_mask(images, images)} {target} {tail}"
            case "video_editing" if videos:
                body = f"{_source_and_mask(videos, (*images, *videos))} {target} {tail}"
            case "image_controllable_generation" if images:
                body = f"{_key('control')} image {control_type} {tail}"
            case "video_controllable_generation" if videos:
                body = f"{_key('control')} video {control_type} {tail}"
            case "image_reference_generation" | "video_reference_generation" if images:
                body = f'{_key("references")} "[" references_1 "]" {tail}'
            case _:
                continue
        calls.append(f"{_quoted(json.dumps(task))} {body}".rstrip())

    slots = _any_of(SLOTS)
    lines = [
        f'start: {_quoted("{" + json.dumps("task") + ":")} call "}}"'
        f' | {_quoted("{" + json.dumps("needs_input") + ":")} {slots} "}}"',
        "call: " + "\n    | ".join(calls),
        *(f"{name}: {body}" for name, body in rules.items()),
    ]
    return "\n".join(lines) + "\n"


def _handles(attachments: Iterable[Attachment], kind: MediaKind) -> tuple[str, ...]:
    return tuple(attachment.handle for attachment in attachments if attachment.kind == kind)


def _makes_video(task: Task) -> bool:
    return task == "image_to_video" or task.startswith("video_") or task.endswith("_video")


def _value_rules(stated: Stated) -> dict[str, str]:
    """Return one rule a field, and none for a field of which the text states no value."""
    rules: dict[str, str] = {}
    for name in (*_SIZES, *_TIMES, *_SETTINGS):
        values = [number for number in stated.numbers if _is_allowed(name, number)]
        if values:
            rules[f"v_{name}"] = _any_literal(values)
    for name, names in (
        ("resolution", stated.resolutions),
        ("aspect_ratio", stated.aspect_ratios),
        ("control_type", stated.control_types),
    ):
        if names:
            rules[f"v_{name}"] = _any_of(names)
    if any(not piece.isspace() for piece in stated.pieces):
        # One escape sequence stays in one piece, so that a span never ends inside it.
        pieces = [json.dumps(piece, ensure_ascii=False)[1:-1] for piece in stated.pieces]
        rules["PIECES"] = "%regex " + json.dumps({"substring_chunks": pieces}, ensure_ascii=False)
        rules["v_target"] = '"\\"" TARGET "\\""'
        rules["TARGET"] = f"PIECES & {_span(_LONGEST_TARGET)}"
        if stated.negated:
            rules["v_negative"] = '"\\"" NEGATIVE "\\""'
            rules["NEGATIVE"] = f"PIECES & {_span(_LONGEST_NEGATIVE)}"
    return rules


def _span(longest: int) -> str:
    """Return the pattern of words that begin and end with no space."""
    return f"/[^ ]([^\\n]{{0,{longest - 2}}}[^ ])?/"


def _is_allowed(name: NumberField, number: str) -> bool:
    """Whether the field of that name may hold the number, by the bounds of the task calls."""
    if "." in number and name not in _FRACTIONAL:
        return False
    value = float(number)
    return math.isfinite(value) and _BOUNDS[name].admits(value)


def _fields(names: Iterable[str], rules: Mapping[str, str]) -> str:
    """Return the optional fields of those names, in that order, that have a value to state."""
    return " ".join(
        f"({_key('negative_prompt' if name == 'negative' else name)} v_{name})?"
        for name in names
        if f"v_{name}" in rules
    )


def _source_and_mask(sources: Sequence[str], masks: Sequence[str]) -> str:
    """Return a source and, when another medium can be one, its mask."""
    choices: list[str] = []
    for source in sources:
        others = [mask for mask in masks if mask != source]
        mask = f" ({_key('mask')} {_any_of(others)})?" if others else ""
        choices.append(f"{_quoted(json.dumps(source))}{mask}")
    return f"{_key('source')} ({' | '.join(choices)})"


def _subset_rules(handles: Sequence[str]) -> dict[str, str]:
    """Return rules `references_i`: one or more of the handles from the i-th on, in order, no repeats."""
    rules: dict[str, str] = {}
    for place, handle in enumerate(handles, start=1):
        literal = _quoted(json.dumps(handle))
        rest = f"references_{place + 1}"
        rules[f"references_{place}"] = (
            literal if place == len(handles) else f'{literal} ("," {rest})? | {rest}'
        )
    return rules


def _key(name: str) -> str:
    return _quoted(f",{json.dumps(name)}:")


def _any_of(names: Iterable[str]) -> str:
    return _any_literal(json.dumps(name) for name in names)


def _any_literal(texts: Iterable[str]) -> str:
    return f"({' | '.join(_quoted(text) for text in texts)})"


def _quoted(literal: str) -> str:
    return json.dumps(literal)


def _plain(value: FieldValue) -> FieldValue | list[str]:
    match value:
        case str():
            return value
        case int() | float():
            number = canonical(value)
            return float(number) if "." in number else int(number)
        case _:
            return list(value)
