"""A plan with its media, to be looked at and then run; it does neither plan nor run."""

from dataclasses import dataclass, replace

from unison_agent.explain import Explanation
from unison_agent.media import MediaSet
from unison_agent.result import Timings
from unison_agent.tasks import Call, CustomCall, MissingInput, Plan

_NO_TIME = Timings()


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
    timings: Timings = _NO_TIME

    @property
    def steps(self) -> tuple[Call, ...]:
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

    def explain(self) -> Explanation:
        """Show the request with the words marked that state the plan's values, and what was understood."""
        return Explanation(self.plan)

    def confirmed(self) -> "Planned":
        """Return what to run when the planner asked whether this is meant and the answer is yes.

        Raises:
            RequestError: Something is missing that a yes does not give.
        """
        return replace(self, plan=self.plan.confirmed())

    def to_json(self) -> str:
        """Return the plan as JSON, without what is unstated."""
        return self.plan.model_dump_json(indent=2, exclude_none=True)

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        del include, exclude
        return {"text/plain": repr(self), "text/html": self.explain().html()}

    def _lines(self) -> list[str]:
        if self.missing is not None:
            return [f"missing {self.missing.slot}: {self.missing.question}"]
        lines: list[str] = []
        for number, call in enumerate(self.steps, start=1):
            custom = isinstance(call, CustomCall)
            stated = (
                call.arguments
                if custom
                else call.model_dump(mode="json", exclude_none=True, exclude={"task"})
            )
            values = ", ".join(f"{field}={value!r}" for field, value in stated.items())
            lines.append(f"step_{number}: {call.task}({values})")
        return lines
