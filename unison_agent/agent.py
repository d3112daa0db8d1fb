"""Unison: the object a user holds. It plans and runs; what it holds is handed in, or named by a profile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, get_args

from pydantic import ValidationError

from unison_agent.errors import RequestError, WeightsError
from unison_agent.media import MediaSet, MediaSource
from unison_agent.packs import load_pack
from unison_agent.pipelines import PipelineStore
from unison_agent.planner import Planner
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.result import Result, Timings
from unison_agent.router import AnswerTool, GenerationTool, Lazy, Router, StageClock, Tool
from unison_agent.specs import Pack, ToolSpec, UnderstandingSpec
from unison_agent.tasks import Attachment, MissingInput, Mode, Plan, Request, TaskCall
from unison_agent.weights import cache_dir

if TYPE_CHECKING:
    from unison_agent.vlm import UnderstandingModel

_SHIPPED = Path(__file__).parent


class Plans(Protocol):
    """Whoever turns requests into plans; a Planner."""

    def plan(self, request: Request) -> Plan:
        """Return the plan that the request means."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class Planned:
    """A plan with the media it is about, to be looked at and then run.

    Attributes:
        plan: What will be done.
        media: What its handles stand for.
        timings: What planning took.
    """

    plan: Plan
    media: MediaSet
    timings: Timings = field(default_factory=Timings)

    @property
    def steps(self) -> tuple[TaskCall, ...]:
        """The calls, in order; none when something is missing."""
        return self.plan.steps

    @property
    def missing(self) -> MissingInput | None:
        """What must be attached or said first."""
        return self.plan.missing

    @property
    def confidence(self) -> float | None:
        """How sure the planner is, 0 to 1; None when it does not say."""
        return self.plan.confidence

    def to_json(self) -> str:
        """Return the plan as JSON, without what is unstated."""
        return self.plan.model_dump_json(indent=2, exclude_none=True)

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        del include, exclude
        return {"text/plain": repr(self)}

    def _lines(self) -> list[str]:
        if self.missing is not None:
            return [f"missing {self.missing.slot}: {self.missing.question}"]
        lines: list[str] = []
        for number, call in enumerate(self.steps, start=1):
            stated = call.model_dump(mode="json", exclude_none=True, exclude={"task"})
            values = ", ".join(f"{field}={value!r}" for field, value in stated.items())
            lines.append(f"step_{number}: {call.task}({values})")
        return lines


class Unison:
    """Text and media in; pictures, clips and answers out. Safe to call from threads.

    Args:
        planner: Turns requests into plans.
        router: Runs plans.
        load: Loads what the planner needs; called before each planning, and tells how far it is.
        progress: Listens where a call names no listener of its own.
    """

    def __init__(
        self,
        planner: Plans,
        router: Router,
        *,
        load: Callable[[Progress], object] | None = None,
        progress: Progress = silent,
    ) -> None:
        self._planner = planner
        self._router = router
        self._load = load
        self._progress = progress

    @classmethod
    def from_pretrained(
        cls,
        profile: str | Path = "nano",
        *,
        device: str | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Return the agent of a profile. Its models are fetched and loaded when they are first needed.

        Args:
            profile: The name of a profile that ships with the library, or the path of a tool pack.
            device: Where pipelines run, e.g. ``"cpu"``; CUDA when there is one by default.
            progress: Listens where a call names no listener of its own.

        Raises:
            UnknownProfileError: There is no such profile.
            PackError: The tool pack is wrong.
        """
        pack = load_pack(profile)
        understanding = Lazy(lambda listener: _load_understanding(pack.understanding, listener))
        tools = _tools(pack, understanding, device)
        planner = Planner(_Writer(understanding))
        router = Router(tools, profile=pack.profile)
        return cls(planner, router, load=understanding, progress=progress)

    @property
    def profile(self) -> str:
        """The name of the profile."""
        return self._router.profile

    def tools(self) -> tuple[ToolSpec, ...]:
        """Return what can be done: the tools with their tasks, limits and defaults."""
        return self._router.tools

    def plan(
        self,
        text: str,
        media: "Sequence[MediaSource] | MediaSet" = (),
        *,
        progress: Progress | None = None,
    ) -> Planned:
        """Find out what a request would do, without doing it; no pipeline is loaded.

        Args:
            text: What you want, in your words.
            media: What it is about: paths, bytes, pictures; `MediaSet.of_kinds` is enough to plan.
            progress: Told of loading and planning.

        Raises:
            RequestError: The text is empty, too long, or no text.
            MediaError: An attachment cannot be used.
            PlanningError: The understanding model wrote no usable plan.
        """
        attached = MediaSet.of(media)
        request = _request(text, attached)
        clock = StageClock(progress or self._progress)
        if self._load is not None:
            self._load(clock)
        clock(ProgressEvent("plan", 0, 1))
        plan = self._planner.plan(request)
        clock(ProgressEvent("plan", 1, 1))
        return Planned(plan, attached, clock.timings())

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
        if mode not in get_args(Mode):
            msg = f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}."
            raise RequestError(msg)
        listener = progress or self._progress
        attached = MediaSet.of(media)
        match request:
            case Plan():
                planned = Planned(request, attached)
            case Planned():
                planned = replace(request, media=attached) if len(attached) else request
            case _:
                planned = self.plan(request, attached, progress=listener)
        result = self._router.run(
            planned.plan, planned.media, progress=listener, mode=mode, seed=seed or 0
        )
        return Result(result.plan, result.steps, planned.timings + result.timings)


class _Writer:
    """The understanding model as the planner's writer, loaded at first need."""

    def __init__(self, understanding: "Lazy[UnderstandingModel]") -> None:
        self._understanding = understanding

    def write(self, prompt: str, grammar: str, *, max_new_tokens: int) -> str:
        return self._understanding().write(prompt, grammar, max_new_tokens=max_new_tokens)


def _tools(
    pack: Pack, understanding: "Lazy[UnderstandingModel]", device: str | None
) -> tuple[Tool, ...]:
    pipelines = PipelineStore(device=device)
    folder = _weights_folder(pack.understanding)
    tools: list[Tool] = []
    for spec in pack.tools:
        match spec.adapter:
            case "answer":
                tools.append(AnswerTool(spec, understanding))
            case "video":
                tools.append(
                    GenerationTool(
                        spec,
                        pipelines=pipelines,
                        understanding=understanding,
                        weights_folder=folder,
                    )
                )
    return tuple(tools)


def _weights_folder(spec: UnderstandingSpec) -> Path:
    """Return where what is trained lies: what ships is in the package, all else in the cache."""
    return _SHIPPED / spec.weights if spec.source == "nano" else cache_dir() / spec.weights


def _load_understanding(spec: UnderstandingSpec, progress: Progress) -> "UnderstandingModel":
    if spec.source == "hub":
        msg = f"The understanding model {spec.repo} comes from the hub, which cannot be loaded yet."
        raise WeightsError(msg, hint="Use the profile 'nano'.")
    from unison_agent.vlm import UnderstandingModel

    return UnderstandingModel.load_nano(
        _weights_folder(spec), layer=spec.layer, dtype=spec.dtype, progress=progress
    )


def _request(text: str, media: MediaSet) -> Request:
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - users are untyped
        msg = f"A request is text, got {type(text).__name__}."
        raise RequestError(msg, hint="Say in words what you want; media go into media=[...].")
    if not text.strip():
        msg = "The request has no words."
        raise RequestError(msg, hint="Say what to make, change or answer.")
    attachments = tuple(Attachment(handle=handle, kind=kind) for handle, kind in media.attachments)
    try:
        return Request(text=text, attachments=attachments)
    except ValidationError as error:
        msg = f"The request has {len(text)} characters; at most 8192 are read."
        raise RequestError(msg, hint="Shorten it.") from error
