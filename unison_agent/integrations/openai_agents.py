"""The tools as function tools of the OpenAI Agents SDK; it knows no model.

A result is the report as text and each picture, or the first frame of a clip, as an image; what is wrong with a
call is told in the report, so that the model can mend it.
"""

import base64
from collections.abc import Awaitable, Callable
from typing import Any, cast

from unison_agent.errors import MissingDependencyError
from unison_agent.functions import CallResult, FunctionCalling, Granularity, MediaPolicy
from unison_agent.functions.catalog import functions
from unison_agent.functions.dialects import in_format
from unison_agent.functions.incoming import NOTHING_FROM_OUTSIDE
from unison_agent.functions.replies import in_words, pictures
from unison_agent.integrations.stopping import run_stoppable
from unison_agent.progress import Progress

try:
    from agents import FunctionTool, ToolOutputImage, ToolOutputText
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
    """Return the tools for ``Agent(tools=...)``, with strict schemas.

    When a run of the agent is cancelled, the work ends with its next step.

    Args:
        unison: An agent, or a session of it that keeps its handles to itself.
        granularity: One tool a task, one that takes a request in words, or both.
        policy: Which media the model may name besides handles and data URIs.
        progress: Told of every unit of work, in the thread that does it.
    """
    known = functions(unison.tools(), unison.custom_tools(), granularity)
    return [
        FunctionTool(
            name=function.name,
            description=function.description,
            params_json_schema=cast(
                "dict[str, Any]", in_format(function, "openai_responses")["parameters"]
            ),
            on_invoke_tool=_carry_out(unison, function.name, policy, progress),
        )
        for function in known
    ]


def _carry_out(
    unison: FunctionCalling, name: str, policy: MediaPolicy, progress: Progress | None
) -> Callable[[object, str], Awaitable[Told]]:
    async def call(_: object, arguments: str) -> Told:
        return _told(
            await run_stoppable(
                lambda listen: unison.call(name, arguments, policy=policy, progress=listen),
                progress,
            )
        )

    return call


def _told(result: CallResult) -> Told:
    shown = [base64.b64encode(png).decode("ascii") for _, png in pictures(result)]
    return [
        ToolOutputText(text=in_words(result)),
        *(ToolOutputImage(image_url=f"data:image/png;base64,{data}") for data in shown),
    ]
