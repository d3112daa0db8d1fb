"""Finds the tool calls in the message of another model, as dicts or as objects of its SDK; it runs none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from unison_agent.errors import RequestError


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call as it stands in a message.

    Attributes:
        call_id: What the model named it; None where it has no name.
        name: The function.
        arguments: JSON, or its values.
    """

    call_id: str | None
    name: str
    arguments: str | Mapping[str, object] | None


def calls_of_chat(message: object) -> list[ToolCall]:
    """Return the calls of an assistant message of OpenAI's Chat Completions.

    Raises:
        RequestError: It is no such message.
    """
    given = _mapping(message, "an assistant message: response.choices[0].message")
    if "choices" in given or given.get("role", "assistant") != "assistant":
        raise _no_message("an assistant message: response.choices[0].message")
    found: list[ToolCall] = []
    for call in _list(given.get("tool_calls")):
        inner = call.get("function")
        if isinstance(inner, Mapping):
            found.append(_call(call.get("id"), cast("Mapping[str, object]", inner), "arguments"))
    return found


def calls_of_responses(items: object) -> list[ToolCall]:
    """Return the calls among the output items of OpenAI's Responses.

    Raises:
        RequestError: They are no such items.
    """
    if isinstance(items, str | Mapping) or not isinstance(items, Sequence):
        raise _no_message("a list of output items: response.output")
    found = [_mapping(item, "a list of output items") for item in cast("Sequence[object]", items)]
    return [
        _call(item.get("call_id"), item, "arguments")
        for item in found
        if item.get("type") == "function_call"
    ]


def calls_of_anthropic(message: object) -> list[ToolCall]:
    """Return the calls of an assistant message of Anthropic's Messages.

    Raises:
        RequestError: It is no such message.
    """
    given = _mapping(message, "an assistant message: what messages.create returns")
    content = given.get("content")
    if isinstance(content, str):
        return []
    if not isinstance(content, Sequence):
        raise _no_message("an assistant message: what messages.create returns")
    return [
        _call(block.get("id"), block, "input")
        for block in _list(cast("object", content))
        if block.get("type") == "tool_use"
    ]


def calls_of_gemini(content: object) -> list[ToolCall]:
    """Return the calls of a content of Gemini.

    Raises:
        RequestError: It is no such content.
    """
    given = _mapping(content, "a content: response.candidates[0].content")
    if "parts" not in given:
        raise _no_message("a content: response.candidates[0].content")
    found: list[ToolCall] = []
    for part in _list(given["parts"]):
        call = part.get("function_call", part.get("functionCall"))
        if isinstance(call, Mapping):
            inner = cast("Mapping[str, object]", call)
            found.append(_call(inner.get("id"), inner, "args"))
    return found


def _call(call_id: object, given: Mapping[str, object], arguments: str) -> ToolCall:
    said = cast("str | Mapping[str, object] | None", given.get(arguments))
    return ToolCall(None if call_id is None else str(call_id), str(given.get("name")), said)


def _list(value: object) -> list[Mapping[str, object]]:
    several = cast("Sequence[object]", value or ())
    return [_mapping(one, "a message of the API") for one in several]


def _mapping(value: object, expected: str) -> Mapping[str, object]:
    """Return a message as a mapping; the objects of all four SDKs are pydantic models."""
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value)
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise _no_message(expected, value)
    return cast("Mapping[str, object]", dump())


def _no_message(expected: str, value: object = None) -> RequestError:
    got = "something else" if value is None else type(value).__name__
    return RequestError(f"Expected {expected}; got {got}.", hint="Pass it whole, as it came.")
