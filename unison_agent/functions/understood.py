"""From the arguments of a call to what shall be run: a plan of one step with its media, or a request in words."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import cast

from pydantic import BaseModel, JsonValue

from unison_agent.custom.tool import CustomTool
from unison_agent.functions.arguments import (
    Arguments,
    check_counts,
    tidy,
    unfit,
    validated,
    with_media,
)
from unison_agent.functions.catalog import MEDIA, WHOLE, Function
from unison_agent.functions.closed import JsonSchema
from unison_agent.functions.incoming import Incoming
from unison_agent.media import MediaSet
from unison_agent.tasks import (
    TASK_CALL,
    TASK_MODELS,
    Attachment,
    CustomCall,
    Handle,
    Plan,
    Request,
    TaskCall,
    Wire,
    Words,
)

_LONGEST = 8192
_as_json = json.JSONEncoder(ensure_ascii=False).encode  # dumps would make an encoder each time


class _Whole(Wire):
    request: Words
    media: tuple[Handle, ...] = ()


def understood(
    function: Function,
    arguments: Arguments,
    incoming: Incoming,
    custom: Iterable[CustomTool],
) -> tuple[str | Plan, MediaSet]:
    """Return what a call asks for, with its media.

    Everything but the media is checked before any of them is opened.

    Args:
        function: What is called.
        arguments: As they came.
        incoming: Opens the media.
        custom: The user's own tools.

    Raises:
        ToolCallError: An argument is unknown, missing or wrong.
        MediaError: A medium cannot be used.
    """
    arguments = tidy(function, arguments)
    if function.takes_lists:
        check_counts(function.name, function.schema, arguments)
    if function.takes_media:
        stand_in = with_media(function.schema, arguments, _stand_in)
        _check(function, cast("Arguments", stand_in), custom)
        given = cast("Arguments", with_media(function.schema, arguments, incoming.take))
    else:
        _check(function, arguments, custom)
        given = arguments
    media = incoming.media_set()
    if function.name == WHOLE:
        handles = cast("list[str]", given.get(MEDIA, []))
        named = cast("list[object]", arguments.get(MEDIA, []))
        return _with_handles(str(given["request"]), zip(named, handles, strict=True)), media
    if function.task is None:
        values = cast("Mapping[str, JsonValue]", given)
        call: TaskCall | CustomCall = CustomCall(tool=function.name, arguments=dict(values))
        text = f"{function.name}({_as_json(given)})"[:_LONGEST]
    else:
        call = TASK_CALL.validate_python(_task_values(function, given))
        text = str(given.get("prompt") or given.get("question"))
    attachments = tuple(Attachment(handle=name, kind=kind) for name, kind in media.attachments)
    return Plan(request=Request(text=text, attachments=attachments), steps=(call,)), media


def _task_values(function: Function, arguments: Arguments) -> Arguments:
    values = {key: value for key, value in arguments.items() if key != MEDIA}
    return {"task": function.task, **values}


def _check(function: Function, arguments: Arguments, custom: Iterable[CustomTool]) -> None:
    if function.name == WHOLE:
        validated(function, _Whole, arguments)
    elif function.task is None:
        tool = next(one for one in custom if one.name == function.name)
        try:
            tool.read(cast("Mapping[str, JsonValue]", arguments))
        except ValueError as error:
            place, _, why = str(error).partition(": ")
            raise unfit(function, place if why else "", why or str(error), arguments) from error
    else:
        model: type[BaseModel] = TASK_MODELS[function.task]
        validated(function, model, _task_values(function, arguments))


def _stand_in(at: str, value: object, schema: JsonSchema) -> str:
    del at, value
    return "video_1" if schema["x-media"] == "video" else "image_1"


def _with_handles(request: str, named: Iterable[tuple[object, str]]) -> str:
    """Return a request that speaks of its media by the handles of the plan."""
    for name, handle in named:
        if isinstance(name, str) and len(name) < 200 and name != handle:
            request = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", handle, request)
    return request
