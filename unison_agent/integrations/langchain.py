"""The tools as tools of LangChain, which LangGraph takes too; it knows no model.

A result is content blocks: the report, and each picture or the first frame of a clip. Its artifact is the report
as JSON values, so that what keeps messages can keep it; the media themselves stay in the agent's store.
"""

import base64

from unison_agent.errors import MissingDependencyError
from unison_agent.functions import CallResult, FunctionCalling, Granularity, MediaPolicy
from unison_agent.functions.incoming import NOTHING_FROM_OUTSIDE
from unison_agent.functions.replies import in_words, pictures
from unison_agent.integrations.offering import Offer, offers
from unison_agent.progress import Progress

try:
    from langchain_core.messages.content import ContentBlock, create_image_block, create_text_block
    from langchain_core.tools import StructuredTool, ToolException
except ImportError as error:
    raise MissingDependencyError(error.name or "langchain_core", extra="langchain") from error

Told = tuple[list[ContentBlock], dict[str, object]]


def unison_tools(
    unison: FunctionCalling,
    *,
    granularity: Granularity = "tasks",
    policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
    progress: Progress | None = None,
) -> list[StructuredTool]:
    """Return the tools for ``create_agent`` or ``bind_tools``.

    What is wrong with a call becomes a message with status ``"error"``. When an awaited call is cancelled, the
    work ends with its next step.

    Args:
        unison: An agent, or a session of it that keeps its handles to itself.
        granularity: One tool a task, one that takes a request in words, or both.
        policy: Which media the model may name besides handles and data URIs.
        progress: Told of every unit of work.
    """
    return [_tool(offer) for offer in offers(unison, granularity, policy, progress)]


def _tool(offer: Offer) -> StructuredTool:
    def call(**arguments: object) -> Told:
        return _told(offer.call(**arguments))

    async def acall(**arguments: object) -> Told:
        return _told(await offer.acall(**arguments))

    return StructuredTool(
        name=offer.name,
        description=offer.description,
        args_schema=offer.input_schema,
        func=call,
        coroutine=acall,
        response_format="content_and_artifact",
        handle_tool_error=True,
    )


def _told(result: CallResult) -> Told:
    if not result.ok:
        raise ToolException(in_words(result))
    blocks: list[ContentBlock] = [create_text_block(in_words(result))]
    blocks += [
        create_image_block(base64=base64.b64encode(png).decode("ascii"), mime_type="image/png")
        for _, png in pictures(result)
    ]
    return blocks, result.to_dict()
