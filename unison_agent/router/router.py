"""Runs the steps of a plan, each on a tool that serves its task; it plans nothing and loads nothing."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import reduce
from operator import add
from time import perf_counter
from types import MappingProxyType
from typing import Self

from unison_agent.adapters import Output
from unison_agent.custom.tool import CustomTool, check_names
from unison_agent.errors import GenerationError, RequestError
from unison_agent.media import MediaSet, Video
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.replay import Record, WeightHash
from unison_agent.result import Artifact, Result, StepResult, Timings
from unison_agent.router.bindings import Bindings, Named
from unison_agent.router.clock import StageClock
from unison_agent.router.connected_tool import ConnectedTool
from unison_agent.router.granting import grants
from unison_agent.router.order import Order
from unison_agent.router.roles import basis, check_plan, edited_by_words
from unison_agent.router.tools import Tool
from unison_agent.specs import ToolSpec
from unison_agent.tasks import (
    Call,
    CustomCall,
    Granted,
    GrantedAnswer,
    GrantedCustom,
    GrantedTask,
    GrantedVideo,
    Mode,
    Plan,
    TaskCall,
)
from unison_agent.wording import unused_notes


@dataclass(frozen=True, slots=True)
class _Done:
    """One step that has run."""

    call: Call
    granted: Granted
    output: Output
    weights: tuple[WeightHash, ...]
    timings: Timings


class Router:
    """Holds the tools and runs plans on them; safe to call from threads.

    Args:
        tools: Each task is served by one of them at most.
        custom: Tools of the user's own, each called by its name.
        profile: Name of the tool pack, for the records.
        also: The tools of other packs by their names, in order; of several tools that serve a task the best
            for a call is chosen. A tool may be in several packs.

    Raises:
        PackError: Two tools of a pack serve the same task, or two of different packs have the same name.
        ToolError: Two custom tools have the same name.
    """

    def __init__(
        self,
        tools: Iterable[Tool],
        *,
        custom: Iterable[CustomTool] = (),
        profile: str = "custom",
        also: Mapping[str, Sequence[Tool]] = MappingProxyType({}),
    ) -> None:
        self.profile = profile
        self._own = check_names(custom)
        self._custom = {tool.name: tool for tool in self._own}
        self._bindings = Bindings({profile: tuple(tools), **also})
        self._by_words = edited_by_words(self.tools)
        self._chooses = len(self._bindings.packs) > 1

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """What the tools can do."""
        return tuple(tool.spec for tool in self._bindings.tools)

    @property
    def packs(self) -> tuple[str, ...]:
        """The names of the packs."""
        return tuple(self._bindings.packs)

    @property
    def custom(self) -> tuple[CustomTool, ...]:
        """The custom tools."""
        return self._own

    def with_tools(self, custom: Iterable[CustomTool]) -> Self:
        """Return a router with more custom tools; the other tools are shared.

        Raises:
            ToolError: Two of all have the same name.
        """
        made = copy(self)
        made._own = check_names((*self._own, *custom))
        made._custom = {tool.name: tool for tool in made._own}
        return made

    def run(
        self,
        plan: Plan,
        media: MediaSet,
        *,
        progress: Progress = silent,
        mode: Mode = "nearest",
        seed: int = 0,
        tool: Named = None,
        max_new_tokens: int | None = None,
        connector: bool = True,
    ) -> Result:
        """Run all steps of `plan`, in order; a step sees the outputs of those before it.

        Args:
            plan: What to do.
            media: What its handles stand for.
            progress: Told of every unit of work; raising in it stops the run.
            mode: What to do about values that a tool cannot grant as stated.
            seed: Of steps that state none.
            tool: A tool or pack for the steps that it serves, or the tool of each step; chosen where there is none.
            max_new_tokens: Of answers; the tool's default when left out.
            connector: False switches the connector off; see `GenerationTool.without_connector`.

        Raises:
            MissingInputError: The plan lacks something, e.g. a mask.
            RequestError: A step's media or task do not fit, or no step has a connector to switch off.
            NegotiationError: A value would have to change, and `mode` forbids it.
            WeightsError: Weights are missing or damaged.
            GenerationError: A model failed, or made something else than was granted.
            RunCancelledError: Raised by `progress`.
        """
        order = self._order(plan, media, mode, seed, tool, max_new_tokens)
        if self._chooses or not connector:
            # That no pack can do a step is said before one is run.
            granted_all = grants(plan, media, order.grant)
            if not connector:
                self._check_connectors(granted_all)
        start = perf_counter()
        done: list[_Done] = []
        available = media
        for number, call in enumerate(plan.steps, start=1):
            if isinstance(call, CustomCall):
                step = self._run_custom(call, available, StageClock(progress))
            else:
                granted = order.grant(number - 1, call, basis(call, available))
                tool_of_step = self._bindings.tool(granted.tool)
                if not connector and isinstance(tool_of_step, ConnectedTool):
                    tool_of_step = tool_of_step.without_connector()
                clock = StageClock(progress)
                step = self._run_task(call, tool_of_step, granted, available, clock)
            done.append(step)
            for index, medium in enumerate(step.output.media, start=1):
                handle = f"step_{number}" if index == 1 else f"step_{number}_{index}"
                available = available.with_step(handle, medium)
        steps = self._steps(plan, media, done, connector=connector)
        timings = reduce(add, (step.timings for step in steps))
        return Result(plan, steps, timings.within(perf_counter() - start))

    def check_named(self, name: str) -> None:
        """Check that a tool or a pack has that name.

        Raises:
            RequestError: None has.
        """
        self._bindings.called(name)

    def grants(
        self,
        plan: Plan,
        media: MediaSet,
        *,
        mode: Mode = "nearest",
        seed: int = 0,
        tool: Named = None,
    ) -> tuple[GrantedTask | None, ...]:
        """Return what each step would be granted, with nothing loaded; see `granting.grants`.

        Raises:
            MissingInputError: The plan lacks something, e.g. a mask.
            RequestError: A step's media or task do not fit.
            NegotiationError: A value would have to change, and `mode` forbids it.
        """
        return grants(plan, media, self._order(plan, media, mode, seed, tool).grant)

    def _order(
        self,
        plan: Plan,
        media: MediaSet,
        mode: Mode,
        seed: int,
        tool: Named,
        max_new_tokens: int | None = None,
    ) -> Order:
        """Return how the calls of a plan that can be run are granted."""
        check_plan(plan, media, self._custom, by_words=self._by_words)
        for call in plan.steps:
            if not isinstance(call, CustomCall):
                self._bindings.serving(call.task)
        named = self._bindings.named(tool, plan.steps)
        return Order(self._bindings, named, mode, seed, max_new_tokens)

    def _run_task(
        self,
        call: TaskCall,
        tool: Tool,
        granted: GrantedTask,
        media: MediaSet,
        clock: StageClock,
    ) -> _Done:
        output = tool.run(call, granted, media, clock)
        _check_output(output, granted)
        return _Done(call, granted, output, tool.weights(), clock.timings())

    def _run_custom(self, call: CustomCall, media: MediaSet, clock: StageClock) -> _Done:
        clock(ProgressEvent("tool", 0, 1, call.tool))
        made, text = self._custom[call.tool].run(call, media)
        clock(ProgressEvent("tool", 1, 1, call.tool))
        granted = GrantedCustom(output="custom", tool=call.tool, num_outputs=len(made))
        return _Done(call, granted, Output(made, text), (), clock.timings())

    def _check_connectors(self, granted: Sequence[GrantedTask | None]) -> None:
        """Check that the tools that carry out a plan have a connector to switch off.

        Raises:
            RequestError: None has one.
        """
        tools = [self._bindings.tool(one.tool) for one in granted if one is not None]
        if any(isinstance(tool, ConnectedTool) and tool.spec.connector for tool in tools):
            return
        named = ", ".join(sorted({tool.spec.name for tool in tools})) or "no tool of a pack"
        msg = f"There is no connector to switch off: the plan is carried out by {named}."
        raise RequestError(msg, hint="Name one in the tool pack, under [tools.connector].")

    def _steps(
        self, plan: Plan, media: MediaSet, done: list[_Done], *, connector: bool
    ) -> tuple[StepResult, ...]:
        granted = tuple(step.granted for step in done)
        also = self._bindings.packs_of([one.tool for one in granted])
        results: list[StepResult] = []
        for number, step in enumerate(done, start=1):
            artifacts: list[Artifact] = []
            for index, medium in enumerate(step.output.media, start=1):
                record = Record.of(
                    plan=plan,
                    granted=granted,
                    profile=self.profile,
                    also=also,
                    weights=step.weights,
                    media=media,
                    step=number,
                    index=index,
                    without_connector=not connector,
                )
                artifacts.append(Artifact(record.handle, medium, record))
            results.append(
                StepResult(
                    step.call,
                    step.granted,
                    tuple(artifacts),
                    step.output.text,
                    (*unused_notes(plan), *step.output.notes) if number == 1 else step.output.notes,
                    step.timings,
                    step.output.kept_db,
                    step.output.previews,
                )
            )
        return tuple(results)


def _check_output(output: Output, granted: GrantedTask) -> None:
    """Compare what a tool made with what was granted.

    Raises:
        GenerationError: They differ.
    """
    if isinstance(granted, GrantedAnswer):
        if output.text is None:
            raise GenerationError(f"{granted.tool} gave no answer.")
        return
    if len(output.media) != granted.num_outputs:
        msg = f"{granted.tool} made {len(output.media)} outputs, granted {granted.num_outputs}."
        raise GenerationError(msg)
    expected = f"{granted.output} {granted.width}x{granted.height}"
    if isinstance(granted, GrantedVideo):
        expected += f" of {granted.num_frames} frames at {granted.fps:g} fps"
    for medium in output.media:
        made = f"{medium.kind} {medium.width}x{medium.height}"
        if isinstance(medium, Video):
            made += f" of {medium.num_frames} frames at {medium.fps:g} fps"
        if made != expected:
            raise GenerationError(f"{granted.tool} made a {made}, granted was a {expected}.")
