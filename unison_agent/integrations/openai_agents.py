"""The tools as tools of the OpenAI Agents SDK, in strict schemas; it knows no model.

A result is the report as text, and each picture or the first frame of a clip as an image; what is wrong with a call
is told in the report, so that the model can mend it.
"""

import base64
from typing import Any, cast

from unison_agent.errors import MissingDependencyError, ToolCallError
from unison_agent.functions import CallResult, FunctionCalling, Granularity, MediaPolicy, in_format
from unison_agent.functions.arguments import parse_arguments
from unison_agent.functions.incoming import NOTHING_FROM_OUTSIDE
from unison_agent.functions.replies import in_words, pictures
from unison_agent.functions.results import refused
from unison_agent.integrations.offering import Offer, offers
from unison_agent.progress import Progress

try:
    from agents import FunctionTool, ToolOutputImage, ToolOutputText
    from agents.tool_context import ToolContext
except ImportError as error:
    raise MissingDependencyError(error.name or "agents", extra="openai-agents") from error

Told = list[ToolOutputText | ToolOutputImage]


def unison_tools(
    unison: FunctionCalling,
    *,
    granularity: Granularity = "tasks",
    policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
    progress: Progress | None = None,
) -> list[FunctionTool]:
    """Return the tools for ``Agent(tools=...)``.

    The schemas are strict: every argument is required, and null stands for one that is left out. When a run is
    cancelled, the work ends with its next step.

    Args:
        unison: An agent, or a session of it that keeps its handles to itself.
        granularity: One tool a task, one that takes a request in words, or both.
        policy: Which media the model may name besides handles and data URIs.
        progress: Told of every unit of work, in the thread that does it.
    """
    return [_tool(offer) for offer in offers(unison, granularity, policy, progress)]


def _tool(offer: Offer) -> FunctionTool:
    async def invoke(context: ToolContext[Any], arguments: str) -> Told:
        del context
        try:
            given = parse_arguments(arguments)
        except ToolCallError as error:
            return _told(refused(offer.name, error))
        return _told(await offer.acall(**given))

    strict = in_format(offer.function, "openai_responses")["parameters"]
    return FunctionTool(
        name=offer.name,
        description=offer.description,
        params_json_schema=cast("dict[str, Any]", strict),
        on_invoke_tool=invoke,
    )


def _told(result: CallResult) -> Told:
    shown = [base64.b64encode(png).decode("ascii") for _, png in pictures(result)]
    return [
        ToolOutputText(text=in_words(result)),
        *(ToolOutputImage(image_url=f"data:image/png;base64,{data}") for data in shown),
    ]
