"""What an integration offers to its framework: each function with its schema and the ways to call it; it knows no framework."""

from dataclasses import dataclass, field
from typing import Any, cast

from unison_agent.functions import CallResult, Function, FunctionCalling, Granularity, MediaPolicy
from unison_agent.functions.catalog import functions
from unison_agent.functions.dialects import in_format
from unison_agent.integrations.stopping import run_stoppable
from unison_agent.progress import Progress


@dataclass(frozen=True, slots=True)
class Offer:
    """One function of an agent that a framework can call; made by `offers`.

    Attributes:
        function: What is called.
    """

    function: Function
    _unison: FunctionCalling = field(repr=False)
    _policy: MediaPolicy = field(repr=False)
    _progress: Progress | None = field(repr=False)

    @property
    def name(self) -> str:
        """What a call names it."""
        return self.function.name

    @property
    def description(self) -> str:
        """What it does, in a sentence or two."""
        return self.function.description

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of its arguments, without keywords of our own."""
        return input_schema(self.function)

    def call(self, /, **arguments: object) -> CallResult:
        """Carry out a call; what is wrong with it is told in the result."""
        return self._unison.call(self.name, arguments, policy=self._policy, progress=self._progress)

    async def acall(self, /, **arguments: object) -> CallResult:
        """Carry out a call in a thread; when who waits is cancelled, the work ends with its next step."""
        return await run_stoppable(
            lambda listen: self._unison.call(
                self.name, arguments, policy=self._policy, progress=listen
            ),
            self._progress,
        )

    def call_or_raise(self, /, **arguments: object) -> CallResult:
        """Carry out a call.

        Raises:
            UnisonError: It is wrong, or failed.
        """
        return self._unison.call(
            self.name, arguments, policy=self._policy, raise_errors=True, progress=self._progress
        )


def offers(
    unison: FunctionCalling,
    granularity: Granularity,
    policy: MediaPolicy,
    progress: Progress | None,
) -> list[Offer]:
    """Return what an agent offers, in an order that never changes.

    Args:
        unison: An agent, or a session of it that keeps its handles to itself.
        granularity: One function a task, one that takes a request in words, or both.
        policy: Which media a call may name besides handles and data URIs.
        progress: Told of every unit of work, in the thread that does it.

    Raises:
        RequestError: No such granularity.
    """
    known = functions(unison.tools(), unison.custom_tools(), granularity)
    return [Offer(function, unison, policy, progress) for function in known]


def input_schema(function: Function) -> dict[str, Any]:
    """Return the JSON Schema of a function's arguments as other programs take it."""
    return cast("dict[str, Any]", in_format(function, "mcp")["inputSchema"])
