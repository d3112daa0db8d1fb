"""Runs the steps of a plan, each on the tool that serves its task; it plans nothing and loads nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from time import perf_counter

from unison_agent.adapters import Output
from unison_agent.custom.tool import CustomTool, check_names
from unison_agent.errors import GenerationError, PackError, RequestError
from unison_agent.media import MediaSet, Video
from unison_agent.negotiate import negotiate
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.replay import Record, WeightHash
from unison_agent.result import Artifact, Result, StepResult, Timings
from unison_agent.router.clock import StageClock
from unison_agent.router.granting import grants
from unison_agent.router.roles import basis, check_plan, edited_by_words
from unison_agent.router.tools import GenerationTool, Tool
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
    Task,
    TaskCall,
)


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

    Raises:
        PackError: Two tools serve the same task.
        ToolError: Two custom tools have the same name.
    """

    def __init__(
        self, tools: Iterable[Tool], *, custom: Iterable[CustomTool] = (), profile: str = "custom"
    ) -> None:
        self.profile = profile
        self._custom = {tool.name: tool for tool in check_names(custom)}
        self._tools = tuple(tools)
        self._serving: dict[Task, Tool] = {}
        for tool in self._tools:
            for task in tool.spec.tasks:
                if task in self._serving:
                    first = self._serving[task].spec.name
                    msg = f"{task} is served by {first!r} and by {tool.spec.name!r}."
                    raise PackError(msg, file=profile, key="tools", hint="Keep one of them.")
                self._serving[task] = tool

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """What the tools can do."""
        return tuple(tool.spec for tool in self._tools)

    @property
    def custom(self) -> tuple[CustomTool, ...]:
        """The custom tools."""
        return tuple(self._custom.values())

    def run(
        self,
        plan: Plan,
        media: MediaSet,
        *,
        progress: Progress = silent,
        mode: Mode = "nearest",
        seed: int = 0,
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
        check_plan(plan, media, self._custom, by_words=edited_by_words(self.tools))
        tools: dict[Task, Tool] = {
            c.task: self._tool(c.task) for c in plan.steps if not isinstance(c, CustomCall)
        }
        if not connector:
            tools = _without_connector(tools)
        start = perf_counter()
        done: list[_Done] = []
        available = media
        for number, call in enumerate(plan.steps, start=1):
            if isinstance(call, CustomCall):
                step = self._run_custom(call, available, StageClock(progress))
            else:
                granted = self._grant(call, available, mode, seed, max_new_tokens)
                clock = StageClock(progress)
                step = self._run_task(call, tools[call.task], granted, available, clock)
            done.append(step)
            for index, medium in enumerate(step.output.media, start=1):
                handle = f"step_{number}" if index == 1 else f"step_{number}_{index}"
                available = available.with_step(handle, medium)
        steps = self._steps(plan, media, done, connector=connector)
        timings = sum((step.timings for step in steps), start=Timings())
        return Result(plan, steps, replace(timings, total_seconds=perf_counter() - start))

    def grants(
        self, plan: Plan, media: MediaSet, *, mode: Mode = "nearest", seed: int = 0
    ) -> tuple[GrantedTask | None, ...]:
        """Return what each step would be granted, with nothing loaded; see `granting.grants`.

        Raises:
            MissingInputError: The plan lacks something, e.g. a mask.
            RequestError: A step's media or task do not fit.
            NegotiationError: A value would have to change, and `mode` forbids it.
        """
        tasks: list[Task] = [c.task for c in plan.steps if not isinstance(c, CustomCall)]
        serving: dict[Task, ToolSpec] = {task: self._tool(task).spec for task in tasks}
        return grants(plan, media, serving, self._custom, mode=mode, seed=seed)

    def _grant(
        self, call: TaskCall, media: MediaSet, mode: Mode, seed: int, max_new_tokens: int | None
    ) -> GrantedTask:
        return negotiate(
            call,
            self._tool(call.task).spec,
            mode=mode,
            basis=basis(call, media),
            default_seed=seed,
            max_new_tokens=max_new_tokens,
        )

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

    def _tool(self, task: Task) -> Tool:
        if task not in self._serving:
            known = ", ".join(sorted(self._serving)) or "nothing"
            msg = f"No tool of {self.profile!r} serves {task}."
            raise RequestError(msg, hint=f"It serves {known}.")
        return self._serving[task]

    def _steps(
        self, plan: Plan, media: MediaSet, done: list[_Done], *, connector: bool
    ) -> tuple[StepResult, ...]:
        granted = tuple(step.granted for step in done)
        results: list[StepResult] = []
        for number, step in enumerate(done, start=1):
            artifacts: list[Artifact] = []
            for index, medium in enumerate(step.output.media, start=1):
                record = Record.of(
                    plan=plan,
                    granted=granted,
                    profile=self.profile,
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
                    step.output.notes,
                    step.timings,
                    step.output.kept_db,
                    step.output.previews,
                )
            )
        return tuple(results)


def _without_connector(tools: dict[Task, Tool]) -> dict[Task, Tool]:
    """Return the tools with their connectors off.

    Raises:
        RequestError: None has one.
    """
    if not any(isinstance(t, GenerationTool) and t.spec.connector for t in tools.values()):
        named = (
            ", ".join(sorted({tool.spec.name for tool in tools.values()})) or "no tool of a pack"
        )
        msg = f"There is no connector to switch off: the plan is carried out by {named}."
        raise RequestError(msg, hint="Only tools with the adapter 'video' have one.")
    return {
        task: tool.without_connector() if isinstance(tool, GenerationTool) else tool
        for task, tool in tools.items()
    }


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
        expected += f" of {granted.num_frames} frames"
    for medium in output.media:
        made = f"{medium.kind} {medium.width}x{medium.height}"
        if isinstance(medium, Video):
            made += f" of {medium.num_frames} frames"
        if made != expected:
            raise GenerationError(f"{granted.tool} made a {made}, granted was a {expected}.")
