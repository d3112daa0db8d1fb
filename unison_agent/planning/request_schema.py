"""A request's plans as a JSON Schema, for models that take no grammar; it knows no model.

It is closed over the request as far as a schema can be: tasks by media, handles, stated numbers and names. Words
are free, but bounded, and a handle may be of a step that makes something else: `read_plan` checks the rest.
Nothing is left out of an object: what is unstated is null, as strict function calling wants it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import cast, get_args

from unison_agent.custom.fields import (
    ChoiceField,
    Field,
    FreeField,
    HandleField,
    ListField,
    ObjectField,
    TextField,
)
from unison_agent.custom.fields import NumberField as StatedNumberField
from unison_agent.custom.tool import CustomTool
from unison_agent.planning.call_fields import (
    FIELD_ORDER,
    LONGEST_SPAN,
    MOST_STEPS,
    THEN,
    NumberField,
    SpanField,
    makes,
)
from unison_agent.planning.custom_missing import lacking
from unison_agent.planning.custom_reading import ARGUMENTS_KEY, TOOL_KEY, said_choices
from unison_agent.planning.stated import Stated, read_stated
from unison_agent.planning.told_attachments import Told, read_told
from unison_agent.planning.units import numbers_for
from unison_agent.planning.written import MISSING_KEY, SLOTS
from unison_agent.tasks import TASK_MODELS, MediaKind, Request, Task

Schema = dict[str, object]
_NULL: Schema = {"type": "null"}
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL | re.IGNORECASE)
_NUMBERS = frozenset(get_args(NumberField))
_SPANS = frozenset(get_args(SpanField))


def request_schema(request: Request, tools: Sequence[CustomTool] = ()) -> Schema:
    """Return the schema of ``{"steps": [calls], "needs_input": slot or null}`` for a request.

    Args:
        request: What was asked.
        tools: What can be called besides the tasks.
    """
    stated, told = read_stated(request.text), read_told(request.text, request.attachments)
    most = MOST_STEPS if stated.several else 1
    made = [f"step_{number}" for number in range(1, most)]
    handles: dict[MediaKind, list[str]] = {
        kind: [one.handle for one in request.attachments if one.kind == kind] + made
        for kind in ("image", "video")
    }
    lacks = [lack.slot for lack in lacking(tools, stated, request.attachments)]
    calls = [
        *(_task(task, stated, handles, told) for task in TASK_MODELS),
        *(_tool(tool, stated, handles) for tool in tools),
    ]
    possible = [call for call in calls if call is not None]
    return _object(
        {
            "steps": {"type": "array", "items": {"anyOf": possible}, "maxItems": most},
            MISSING_KEY: _or_null({"type": "string", "enum": [*SLOTS, *lacks]}),
        }
    )


def written_form(answer: str) -> str:
    """Return an answer by `request_schema` in the form that `read_plan` reads; any other text as it is.

    A model that was asked in words may set its JSON apart as code; the marks around it are left out.
    """
    fenced = _FENCED.fullmatch(answer)
    answer = answer if fenced is None else fenced.group(1)
    try:
        document = cast("object", json.loads(answer))
    except (ValueError, RecursionError):
        return answer
    if not isinstance(document, dict) or "steps" not in document:
        return answer
    given = cast("Mapping[str, object]", document)
    steps = given["steps"]
    # A call in the written form has steps too.
    if steps is not None and not isinstance(steps, list):
        return answer
    if not steps:
        slot = given.get(MISSING_KEY)
        if isinstance(slot, str) and "." in slot:  # an argument of a custom tool
            tool, _, argument = slot.partition(".")
            return json.dumps({TOOL_KEY: tool, MISSING_KEY: argument})
        return json.dumps({MISSING_KEY: slot})
    nested: object = None
    for step in reversed(cast("list[object]", steps)):
        if not isinstance(step, dict):
            return answer
        stated = cast("dict[str, object]", _stated(cast("object", step)))
        nested = stated if nested is None else {**stated, THEN: nested}
    return json.dumps(nested, ensure_ascii=False)


def _stated(value: object) -> object:
    """Return a value without the names that hold null."""
    if isinstance(value, list):
        return [_stated(one) for one in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    named = cast("Mapping[str, object]", value)
    return {name: _stated(one) for name, one in named.items() if one is not None}


def _task(
    task: Task, stated: Stated, handles: Mapping[MediaKind, list[str]], told: Told
) -> Schema | None:
    model = TASK_MODELS[task]
    subject, _, kind = task.partition("_")
    if kind == "understanding" and subject != "text":
        seen = handles[cast("MediaKind", subject)]
        if not any(told.admits("seen", handle) for handle in seen):
            return None
    properties: dict[str, object] = {"task": {"type": "string", "enum": [task]}}
    filled = False
    for name in FIELD_ORDER:
        if name not in model.model_fields:
            continue
        schema = _field(name, task, stated, handles, told)
        if schema is None and model.model_fields[name].is_required():
            return None
        if schema is not None:
            filled |= name in ("first_frame", "last_frame")
            required = model.model_fields[name].is_required() and name not in _SPANS
            properties[name] = schema if required else _or_null(schema)
    if task == "image_to_video" and not filled:
        return None
    return _object(properties)


def _field(
    name: str,
    task: Task,
    stated: Stated,
    handles: Mapping[MediaKind, list[str]],
    told: Told,
) -> Schema | None:
    """Return the schema of a field, None when nothing can stand in it."""
    there = {
        kind: [handle for handle in of_kind if told.admits(name, handle)]
        for kind, of_kind in handles.items()
    }
    if name in _NUMBERS:
        field = cast("NumberField", name)
        return _numbers(numbers_for(field, stated.text))
    if name in _SPANS:
        if name == "negative_prompt" and not stated.negations:
            return None
        return {"type": "string", "maxLength": LONGEST_SPAN[cast("SpanField", name)]}
    match name:
        case "resolution":
            return _words(stated.resolutions)
        case "aspect_ratio":
            return _words(stated.aspect_ratios)
        case "control_type":
            return _words(stated.control_types)
        case "references":
            one = _words(there["image"])
            return None if one is None else {"type": "array", "items": one, "minItems": 1}
        case "mask" if task == "video_editing":
            return _words(dict.fromkeys([*there["image"], *there["video"]]))
        case "source" | "control":
            return _words(there[cast("MediaKind", makes(task))])
        case _:
            return _words(there["image"])


def _tool(
    tool: CustomTool, stated: Stated, handles: Mapping[MediaKind, list[str]]
) -> Schema | None:
    arguments = _argument(tool.parameters, stated, handles)
    if arguments is None:
        return None
    return _object({TOOL_KEY: {"type": "string", "enum": [tool.name]}, ARGUMENTS_KEY: arguments})


def _argument(
    field: Field, stated: Stated, handles: Mapping[MediaKind, list[str]]
) -> Schema | None:
    match field:
        case ObjectField():
            properties: dict[str, object] = {}
            for one in field.arguments:
                schema = _argument(one.field, stated, handles)
                if schema is None and one.required:
                    return None
                if schema is not None:
                    properties[one.name] = schema if one.required else _or_null(schema)
            return _object(properties)
        case ListField():
            items = _argument(field.item, stated, handles)
            if items is None:
                empty: Schema = {"type": "array", "items": {"type": "string"}, "maxItems": 0}
                return None if field.least else empty
            bounds = {"minItems": field.least, "maxItems": field.most}
            return {"type": "array", "items": items, **bounds}
        case HandleField():
            return _words(dict.fromkeys(one for kind in field.kinds for one in handles[kind]))
        case StatedNumberField():
            return _numbers([one for one in stated.numbers if field.admits(one)])
        case ChoiceField():
            return _words(said_choices(field, stated))
        case TextField():
            return {"type": "string", "maxLength": field.longest}
        case FreeField():
            return cast("Schema", json.loads(field.schema))


def _object(properties: Mapping[str, object]) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, _NULL]}


def _numbers(canonical: Sequence[str]) -> Schema | None:
    return {"type": "number", "enum": [json.loads(one) for one in canonical]} if canonical else None


def _words(values: Mapping[str, object] | Sequence[str]) -> Schema | None:
    return {"type": "string", "enum": list(values)} if values else None
