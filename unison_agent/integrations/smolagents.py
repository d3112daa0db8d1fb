"""The tools as tools of smolagents; it knows no model.

A tool there gives one value: a picture, the address of a clip, or an answer. Where a picture or a clip is wanted,
a picture that another tool gave may stand as well as a handle. What is wrong with a call is raised.
"""

from typing import Any, cast

from unison_agent.artifacts import SCHEME
from unison_agent.errors import MissingDependencyError
from unison_agent.functions import CallResult, Function, FunctionCalling, Granularity, MediaPolicy
from unison_agent.functions.closed import JsonSchema
from unison_agent.functions.incoming import NOTHING_FROM_OUTSIDE
from unison_agent.functions.replies import in_words
from unison_agent.integrations.offering import Offer, offers
from unison_agent.media import Image, Video
from unison_agent.progress import Progress
from unison_agent.tasks import UNDERSTANDING_TASKS

try:
    from smolagents import Tool
    from smolagents.agent_types import AgentImage
except ImportError as error:
    raise MissingDependencyError(error.name or "smolagents", extra="smolagents") from error

_ONE_PICTURE = "num_outputs"  # a tool gives one value


def unison_tools(
    unison: FunctionCalling,
    *,
    granularity: Granularity = "tasks",
    policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
    progress: Progress | None = None,
) -> list[Tool]:
    """Return the tools for ``CodeAgent`` or ``ToolCallingAgent``.

    Args:
        unison: An agent, or a session of it that keeps its handles to itself.
        granularity: One tool a task, one that takes a request in words, or both.
        policy: Which media the model may name besides handles and data URIs.
        progress: Told of every unit of work; raise RunCancelledError in it to stop.
    """
    return [UnisonTool(offer) for offer in offers(unison, granularity, policy, progress)]


class UnisonTool(Tool):
    """One function of an agent; made by `unison_tools`."""

    skip_forward_signature_validation = True  # `forward` takes what `inputs` says

    def __init__(self, offer: Offer) -> None:
        self.name = offer.name
        self.output_type, gives = _output(offer.function)
        self.description = f"{offer.description} {gives}"
        arguments = offer.function.arguments
        self._lists = {name for name, one in arguments.items() if _lists_media(one)}
        self.inputs = _inputs(offer)
        self._offer = offer
        super().__init__()  # pyright: ignore[reportUnknownMemberType]

    def forward(self, *values: object, **named: object) -> object:
        """Carry out a call.

        Raises:
            UnisonError: It is wrong, or failed.
        """
        given = {**dict(zip(self.inputs, values, strict=False)), **named}
        arguments = {name: self._argument(name, value) for name, value in given.items()}
        return _told(self._offer.call_or_raise(**arguments))

    def _argument(self, name: str, value: object) -> object:
        """Return a value as a call takes it: one medium for several, and pictures as such."""
        if isinstance(value, list):
            return [_plain(one) for one in cast("list[object]", value)]
        return [_plain(value)] if name in self._lists else _plain(value)


def _told(result: CallResult) -> object:
    match list(result.media.values()):
        case [Image() as picture]:
            return picture.pil
        case [Video()]:
            return SCHEME + result.artifacts[0].handle
        case [] if result.text is not None:
            return result.text
        case _:
            return in_words(result)


def _output(function: Function) -> tuple[str, str]:
    """Return what type a function gives, and the words for it."""
    task = function.task
    if task is None:
        return "any", "Gives a picture, the address of a clip, or an answer."
    if task in UNDERSTANDING_TASKS:
        return "string", "Gives the answer."
    if task.startswith("video_") or task.endswith("_to_video"):
        return "string", "Gives the address of the clip, which other tools take as a medium."
    return "image", "Gives the picture, which other tools take as a medium."


def _inputs(offer: Offer) -> dict[str, dict[str, Any]]:
    inputs: dict[str, dict[str, Any]] = {}
    properties = cast("dict[str, dict[str, Any]]", offer.input_schema["properties"])
    for name, schema in properties.items():
        if name == _ONE_PICTURE:
            continue
        ours = offer.function.arguments[name]
        is_medium = "x-media" in ours or _lists_media(ours)
        said = {"description": schema.get("description") or name.replace("_", " ")}
        kind = "any" if is_medium else schema.get("type", "any")
        inputs[name] = {**({} if is_medium else schema), **said, "type": kind}
        if name not in offer.function.required:
            inputs[name]["nullable"] = True
    return inputs


def _lists_media(schema: JsonSchema) -> bool:
    return "x-media" in cast("JsonSchema", schema.get("items") or {})


def _plain(value: object) -> object:
    return value.to_raw() if isinstance(value, AgentImage) else value
