"""The calls of `Unison` that plan: from words and media to what would be done; they run nothing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, replace
from typing import Protocol, runtime_checkable

from unison_agent.custom.tool import CustomTool
from unison_agent.errors import RequestError
from unison_agent.media import MediaSet, MediaSource
from unison_agent.planned import Planned
from unison_agent.planning.planner import ask_if_unsure, check_min_confidence, make_request
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.result import Timings
from unison_agent.router import StageClock
from unison_agent.tasks import Plan, Request


class Plans(Protocol):
    """Whoever turns requests into plans; a Planner."""

    def plan(self, request: Request) -> Plan:
        """Return the plan that the request means."""
        ...

    def plan_batch(self, requests: Sequence[Request]) -> list[Plan]:
        """Return the plans of several requests, in order."""
        ...


@runtime_checkable
class TakesTools(Plans, Protocol):
    """A planner that custom tools can be added to."""

    def with_tools(self, tools: Sequence[CustomTool]) -> Plans:
        """Return a planner that can plan them too."""
        ...


class PlanCalls:
    """Plans requests.

    Args:
        planner: Turns requests into plans.
        load: Loads what the planner needs; called before each planning, and tells how far it is.
        progress: Listens where a call names no listener of its own.
    """

    def __init__(
        self,
        planner: Plans,
        *,
        load: Callable[[Progress], object] | None = None,
        progress: Progress = silent,
    ) -> None:
        self._planner = planner
        self._load = load
        self._progress = progress

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
        check_min_confidence(min_confidence)
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
        one_set = isinstance(media, MediaSet)
        if isinstance(texts, str) or one_set or (media and len(media) != len(texts)):
            got = "one text" if isinstance(texts, str) else f"{len(texts)} texts"
            lists = "one set" if one_set else f"{len(media)} lists"
            msg = f"A batch is a sequence of texts with as many lists of media, got {got}"
            raise RequestError(f"{msg} and {lists} of media.", hint="Write [...] around it.")
        check_min_confidence(min_confidence)
        attached = [MediaSet.of(one) for one in media or [()] * len(texts)]
        requests = list(_requests(texts, attached))
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


def _requests(texts: Sequence[str], attached: Sequence[MediaSet]) -> Iterator[Request]:
    """Yield the requests of a batch; what is wrong with one names its number."""
    for number, (text, media) in enumerate(zip(texts, attached, strict=True), start=1):
        try:
            yield make_request(text, media.attachments)
        except RequestError as error:
            msg = f"Request {number} of {len(texts)}: {error.message}"
            raise RequestError(msg, hint=error.hint) from error
