"""Unison: the object a user holds. It plans and runs; what it holds is handed in, or named by a profile."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from unison_agent.artifacts import ArtifactStore
from unison_agent.custom.tool import CustomTool
from unison_agent.errors import ToolError
from unison_agent.forecast import Forecast, forecast
from unison_agent.functions import FunctionCalling
from unison_agent.media import MediaSet, MediaSource
from unison_agent.negotiate import check_values
from unison_agent.open_packs import open_packs
from unison_agent.opening import LazyPlanner, open_planner
from unison_agent.pipelines.budget import LoadedModels, MemoryBudget
from unison_agent.plan_calls import PlanCalls, Plans, TakesTools
from unison_agent.planned import Planned
from unison_agent.progress import Progress, silent
from unison_agent.result import Result
from unison_agent.router import Named, Router
from unison_agent.session import Session
from unison_agent.specs import ToolSpec
from unison_agent.streaming import AnswerStream
from unison_agent.tasks import Mode, Plan

if TYPE_CHECKING:
    from unison_agent.planning.outlines_writer import OutlinesModel


class Unison(PlanCalls, FunctionCalling):
    """Text and media in; pictures, clips and answers out. Safe to call from threads.

    Args:
        planner: Turns requests into plans.
        router: Runs plans.
        load: Loads what the planner needs; called before each planning, and tells how far it is.
        progress: Listens where a call names no listener of its own.
        artifacts: Where what is made is kept for later calls; a store of its own when left out.
        memory: What the tools' pipelines are counted in.
    """

    def __init__(
        self,
        planner: Plans,
        router: Router,
        *,
        load: Callable[[Progress], object] | None = None,
        progress: Progress = silent,
        artifacts: ArtifactStore | None = None,
        memory: MemoryBudget | None = None,
    ) -> None:
        PlanCalls.__init__(self, planner, load=load, progress=progress)
        FunctionCalling.__init__(self, artifacts)
        self._memory = memory or MemoryBudget()
        self._router = router

    @classmethod
    def from_pretrained(
        cls,
        profile: str | Path = "nano",
        *,
        also: str | Path | Sequence[str | Path] = (),
        tools: Sequence[CustomTool] = (),
        planner: "OutlinesModel | None" = None,
        connector: str | Path | None = None,
        device: str | None = None,
        memory_budget_gb: float | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Return the agent of a profile. Its models are fetched and loaded when they are first needed.

        Args:
            profile: The name of a profile that ships with the library, or the path of a tool pack.
            also: More of them, whose tools serve beside those of `profile`, which alone plans. Of several tools for a
                task the one is chosen that can do what is asked with the fewest changes, or else the quickest.
            tools: Tools of your own that requests can be routed to; see `custom_tool`.
            planner: A model of outlines that plans in place of the profile's, e.g. what
                ``outlines.from_openai`` returns; its plans have no confidence.
            connector: A file that you trained, in place of the profile's connector.
            device: Where all but nano's understanding model runs, e.g. ``"cpu"``; CUDA when there is one.
            memory_budget_gb: What the weights of all loaded pipelines may take, 10^9 bytes each; the one not
                used for longest is released when they would take more. By default
                ``UNISON_AGENT_MEMORY_BUDGET_GB``, else what the tool pack says, else no limit.
            progress: Listens where a call names no listener of its own.

        Raises:
            UnknownProfileError: There is no such profile.
            PackError: A tool pack is wrong, or two of them do not go together.
            ToolError: Two of the tools have the same name, or the profile's planner can call none.
            WeightsError: There is no file `connector`.
            MachineError: The memory budget is no number above 0.
            MissingDependencyError: `planner` was given, and outlines is not installed.
        """
        opened = open_packs(
            profile,
            also,
            device=device,
            connector=connector,
            tools=tools,
            memory_budget_gb=memory_budget_gb,
        )
        router, memory = opened.router, opened.memory
        if planner is not None:
            from unison_agent.planning.outlines_writer import OutlinesPlanner

            own = OutlinesPlanner(planner, tools)
            return cls(own, router, progress=progress, memory=memory)
        planning = open_planner(opened.pack.understanding, opened.understanding, tools)
        planner_ = LazyPlanner(planning, opened.pack.understanding)
        return cls(planner_, router, load=planning, progress=progress, memory=memory)

    def with_tools(self, tools: Sequence[CustomTool]) -> "Unison":
        """Return an agent with more tools of your own; models, pipelines and artifacts are shared with this one.

        A model that was told how to plan when it was loaded reads of them in the request alone.

        Raises:
            ToolError: Two of all tools have the same name, or the planner can call none.
        """
        router, planner = self._router.with_tools(tools), self._planner
        if not isinstance(planner, TakesTools):
            msg = f"{type(planner).__name__} cannot be given tools: it has no with_tools."
            raise ToolError(
                msg, hint="Give them to the planner and to the router where you make them."
            )
        return Unison(
            planner.with_tools(tools),
            router,
            load=self._load,
            progress=self._progress,
            artifacts=self.artifacts,
            memory=self._memory,
        )

    @property
    def profile(self) -> str:
        """The name of the profile."""
        return self._router.profile

    @property
    def packs(self) -> tuple[str, ...]:
        """The names of the profile and of the packs whose tools serve beside its own."""
        return self._router.packs

    @property
    def loaded(self) -> tuple[LoadedModels, ...]:
        """The pipelines that are loaded and what their weights take, the one not used for longest first."""
        return self._memory.loaded

    def _specs(self) -> tuple[ToolSpec, ...]:
        return self._router.tools

    def check_named(self, tool: str) -> None:
        """Check that a tool or a pack has that name, where nothing is run that would say so.

        Raises:
            RequestError: None has.
        """
        self._router.check_named(tool)

    def custom_tools(self) -> tuple[CustomTool, ...]:
        """Return your own tools."""
        return self._router.custom

    def run(
        self,
        request: str | Planned | Plan,
        media: "Sequence[MediaSource] | MediaSet" = (),
        *,
        mode: Mode = "nearest",
        seed: int | None = None,
        tool: Named = None,
        max_new_tokens: int | None = None,
        connector: bool = True,
        progress: Progress | None = None,
    ) -> Result:
        """Carry out a request, or a plan made before.

        Args:
            request: Your words, what `plan` gave, or a plan of your own.
            media: What it is about; what was planned with when left out.
            mode: ``"nearest"`` does what is possible and says what it changed, ``"strict"`` refuses,
                ``"ask"`` refuses with a question.
            seed: Where the request states none; 0 when left out, so that a run can be repeated.
            tool: Where there are several packs: the tool or pack that does it, or the tool of each step.
            max_new_tokens: Where an answer is cut; as the tool pack says when left out.
            connector: False switches the connector off, to see what it does; notes say what read the prompt.
            progress: Told of every unit of work, and of an answer's words as they come; raise RunCancelledError in it to stop.

        Raises:
            MissingInputError: Something must be attached or said first; it carries a question.
            RequestError: The request cannot be carried out as it stands.
            MediaError: An attachment cannot be used.
            NegotiationError: A stated value would have to change, and `mode` forbids it.
            PlanningError: The understanding model wrote no usable plan.
            WeightsError: Weights are missing or damaged, or could not be fetched.
            GenerationError: A model failed, or made something else than was granted.
            RunCancelledError: Raised by `progress`.
        """
        result = self._run(
            request,
            MediaSet.of(media),
            mode=mode,
            seed=seed,
            tool=tool,
            max_new_tokens=max_new_tokens,
            connector=connector,
            progress=progress,
        )
        self.artifacts.keep_outputs(result)
        return result

    def stream(
        self,
        request: str | Planned | Plan,
        media: "Sequence[MediaSource] | MediaSet" = (),
        *,
        mode: Mode = "nearest",
        seed: int | None = None,
        tool: Named = None,
        max_new_tokens: int | None = None,
        connector: bool = True,
        progress: Progress | None = None,
    ) -> AnswerStream:
        """Carry out a request as `run` does, and give its answer piece by piece as it is written.

        Arguments are those of `run`, and so is what the stream raises. It starts when it is first read.
        """
        run = partial(
            self.run,
            request,
            media,
            mode=mode,
            seed=seed,
            tool=tool,
            max_new_tokens=max_new_tokens,
            connector=connector,
        )
        return AnswerStream(run, progress or self._progress)

    def _run(
        self,
        request: str | Planned | Plan,
        media: MediaSet,
        *,
        mode: Mode,
        seed: int | None,
        progress: Progress | None,
        tool: Named = None,
        max_new_tokens: int | None = None,
        connector: bool = True,
    ) -> Result:
        check_values(mode, seed, max_new_tokens)
        listener = progress or self._progress
        planned = self._as_planned(request, media, listener)
        result = self._router.run(
            planned.plan,
            planned.media,
            progress=listener,
            mode=mode,
            seed=seed or 0,
            tool=tool,
            max_new_tokens=max_new_tokens,
            connector=connector,
        )
        if isinstance(request, Plan):  # no time went into it here
            return result
        return Result(result.plan, result.steps, planned.timings + result.timings)

    def dry_run(
        self,
        request: str | Planned | Plan,
        media: "Sequence[MediaSource] | MediaSet" = (),
        *,
        mode: Mode = "nearest",
        seed: int | None = None,
        tool: Named = None,
        progress: Progress | None = None,
    ) -> Forecast:
        """Say what a request would be carried out as, and what that would cost; no pipeline is loaded.

        Args:
            request: As for `run`.
            media: As for `run`; sizes count, so `MediaSet.of_kinds` is enough only where nothing is made from one.
            mode: As for `run`.
            seed: As for `run`.
            tool: As for `run`.
            progress: Told of loading and planning.

        Raises:
            UnisonError: As `run` raises before anything is made.
        """
        check_values(mode, seed)
        planned = self._as_planned(request, MediaSet.of(media), progress)
        granted = self._router.grants(
            planned.plan, planned.media, mode=mode, seed=seed or 0, tool=tool
        )
        switches = {spec.name: spec.switched for spec in self.tools()}
        return forecast(planned.plan, granted, switches=switches)

    def session(self) -> Session:
        """Return a session: turns about the same pictures, where "now make it blue" is understood."""
        return Session(
            self.plan,
            self._run,
            artifacts=self.artifacts,
            specs=self.tools(),
            custom=self.custom_tools(),
        )
