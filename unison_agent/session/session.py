"""Session: several turns of a talk about pictures; it plans and runs with what it is given.

A turn without attachments gets what the session has seen when its words point back (see `pointing`), or when
its plan would miss a medium: what it names by number or kind, or else the latest.
"""

import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from typing import Protocol

from pydantic import Field

from unison_agent.artifacts import ArtifactInfo, ArtifactStore, handle_of
from unison_agent.custom.fields import names_medium
from unison_agent.custom.tool import CustomTool
from unison_agent.functions import FunctionCalling
from unison_agent.media import MediaSet, MediaSource, Medium
from unison_agent.planned import Planned
from unison_agent.progress import Progress
from unison_agent.result import Result
from unison_agent.router import Named
from unison_agent.session.pointing import Seen, pointed_at, points_back
from unison_agent.specs import ToolSpec
from unison_agent.tasks import Mode, Plan, Wire

_MEDIA_SLOTS = ("source", "control", "references", "first_frame", "last_frame")


class Turn(Wire):
    """What one turn did."""

    plan: Plan
    offered: tuple[str, ...] = Field(
        default=(), description="Handles of what the session attached by itself."
    )
    outputs: tuple[ArtifactInfo, ...] = ()
    answer: str | None = None

    @property
    def text(self) -> str:
        """What was said."""
        return self.plan.request.text


class Plans(Protocol):
    """Plans a request; `Unison.plan`."""

    def __call__(self, text: str, media: MediaSet, *, progress: Progress | None = None) -> Planned:
        """Return what a request would do."""
        ...


class Runs(Protocol):
    """Runs a plan with its media."""

    def __call__(
        self,
        request: str | Planned | Plan,
        media: MediaSet,
        *,
        mode: Mode,
        seed: int | None,
        progress: Progress | None,
        tool: Named = None,
        max_new_tokens: int | None = None,
    ) -> Result:
        """Return what it gave."""
        ...


class Session(FunctionCalling):
    """Several turns about the same pictures and clips; made by `Unison.session`.

    What it makes is kept in the agent's store under handles that no other session may use.

    Args:
        plan: Plans requests.
        run: Runs plans.
        artifacts: The agent's store.
        specs: The agent's tools.
        custom: The agent's custom tools.
        most_turns: How many turns `history` holds.
        most_seen: How many pictures and clips can be pointed back at.
        most_offered: How many of them are attached to one turn.
    """

    def __init__(
        self,
        plan: Plans,
        run: Runs,
        *,
        artifacts: ArtifactStore,
        specs: tuple[ToolSpec, ...] = (),
        custom: tuple[CustomTool, ...] = (),
        most_turns: int = 64,
        most_seen: int = 16,
        most_offered: int = 4,
    ) -> None:
        self.id = secrets.token_hex(8)
        super().__init__(artifacts, self.id)
        self._plan = plan
        self._runs = run
        self._own_specs = specs
        self._custom = custom
        self._most_offered = most_offered
        self._history: deque[Turn] = deque(maxlen=most_turns)
        self._seen: deque[tuple[Seen, Medium]] = deque(maxlen=most_seen)
        self._turns = 0
        self._lock = Lock()

    @property
    def history(self) -> tuple[Turn, ...]:
        """The latest turns, the oldest first; a turn that failed is not among them."""
        return tuple(self._history)

    def custom_tools(self) -> tuple[CustomTool, ...]:
        """Return your own tools."""
        return self._custom

    def _specs(self) -> tuple[ToolSpec, ...]:
        return self._own_specs

    def plan(
        self,
        text: str,
        media: "Sequence[MediaSource] | MediaSet" = (),
        *,
        progress: Progress | None = None,
    ) -> Planned:
        """Find out what a turn would do; what it points back at is attached.

        Args:
            text: What you want, in your words.
            media: What it is about, where it is something new; nothing else is attached then.
            progress: Told of loading and planning.

        Raises:
            UnisonError: As `Unison.plan` says.
        """
        return self._planned(text, MediaSet.of(media), progress)[0]

    def run(
        self,
        text: str | Planned | Plan,
        media: "Sequence[MediaSource] | MediaSet" = (),
        *,
        mode: Mode = "nearest",
        seed: int | None = None,
        tool: Named = None,
        max_new_tokens: int | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Carry out a turn.

        Args:
            text: What you want, in your words; "now make it blue" and "animate the second one" are meant to
                work. Or what `plan` gave, or a plan of your own.
            media: What it is about, where it is something new; nothing else is attached then.
            mode: As for `Unison.run`.
            seed: As for `Unison.run`.
            tool: As for `Unison.run`.
            max_new_tokens: As for `Unison.run`.
            progress: As for `Unison.run`.

        Raises:
            UnisonError: As `Unison.run` says.
        """
        return self._run(
            text,
            MediaSet.of(media),
            mode=mode,
            seed=seed,
            progress=progress,
            tool=tool,
            max_new_tokens=max_new_tokens,
        )

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
    ) -> Result:
        offered: tuple[Medium, ...] = ()
        match request:
            case str():
                planned, offered = self._planned(request, media, progress)
            case Planned():
                planned = replace(request, media=media) if len(media) else request
                offered = self._seen_of(planned.media)
            case Plan():
                planned = Planned(request, media)
        result = self._runs(
            planned,
            MediaSet(),
            mode=mode,
            seed=seed,
            progress=progress,
            tool=tool,
            max_new_tokens=max_new_tokens,
        )
        self._remember(result, planned.media, offered)
        return result

    def _planned(
        self, text: str, media: MediaSet, progress: Progress | None
    ) -> tuple[Planned, tuple[Medium, ...]]:
        """Return a plan with its media, and those of them that were not attached by the user."""
        points = not len(media) and points_back(text)
        if not points:
            planned = self._plan(text, media, progress=progress)
            slot = None if planned.missing is None else planned.missing.slot
            points = not len(media) and slot is not None and self._takes_medium(slot)
            if not points:
                return planned, ()
        else:
            planned = None
        offered = self._pointed_at(text)
        if planned is None or offered:
            planned = self._plan(text, MediaSet.of(offered), progress=progress)
        return planned, offered

    def _takes_medium(self, slot: str) -> bool:
        """Whether a slot, of a task or of a custom tool, is filled by what was seen before."""
        tool, _, argument = slot.partition(".")
        own = (one.parameters for one in self._custom if one.name == tool)
        return slot in _MEDIA_SLOTS or any(names_medium(one, argument) for one in own)

    def _pointed_at(self, text: str) -> tuple[Medium, ...]:
        with self._lock:
            seen = list(self._seen)
        places = pointed_at(text, [one for one, _ in seen], self._most_offered)
        return tuple(seen[place][1] for place in places)

    def _seen_of(self, media: MediaSet) -> tuple[Medium, ...]:
        """Return those media that earlier turns were about or made."""
        with self._lock:
            seen = [one for _, one in self._seen]
        return tuple(
            medium
            for medium in (media.medium(name) for name, _ in media.attachments)
            if any(medium is one for one in seen)
        )

    def _remember(self, result: Result, media: MediaSet, offered: tuple[Medium, ...]) -> None:
        outputs = self.artifacts.keep_outputs(result, owner=self.id)
        turn = Turn(
            plan=result.plan,
            offered=tuple(handle_of(medium) for medium in offered),
            outputs=outputs,
            answer=result.text,
        )
        made = [output.medium for output in result.outputs]
        given = [] if offered else [media.medium(name) for name, _ in media.attachments]
        with self._lock:
            self._turns += 1
            self._history.append(turn)
            # Of a turn that made nothing, what it was about is what the next may point at.
            self._seen.extend((Seen(one.kind, self._turns), one) for one in made or given)
