"""Unison: the object a user holds. It plans and runs; what it holds is handed in, or named by a profile."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, get_args

from unison_agent.artifacts import ArtifactStore
from unison_agent.custom.tool import CustomTool
from unison_agent.errors import RequestError
from unison_agent.forecast import Forecast, forecast
from unison_agent.functions import FunctionCalling
from unison_agent.media import MediaSet, MediaSource
from unison_agent.opening import LazyPlanner, load_understanding, open_planner, open_tools
from unison_agent.packs import load_pack
from unison_agent.pipelines.budget import LoadedModels, MemoryBudget
from unison_agent.planned import Planned
from unison_agent.planning.planner import ask_if_unsure, make_request
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.result import Result, Timings
from unison_agent.router import Lazy, Router, StageClock
from unison_agent.session import Session
from unison_agent.specs import ToolSpec
from unison_agent.tasks import Mode, Plan, Request

if TYPE_CHECKING:
    from unison_agent.planning.outlines_writer import OutlinesModel


class Plans(Protocol):
    """Whoever turns requests into plans; a Planner."""

    def plan(self, request: Request) -> Plan:
        """Return the plan that the request means."""
        ...

    def plan_batch(self, requests: Sequence[Request]) -> list[Plan]:
        """Return the plans of several requests, in order."""
        ...


class Unison(FunctionCalling):
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
        super().__init__(artifacts)
        self._memory = memory or MemoryBudget()
        self._planner = planner
        self._router = router
        self._load = load
        self._progress = progress

    @classmethod
    def from_pretrained(
        cls,
        profile: str | Path = "nano",
        *,
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
            PackError: The tool pack is wrong.
            ToolError: Two of the tools have the same name, or the profile's planner can call none.
            WeightsError: There is no file `connector`.
            MachineError: The memory budget is no number above 0.
            MissingDependencyError: `planner` was given, and outlines is not installed.
        """
        pack = load_pack(profile)
        load = partial(load_understanding, pack.understanding, device=device, tools=tools)
        understanding = Lazy(load)
        memory = MemoryBudget.of(memory_budget_gb, pack.memory_budget_gb)
        made = open_tools(
            pack, understanding, device, None if connector is None else Path(connector), memory
        )
        router = Router(made, custom=tools, profile=pack.profile)
        if planner is not None:
            from unison_agent.planning.outlines_writer import OutlinesPlanner

            own = OutlinesPlanner(planner, tools)
            return cls(own, router, progress=progress, memory=memory)
        planning = open_planner(pack.understanding, understanding, tools)
        planner_ = LazyPlanner(planning)
        return cls(planner_, router, load=planning, progress=progress, memory=memory)

    @property
    def profile(self) -> str:
        """The name of the profile."""
        return self._router.profile

    @property
    def loaded(self) -> tuple[LoadedModels, ...]:
        """The pipelines that are loaded and what their weights take, the one not used for longest first."""
        return self._memory.loaded

    def _specs(self) -> tuple[ToolSpec, ...]:
        return self._router.tools

    def custom_tools(self) -> tuple[CustomTool, ...]:
        """Return your own tools."""
        return self._router.custom

    def plan(
        self,
        text: str,
        media: "Sequence[MediaSource] | MediaSet" = (),
        *,
        min_confidence: float | None = None,
        progress: Progress | None = None,
    ) -> Planned:
        """Find out what a request would do, without doing it; no pipeline is loaded.

        Args:
            text: What you want, in your words.
            media: What it is about: paths, bytes, pictures; `MediaSet.of_kinds` is enough to plan.
            min_confidence: A plan that is less sure asks whether it is meant: `missing` holds the question,
                `plan.unsure` what was understood, and `confirmed()` is the plan of a yes.
            progress: Told of loading and planning.

        Raises:
            RequestError: The text is empty, too long, or no text; or the planner has no calibration to hold
                `min_confidence` against.
            MediaError: An attachment cannot be used.
            PlanningError: The understanding model wrote no usable plan.
        """
        attached = MediaSet.of(media)
        request = make_request(text, attached.attachments)
        clock = self._ready(progress)
        clock(ProgressEvent("plan", 0, 1))
        plan = ask_if_unsure(self._planner.plan(request), min_confidence)
        clock(ProgressEvent("plan", 1, 1))
        return Planned(plan, attached, clock.timings())

    def plan_batch(
        self,
        texts: Sequence[str],
        media: "Sequence[Sequence[MediaSource] | MediaSet]" = (),
        *,
        min_confidence: float | None = None,
        progress: Progress | None = None,
    ) -> list[Planned]:
        """Plan several requests at once, which is quicker than one after the other.

        Args:
            texts: What you want, one text a request.
            media: What each is about, in the order of the texts; nothing is attached when left out.
            min_confidence: As for `plan`.
            progress: Told of loading and planning.

        Returns:
            One plan a request; each is said to have taken its share of the time.

        Raises:
            RequestError: As for `plan`, or there are not as many media as texts.
            MediaError: An attachment cannot be used.
            PlanningError: The understanding model wrote no usable plan for one of them.
        """
        if isinstance(texts, str) or (media and len(media) != len(texts)):
            got = "one text" if isinstance(texts, str) else f"{len(texts)} texts"
            msg = f"A batch is a sequence of texts with as many lists of media, got {got}"
            raise RequestError(
                f"{msg} and {len(media)} lists of media.", hint="Write [...] around it."
            )
        attached = [MediaSet.of(one) for one in media or [()] * len(texts)]
        requests = [
            make_request(text, one.attachments) for text, one in zip(texts, attached, strict=True)
        ]
        clock = self._ready(progress)
        clock(ProgressEvent("plan", 0, len(requests)))
        plans = [ask_if_unsure(plan, min_confidence) for plan in self._planner.plan_batch(requests)]
        clock(ProgressEvent("plan", len(requests), len(requests)))
        spent: tuple[float, ...] = astuple(clock.timings())
        share = Timings(*(seconds / max(1, len(plans)) for seconds in spent))
        return [Planned(plan, one, share) for plan, one in zip(plans, attached, strict=True)]

    def _ready(self, progress: Progress | None) -> StageClock:
        """Load what the planner needs and return the clock that goes on running."""
        clock = StageClock(progress or self._progress)
        if self._load is not None:
            self._load(clock)
        return clock

    def run(
        self,
        request: str | Planned | Plan,
        media: "Sequence[MediaSource] | MediaSet" = (),
        *,
        mode: Mode = "nearest",
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Carry out a request, or a plan made before.

        Args:
            request: Your words, what `plan` gave, or a plan of your own.
            media: What it is about; what was planned with when left out.
            mode: ``"nearest"`` does what is possible and says what it changed, ``"strict"`` refuses,
                ``"ask"`` refuses with a question.
            seed: Where the request states none; 0 when left out, so that a run can be repeated.
            progress: Told of every unit of work; raise RunCancelledError in it to stop.

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
        result = self._run(request, MediaSet.of(media), mode=mode, seed=seed, progress=progress)
        self.artifacts.keep_outputs(result)
        return result

    def _run(
        self,
        request: str | Planned | Plan,
        media: MediaSet,
        *,
        mode: Mode,
        seed: int | None,
        progress: Progress | None,
    ) -> Result:
        if mode not in get_args(Mode):
            msg = f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}."
            raise RequestError(msg)
        listener = progress or self._progress
        planned = self._as_planned(request, media, listener)
        result = self._router.run(
            planned.plan, planned.media, progress=listener, mode=mode, seed=seed or 0
        )
        return Result(result.plan, result.steps, planned.timings + result.timings)

    def _as_planned(
        self, request: str | Planned | Plan, media: MediaSet, progress: Progress | None
    ) -> Planned:
        match request:
            case Plan():
                return Planned(request, media)
            case Planned():
                return replace(request, media=media) if len(media) else request
            case _:
                return self.plan(request, media, progress=progress)

    def dry_run(
        self,
        request: str | Planned | Plan,
        media: "Sequence[MediaSource] | MediaSet" = (),
        *,
        mode: Mode = "nearest",
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> Forecast:
        """Say what a request would be carried out as, and what that would cost; no pipeline is loaded.

        Args:
            request: As for `run`.
            media: As for `run`; sizes count, so `MediaSet.of_kinds` is enough only where nothing is made from one.
            mode: As for `run`.
            seed: As for `run`.
            progress: Told of loading and planning.

        Raises:
            UnisonError: As `run` raises before anything is made.
        """
        planned = self._as_planned(request, MediaSet.of(media), progress)
        granted = self._router.grants(planned.plan, planned.media, mode=mode, seed=seed or 0)
        return forecast(planned.plan, granted, self._router.tools)

    def session(self) -> Session:
        """Return a session: turns about the same pictures, where "now make it blue" is understood."""
        return Session(
            self.plan,
            self._run,
            artifacts=self.artifacts,
            specs=self.tools(),
            custom=self.custom_tools(),
        )
