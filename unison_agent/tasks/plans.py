"""Requests and what was understood of them: plans, their evidence, and what is missing; nothing is planned here."""

from typing import Self

from pydantic import Field, model_validator

from unison_agent.errors import RequestError
from unison_agent.tasks.calls import Call, Handle, MediaKind, Wire, Words


class Attachment(Wire):
    """One attached medium as the planner sees it: its handle and kind, no pixels."""

    handle: Handle
    kind: MediaKind


class Request(Wire):
    """What came in: the user's words and the kinds of what is attached, in order."""

    text: Words
    attachments: tuple[Attachment, ...] = ()


class Evidence(Wire):
    """The characters of the request that state one value of one step.

    Where several places state it equally well, each of them is an evidence of its own.
    """

    step: int = Field(ge=1, description="The step whose value it is, from 1.")
    field: str = Field(description='The field of that step, e.g. "width".')
    start: int = Field(ge=0, description="The first character.")
    end: int = Field(ge=1, description="Behind the last character.")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.end <= self.start:
            msg = f"evidence ends behind its start, got {self.start} to {self.end}"
            raise ValueError(msg)
        return self


class Unused(Wire):
    """A value that the request states beyond doubt, and that no step holds: "81 frames" of a still image."""

    field: str = Field(description='What it states, e.g. "num_frames".')
    start: int = Field(ge=0, description="The first character.")
    end: int = Field(ge=1, description="Behind the last character.")


class MissingInput(Wire):
    """What must be attached or said before the request can run."""

    slot: str = Field(
        description='The empty role, e.g. "source", or the argument of a custom tool, "crop.image".'
    )
    question: str = Field(description="A sentence a user can answer.")


class Plan(Wire):
    """One or more calls, or what is missing; never both."""

    request: Request
    steps: tuple[Call, ...] = ()
    missing: MissingInput | None = None
    unsure: tuple[Call, ...] = Field(
        default=(), description="What was understood, where missing asks whether it is meant."
    )
    evidence: tuple[Evidence, ...] = ()
    unused: tuple[Unused, ...] = Field(
        default=(), description="Values that the request states and no step holds."
    )
    confidence: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _steps_or_missing(self) -> Self:
        if bool(self.steps) == (self.missing is not None):
            msg = "a plan has steps or says what is missing: one of the two"
            raise ValueError(msg)
        if self.unsure and self.steps:
            msg = "a plan that is sure of its steps is not unsure of others"
            raise ValueError(msg)
        return self

    def confirmed(self) -> Self:
        """Return the plan of somebody who says yes to what was understood; a sure plan is itself.

        Raises:
            RequestError: Something is missing that a yes does not give.
        """
        if self.steps:
            return self
        if not self.unsure:
            slot = "nothing" if self.missing is None else self.missing.slot
            msg = f"The plan has no steps to confirm; missing: {slot}."
            raise RequestError(msg, hint="Give what is missing and plan again.")
        return self.model_copy(update={"steps": self.unsure, "unsure": (), "missing": None})
