"""The tools as tools of LlamaIndex; it knows no model.

A result is content blocks: the report, and each picture or the first frame of a clip. What is wrong with a call is
told in an output that is marked as an error, so that the model can mend it.
"""

from typing import Any

from unison_agent.errors import MissingDependencyError
from unison_agent.functions import CallResult, FunctionCalling, Granularity, MediaPolicy
from unison_agent.functions.incoming import NOTHING_FROM_OUTSIDE
from unison_agent.functions.replies import in_words, pictures
from unison_agent.integrations.offering import Offer, offers
from unison_agent.progress import Progress

try:
    from llama_index.core.base.llms.types import ContentBlock, ImageBlock, TextBlock
    from llama_index.core.tools.types import AsyncBaseTool, ToolMetadata, ToolOutput
except ImportError as error:
    raise MissingDependencyError(error.name or "llama_index", extra="llama-index") from error

from pydantic import BaseModel, ConfigDict, create_model


def unison_tools(
    unison: FunctionCalling,
    *,
    granularity: Granularity = "tasks",
    policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
    progress: Progress | None = None,
) -> list["UnisonTool"]:
    """Return the tools for ``FunctionAgent(tools=...)`` and the other agents.

    When an awaited call is cancelled, the work ends with its next step.

    Args:
        unison: An agent, or a session of it that keeps its handles to itself.
        granularity: One tool a task, one that takes a request in words, or both.
        policy: Which media the model may name besides handles and data URIs.
        progress: Told of every unit of work.
    """
    return [UnisonTool(offer) for offer in offers(unison, granularity, policy, progress)]


class UnisonTool(AsyncBaseTool):
    """One function of an agent; made by `unison_tools`."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._metadata = ToolMetadata(offer.description, offer.name, _model(offer))

    @property
    def metadata(self) -> ToolMetadata:
        """Its name, description and arguments."""
        return self._metadata

    def call(self, *values: object, **named: object) -> ToolOutput:
        """Carry out a call; what is wrong with it is told in the output."""
        given = self._given(values, named)
        return _told(self._offer.call(**given), given)

    async def acall(self, *values: object, **named: object) -> ToolOutput:
        """Carry out a call in a thread; see `call`."""
        given = self._given(values, named)
        return _told(await self._offer.acall(**given), given)

    def _given(self, values: tuple[object, ...], named: dict[str, object]) -> dict[str, Any]:
        """Return arguments by name: a tool with a single one is also called with its bare value."""
        return {**dict(zip(self._offer.function.arguments, values, strict=False)), **named}


def _model(offer: Offer) -> type[BaseModel]:
    """Return a model that stands for our schema: the framework asks models for theirs."""

    def ours(schema: dict[str, Any]) -> None:
        schema.clear()
        schema.update(offer.input_schema)

    config = ConfigDict(extra="allow", json_schema_extra=ours)
    return create_model(offer.name, __config__=config)


def _told(result: CallResult, given: dict[str, Any]) -> ToolOutput:
    blocks: list[ContentBlock] = [TextBlock(text=in_words(result))]
    blocks += [ImageBlock(image=png, image_mimetype="image/png") for _, png in pictures(result)]
    return ToolOutput(
        result.name,
        blocks=blocks,
        raw_input=given,
        raw_output=result.to_dict(),
        is_error=not result.ok,
    )
