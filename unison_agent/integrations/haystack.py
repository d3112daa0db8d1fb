"""The tools as tools of Haystack; it knows no model.

A result is text, which is the report, and each picture or the first frame of a clip as an image; what is wrong with
a call is told in the report, so that the model can mend it.
"""

import base64

from unison_agent.errors import MissingDependencyError
from unison_agent.functions import CallResult, FunctionCalling, Granularity, MediaPolicy
from unison_agent.functions.incoming import NOTHING_FROM_OUTSIDE
from unison_agent.functions.replies import in_words, pictures
from unison_agent.integrations.offering import Offer, offers
from unison_agent.progress import Progress

try:
    from haystack.dataclasses import ImageContent, TextContent
    from haystack.tools import Tool  # pyright: ignore[reportPrivateImportUsage] - lazily there
except ImportError as error:
    raise MissingDependencyError(error.name or "haystack", extra="haystack") from error


def unison_tools(
    unison: FunctionCalling,
    *,
    granularity: Granularity = "tasks",
    policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
    progress: Progress | None = None,
) -> list[Tool]:
    """Return the tools for ``Agent(tools=...)`` and ``ToolInvoker``.

    They hold the agent, so a pipeline with them cannot be written to a file. When an awaited run is cancelled,
    the work ends with its next step.

    Args:
        unison: An agent, or a session of it that keeps its handles to itself.
        granularity: One tool a task, one that takes a request in words, or both.
        policy: Which media the model may name besides handles and data URIs.
        progress: Told of every unit of work.
    """
    return [_tool(offer) for offer in offers(unison, granularity, policy, progress)]


def _tool(offer: Offer) -> Tool:
    return Tool(
        name=offer.name,
        description=offer.description,
        parameters=offer.input_schema,
        function=offer.call,
        async_function=offer.acall,
        outputs_to_string={"raw_result": True, "handler": _told},
    )


def _told(result: CallResult) -> list[TextContent | ImageContent]:
    shown = [base64.b64encode(png).decode("ascii") for _, png in pictures(result)]
    return [
        TextContent(in_words(result)),
        *(ImageContent(base64_image=data, mime_type="image/png") for data in shown),
    ]
