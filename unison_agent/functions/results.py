"""What a call gives back: a report for the model that called, and the pictures beside it; it runs nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from unison_agent.artifacts import ArtifactInfo
from unison_agent.errors import (
    MediaError,
    MissingInputError,
    NegotiationError,
    RequestError,
    ToolCallError,
    UnisonError,
)
from unison_agent.media import Medium
from unison_agent.result import Result
from unison_agent.tasks import Adjustment, Wire

Code = Literal[
    "invalid_call", "missing_input", "not_possible", "media", "request", "failed", "internal"
]


class CallError(Wire):
    """Why a call gave nothing, so that the caller can mend it."""

    code: Code = Field(
        description="invalid_call: mend the arguments. missing_input: ask the user. not_possible: the "
        "mode forbids changing a value. media: another file. request: another request. failed, "
        "internal: nothing to mend in the call."
    )
    message: str
    field: str | None = Field(default=None, description='The argument, e.g. "width".')
    got: str | None = Field(default=None, description="What it was, shortened.")
    allowed: str | None = Field(default=None, description="What it may be, in words.")
    nearest: tuple[str | int | float, ...] = Field(default=(), description="What may be meant.")
    hint: str | None = Field(default=None, description="What to do next.")

    @classmethod
    def of(cls, error: Exception) -> "CallError":
        """Return what an exception says."""
        match error:
            case ToolCallError():
                return cls(
                    code="invalid_call",
                    message=error.message,
                    field=error.field,
                    got=error.got,
                    allowed=error.allowed,
                    nearest=error.nearest,
                    hint=error.hint,
                )
            case MissingInputError():
                return cls(
                    code="missing_input",
                    message=error.message,
                    field=error.slot,
                    hint=error.question,
                )
            case NegotiationError(changes=[(name, asked, granted), *_]):
                return cls(
                    code="not_possible",
                    message=error.message,
                    field=name,
                    got=asked,
                    nearest=(granted,),
                    hint=error.hint,
                )
            case UnisonError():
                at = error.field if isinstance(error, MediaError) else None
                return cls(code=_code(error), message=error.message, field=at, hint=error.hint)
            case _:
                said = f"{type(error).__name__}: {error}".removesuffix(".")
                return cls(code="internal", message=f"The call failed with {said}.")


def _code(error: UnisonError) -> Code:
    match error:
        case NegotiationError():
            return "not_possible"
        case RequestError():
            return "request"
        case MediaError():
            return "media"
        case _:
            return "failed"


class CallReport(Wire):
    """What the calling model is told of a call: no pixels, only handles."""

    ok: bool
    text: str | None = Field(default=None, description="The answer in words, if there is one.")
    artifacts: tuple[ArtifactInfo, ...] = Field(default=(), description="What was made.")
    adjustments: tuple[Adjustment, ...] = Field(
        default=(), description="What was asked and could not be done as asked."
    )
    notes: tuple[str, ...] = ()
    error: CallError | None = None


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call gave.

    Attributes:
        name: The function.
        report: What the calling model is told.
        media: The pictures and clips that were made, by handle; of a repeated call those still kept.
        result: The whole result; None after an error, and for a repeated call.
        call_id: What the calling model named the call.
    """

    name: str
    report: CallReport
    media: Mapping[str, Medium] = field(default_factory=dict[str, Medium], repr=False)
    result: Result | None = field(default=None, repr=False)
    call_id: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it was carried out."""
        return self.report.ok

    @property
    def error(self) -> CallError | None:
        """Why it was not carried out; None when it was."""
        return self.report.error

    @property
    def text(self) -> str | None:
        """The answer in words."""
        return self.report.text

    @property
    def artifacts(self) -> tuple[ArtifactInfo, ...]:
        """What was made, by handle."""
        return self.report.artifacts

    def to_json(self) -> str:
        """Return the report as the calling model reads it, without what is unstated."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def to_dict(self) -> dict[str, object]:
        """Return the report as JSON values, without what is unstated."""
        return self.report.model_dump(mode="json", exclude_defaults=True)


def result_of(name: str, result: Result, kept: tuple[ArtifactInfo, ...]) -> CallResult:
    """Return what a run gave, under the handles of its outputs."""
    report = CallReport(
        ok=True,
        text=result.text,
        artifacts=kept,
        adjustments=result.adjustments,
        notes=result.notes,
    )
    made = zip(kept, result.outputs, strict=True)
    return CallResult(name, report, {info.handle: output.medium for info, output in made}, result)


def refused(name: str, error: Exception) -> CallResult:
    """Return that a call gave nothing."""
    return CallResult(name, CallReport(ok=False, error=CallError.of(error)))
