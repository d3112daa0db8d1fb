"""A request's grammar: the calls its attachments allow, with no value the request does not state.

The grammar is Lark text for llguidance. It knows the task calls and the request; it does not know a
model or a tokenizer. The JSON it admits is written in one fixed order, without white space, and leaves
out what is unstated: also the prompt or question where the whole request is meant.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from unison_agent.custom.tool import CustomTool
from unison_agent.planning.call_fields import (
    LONGEST_SPAN,
    SETTINGS,
    SIZES,
    THEN,
    TIMES,
    makes,
)
from unison_agent.planning.custom_grammar import CustomRules, custom_rules
from unison_agent.planning.custom_missing import lacking
from unison_agent.planning.custom_reading import TOOL_KEY
from unison_agent.planning.lark import key, quoted, rule, when
from unison_agent.planning.role_grammar import Roles
from unison_agent.planning.stated import Stated, read_stated
from unison_agent.planning.told_attachments import read_told
from unison_agent.planning.units import numbers_for
from unison_agent.planning.written import (
    MISSING_KEY,
    SLOTS,
)
from unison_agent.tasks import TASKS, Attachment, Task

# A call is a rule with a parameter, which llguidance expands only as far as a text gets. Its bits say what the
# calls before have made, as `role_grammar` reads them; 4 and 5 say that this is the second or third call.
_NEXT_CALL = {"text": (0x10, 0x20), "image": (0x11, 0x24), "video": (0x12, 0x28)}
_SIZED = (*SIZES, "resolution", "aspect_ratio")
_STATED: dict[str, tuple[str, ...]] = {
    "text": ("question",),
    "image": (*_SIZED, *SETTINGS, "negative_prompt", "prompt"),
    "video": (*_SIZED, *TIMES, *SETTINGS, "negative_prompt", "prompt"),
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
    roles = Roles(attachments, read_told(text, attachments), steps=stated.several)
    values = _value_rules(stated)
    calls = [
        f"{quoted(json.dumps(task))} {_roles_of(task, values)} stated_{makes(task)}"
        f" then_{makes(task)}::_{when(condition)}"
        for task in TASKS
        if (condition := roles.condition(task)) is not None
    ]
    slots = " | ".join(quoted(json.dumps(slot)) for slot in SLOTS)
    custom = custom_rules(tools, stated, roles.handles())
    start = [f'{quoted("{" + json.dumps("task") + ":")} call::0 "}}"']
    if custom.first:
        start.append(f'{quoted("{" + json.dumps(TOOL_KEY) + ":")} custom::0 "}}"')
    if lacks := [quoted(lack.written) for lack in lacking(tools, stated, attachments)]:
        start.append(f'{quoted("{" + json.dumps(TOOL_KEY) + ":")} ({" | ".join(lacks)}) "}}"')
    start.append(f'{quoted("{" + json.dumps(MISSING_KEY) + ":")} ({slots}) "}}"')
    lines = [
        *rule("start", start),
        *rule("call::_", calls),
        *custom.lines,
        *roles.rules(),
        *(f"{name}: {body}" for name, body in values.items()),
        *(f"stated_{kind}: {_optional(names, values)}" for kind, names in _STATED.items()),
        *_then_rules(custom, steps=stated.several),
    ]
    return "\n".join(lines) + "\n"


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
            return f'{quoted(key("references") + "[")} reference_1::_ "]"'
        case _:
            return ""


def _optional(names: Iterable[str], values: Mapping[str, str]) -> str:
    """Return the optional fields of those names, in that order, that have a value to state."""
    return " ".join(f"({quoted(key(name))} v_{name})?" for name in names if f"v_{name}" in values)


def _value_rules(stated: Stated) -> dict[str, str]:
    """Return one rule a field, and none for a field of which the text states no value."""
    rules: dict[str, str] = {}
    for name in (*SIZES, *TIMES, *SETTINGS):
        if numbers := numbers_for(name, stated.text):
            rules[f"v_{name}"] = " | ".join(map(quoted, numbers))
    for name, names in (
        ("resolution", stated.resolutions),
        ("aspect_ratio", stated.aspect_ratios),
        ("control_type", stated.control_types),
    ):
        if names:
            rules[f"v_{name}"] = " | ".join(quoted(json.dumps(one)) for one in names)
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
        for name, call in (("task", "call"), *tool):
            begin = quoted(key(THEN) + "{" + key(name)[1:])
            ways.append(f'{begin} {call}::bit_or({second}) "}}"{when("bit_clear(4)")}')
            ways.append(f'{begin} {call}::bit_or({third}) "}}"{when("bit_set(4)", "bit_clear(5)")}')
        yield from rule(f"then_{kind}::_", ['""', *(ways if steps else ())])


@lru_cache(maxsize=1024)
def _escaped(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)[1:-1]
