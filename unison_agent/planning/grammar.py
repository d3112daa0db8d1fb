"""A request's grammar: the calls its attachments allow, with no value the request does not state.

The grammar is Lark text for llguidance. It knows the task calls and the request; it does not know a
model or a tokenizer. The JSON it admits is written in one fixed order, without white space, and leaves
out what is unstated: also the prompt or question where the whole request is meant.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from unison_agent.custom.tool import CustomTool
from unison_agent.planning.call_fields import (
    FIELD_ORDER,
    LONGEST_SPAN,
    MOST_STEPS,
    SETTINGS,
    SIZES,
    THEN,
    TIMES,
    makes,
)
from unison_agent.planning.custom_grammar import CustomRules, custom_rules
from unison_agent.planning.custom_missing import lacking
from unison_agent.planning.custom_reading import TOOL_KEY
from unison_agent.planning.stated import Stated, read_stated
from unison_agent.planning.units import numbers_for
from unison_agent.planning.written import (
    MISSING_KEY,
    SLOTS,
    FieldValue,
    Slot,
    call_text,
    missing_text,
    plan_text,
)
from unison_agent.tasks import TASKS, Attachment, MediaKind, Task

__all__ = [
    "FIELD_ORDER",
    "MOST_STEPS",
    "SLOTS",
    "THEN",
    "FieldValue",
    "Slot",
    "call_text",
    "missing_text",
    "plan_text",
    "request_grammar",
]

# A call is a rule with a parameter, which llguidance expands only as far as a text gets. Its bits say what
# the calls before have made: 0 and 1 that step_1 is an image or a video, 2 and 3 the same of step_2,
# 4 and 5 that this is the second or third call. From bit 8 on stands the number of the source, which a mask
# must not be: 1 and 2 for the steps, 3 for the first attached image, and so on.
_STEP_BITS: dict[MediaKind, tuple[int, int]] = {"image": (0, 2), "video": (1, 3)}
_NEXT_CALL = {"text": (0x10, 0x20), "image": (0x11, 0x24), "video": (0x12, 0x28)}
_SOURCE_AT, _FIRST_ATTACHED = 8, 3
_KINDS: tuple[MediaKind, ...] = ("image", "video")
_SIZED = (*SIZES, "resolution", "aspect_ratio")
_STATED: dict[str, tuple[str, ...]] = {
    "text": ("question",),
    "image": (*_SIZED, *SETTINGS, "negative_prompt", "prompt"),
    "video": (*_SIZED, *TIMES, *SETTINGS, "negative_prompt", "prompt"),
}
_NEEDS: dict[Task, MediaKind] = {
    "image_understanding": "image",
    "image_to_video": "image",
    "image_editing": "image",
    "image_controllable_generation": "image",
    "image_reference_generation": "image",
    "video_reference_generation": "image",
    "video_understanding": "video",
    "video_editing": "video",
    "video_controllable_generation": "video",
}


def request_grammar(
    text: str, attachments: tuple[Attachment, ...], tools: tuple[CustomTool, ...] = ()
) -> str:
    """Return the Lark grammar of the plans that `text` with `attachments` can mean.

    Args:
        text: The request.
        attachments: Handles and kinds, in order.
        tools: What can be called besides the tasks.
    """
    # A cache would keep the tools after their agent, and with them what they hold: a connection, a model.
    return _grammar(text, attachments, tools) if tools else _cached(text, attachments)


@lru_cache(maxsize=256)
def _cached(text: str, attachments: tuple[Attachment, ...]) -> str:
    return _grammar(text, attachments, ())


def _grammar(text: str, attachments: tuple[Attachment, ...], tools: tuple[CustomTool, ...]) -> str:
    stated = read_stated(text)
    roles = _Roles(attachments, steps=stated.several)
    values = _value_rules(stated)
    calls = [
        f"{_quoted(json.dumps(task))} {_roles_of(task, values)} stated_{makes(task)}"
        f" then_{makes(task)}::_{_if(condition)}"
        for task in TASKS
        if (condition := roles.condition(task)) is not None
    ]
    slots = " | ".join(_quoted(json.dumps(slot)) for slot in SLOTS)
    custom = custom_rules(tools, stated, roles.handles())
    start = [f'{_quoted("{" + json.dumps("task") + ":")} call::0 "}}"']
    if custom.first:
        start.append(f'{_quoted("{" + json.dumps(TOOL_KEY) + ":")} custom::0 "}}"')
    if lacks := [_quoted(lack.written) for lack in lacking(tools, stated, attachments)]:
        start.append(f'{_quoted("{" + json.dumps(TOOL_KEY) + ":")} ({" | ".join(lacks)}) "}}"')
    start.append(f'{_quoted("{" + json.dumps(MISSING_KEY) + ":")} ({slots}) "}}"')
    lines = [
        *_rule("start", start),
        *_rule("call::_", calls),
        *custom.lines,
        *roles.rules(),
        *(f"{name}: {body}" for name, body in values.items()),
        *(f"stated_{kind}: {_optional(names, values)}" for kind, names in _STATED.items()),
        *_then_rules(custom, steps=stated.several),
    ]
    return "\n".join(lines) + "\n"


class _Roles:
    """What can stand in the roles of the calls, and which calls there can be.

    Args:
        attachments: What the request comes with.
        steps: Whether outputs of earlier steps are there too.
    """

    def __init__(self, attachments: Sequence[Attachment], *, steps: bool) -> None:
        self._images = [one.handle for one in attachments if one.kind == "image"]
        self._videos = [one.handle for one in attachments if one.kind == "video"]
        self._steps = steps

    def condition(self, task: Task) -> str | None:
        """Return when the task has what it needs: "" for always, None for never."""
        kind = _NEEDS.get(task)
        if kind is None or (self._images if kind == "image" else self._videos):
            return ""
        first, second = _STEP_BITS[kind]
        return f"or(bit_set({first}), bit_set({second}))" if self._steps else None

    def handles(self) -> Mapping[MediaKind, Sequence[tuple[str, str]]]:
        """Return the handles of each kind, each with the condition for it to be there."""
        return {
            kind: [(handle, "".join(when)) for handle, _, when in self._numbered(kind)]
            for kind in _KINDS
        }

    def rules(self) -> Iterator[str]:
        """Yield the rules that `_roles_of` names."""
        for kind in _KINDS:
            yield from _rule(f"source_{kind}::_", self._named("source", kind, f"mask_{kind}"))
            yield from _rule(f"control_{kind}::_", self._named("control", kind))
        # A key and its handle are one literal: no key is begun that no handle can follow.
        yield from _rule("mask_image::_", ['""', *self._masks("image")])
        yield from _rule("mask_video::_", ['""', *self._masks("image"), *self._masks("video")])
        last = self._named("last_frame", "image")
        yield from _rule("frames::_", [*self._named("first_frame", "image", "last_frame"), *last])
        yield from _rule("last_frame::_", ['""', *last])
        yield from self._references()

    def _numbered(self, kind: MediaKind) -> list[tuple[str, int, tuple[str, ...]]]:
        """Return each handle of a kind, its number, and the conditions for it to be there."""
        own, before = (self._images, 0) if kind == "image" else (self._videos, len(self._images))
        steps = enumerate(_STEP_BITS[kind] if self._steps else (), start=1)
        return [
            *((handle, number, ()) for number, handle in enumerate(own, _FIRST_ATTACHED + before)),
            *((f"step_{number}", number, (f"bit_set({bit})",)) for number, bit in steps),
        ]

    def _named(self, role: str, kind: MediaKind, then: str | None = None) -> list[str]:
        """Return one way to fill the role for each handle of a kind, and the rule that follows."""
        return [
            _quoted(_key(role) + json.dumps(handle))
            + (f" {then}::bit_or({number << _SOURCE_AT})" if then else "")
            + _if(*conditions)
            for handle, number, conditions in self._numbered(kind)
        ]

    def _masks(self, kind: MediaKind) -> list[str]:
        return [
            _quoted(_key("mask") + json.dumps(handle))
            + _if(*conditions, f"ne([{_SOURCE_AT}:64], {number})")
            for handle, number, conditions in self._numbered(kind)
        ]

    def _references(self) -> Iterator[str]:
        """Yield the rules of one or more references in order, without repeats, steps last."""
        # A comma and its handle are one literal: no literal may begin another, or the lexer takes the longer.
        handles = [*self._numbered("image")]
        for place, (handle, _, conditions) in enumerate(handles, start=1):
            name = json.dumps(handle)
            then, skip = f"more_{place + 1}::_", f"reference_{place + 1}::_"
            first = [f"{_quoted(name)} {then}{_if(*conditions)}"]
            yield from _rule(
                f"reference_{place}::_", first if place == len(handles) else [*first, skip]
            )
            yield from _rule(
                f"more_{place}::_", [f"{_quoted(',' + name)} {then}{_if(*conditions)}", then]
            )
        yield from _rule(f"more_{len(handles) + 1}::_", ['""'])


def _roles_of(task: Task, values: Mapping[str, str]) -> str:
    """Return the fields of a call that only some calls have."""
    kind = makes(task)
    match task:
        case "image_to_video":
            return "frames::_"
        case "image_editing" | "video_editing":
            return f"source_{kind}::_ {_optional(('target',), values)}"
        case "image_controllable_generation" | "video_controllable_generation":
            return f"control_{kind}::_ {_optional(('control_type',), values)}"
        case "image_reference_generation" | "video_reference_generation":
            return f'{_quoted(_key("references") + "[")} reference_1::_ "]"'
        case _:
            return ""


def _optional(names: Iterable[str], values: Mapping[str, str]) -> str:
    """Return the optional fields of those names, in that order, that have a value to state."""
    return " ".join(f"({_quoted(_key(name))} v_{name})?" for name in names if f"v_{name}" in values)


def _value_rules(stated: Stated) -> dict[str, str]:
    """Return one rule a field, and none for a field of which the text states no value."""
    rules: dict[str, str] = {}
    for name in (*SIZES, *TIMES, *SETTINGS):
        if numbers := numbers_for(name, stated.text):
            rules[f"v_{name}"] = " | ".join(map(_quoted, numbers))
    for name, names in (
        ("resolution", stated.resolutions),
        ("aspect_ratio", stated.aspect_ratios),
        ("control_type", stated.control_types),
    ):
        if names:
            rules[f"v_{name}"] = " | ".join(_quoted(json.dumps(one)) for one in names)
    if any(piece != " " for piece in stated.pieces):
        # One escape sequence stays in one piece, so that a span never ends inside it.
        pieces = [one if one.isalnum() else _escaped(one) for one in stated.pieces]
        rules["PIECES"] = "%regex " + json.dumps({"substring_chunks": pieces}, ensure_ascii=False)
        for name, longest in LONGEST_SPAN.items():
            if name != "negative_prompt" or stated.negations:
                rules[f"v_{name}"] = f'"\\"" WORDS_{longest} "\\""'
                # Spans begin and end with no space.
                rules[f"WORDS_{longest}"] = f"PIECES & /[^ ]([^\\n]{{0,{longest - 2}}}[^ ])?/"
    return rules


def _then_rules(custom: CustomRules, *, steps: bool) -> Iterator[str]:
    """Yield what can come after a call, by what it makes."""
    for kind, (second, third) in _NEXT_CALL.items():
        ways: list[str] = []
        # A key is only begun where something can follow it.
        tool = [(TOOL_KEY, "custom")] if kind in custom.after else []
        for name, rule in (("task", "call"), *tool):
            key = _quoted(_key(THEN) + "{" + _key(name)[1:])
            ways.append(f'{key} {rule}::bit_or({second}) "}}"{_if("bit_clear(4)")}')
            ways.append(f'{key} {rule}::bit_or({third}) "}}"{_if("bit_set(4)", "bit_clear(5)")}')
        yield from _rule(f"then_{kind}::_", ['""', *(ways if steps else ())])


def _rule(name: str, ways: Sequence[str]) -> Iterator[str]:
    # llguidance refuses a parameter that no way looks at; the highest bit is never set.
    if ways and name.endswith("::_") and not any("::" in way or "%if" in way for way in ways):
        ways = [f"{ways[0]} %if bit_clear(63)", *ways[1:]]
    if ways:
        yield f"{name}: " + "\n    | ".join(ways)


def _if(*conditions: str) -> str:
    match [condition for condition in conditions if condition]:
        case []:
            return ""
        case [one]:
            return f" %if {one}"
        case several:
            return f" %if and({', '.join(several)})"


def _key(name: str) -> str:
    return f",{json.dumps(name)}:"


@lru_cache(maxsize=1024)
def _escaped(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)[1:-1]


def _quoted(literal: str) -> str:
    return json.dumps(literal)
