"""The tools as a toolset of Pydantic AI; it knows no model.

A result is the report and its pictures, which go where the model's API takes them; of a clip goes the first
frame. A call that the model can mend is given back to it to try again; one that it cannot has failed.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from unison_agent.errors import MissingDependencyError
from unison_agent.functions import CallResult, FunctionCalling, Granularity, MediaPolicy
from unison_agent.functions.incoming import NOTHING_FROM_OUTSIDE
from unison_agent.functions.replies import in_words, pictures
from unison_agent.integrations.offering import Offer, offers
from unison_agent.progress import Progress

try:
    from pydantic_ai import BinaryImage, ModelRetry, Tool, ToolReturn
    from pydantic_ai.exceptions import ToolFailed
    from pydantic_ai.toolsets import FunctionToolset
except ImportError as error:
    raise MissingDependencyError(error.name or "pydantic_ai", extra="pydantic-ai") from error

_MENDABLE = ("invalid_call", "not_possible", "media")


def unison_toolset(
    unison: FunctionCalling,
    *,
    granularity: Granularity = "tasks",
    policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
    progress: Progress | None = None,
    max_retries: int = 3,
) -> FunctionToolset[object]:
    """Return the tools for ``Agent(toolsets=[...])``.

    When a run of the agent is cancelled, the work ends with its next step.

    Args:
        unison: An agent, or a session of it that keeps its handles to itself.
        granularity: One tool a task, one that takes a request in words, or both.
        policy: Which media the model may name besides handles and data URIs.
        progress: Told of every unit of work, in the thread that does it.
        max_retries: How often in a row a model may mend a call.
    """
    tools = [
        Tool[object].from_schema(
            _carry_out(offer),
            name=offer.name,
            description=offer.description,
            json_schema=offer.input_schema,
        )
        for offer in offers(unison, granularity, policy, progress)
    ]
    return FunctionToolset[object](tools, id="unison", max_retries=max_retries)


def _carry_out(offer: Offer) -> Callable[..., Awaitable[ToolReturn[Any]]]:
    async def call(**arguments: object) -> ToolReturn[Any]:
        return _told(await offer.acall(**arguments))

    return call


def _told(result: CallResult) -> ToolReturn[Any]:
    if result.error is not None:
        failure = ModelRetry if result.error.code in _MENDABLE else ToolFailed
        raise failure(in_words(result))
    shown = [BinaryImage(png, media_type="image/png") for _, png in pictures(result)]
    return ToolReturn([json.loads(in_words(result)), *shown], metadata=result.to_dict())
