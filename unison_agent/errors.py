"""The exceptions of the library; this module knows nothing of what raises them.

::

    UnisonError
    ├── RequestError                the request, or a call made from it, cannot be carried out as it stands
    │   ├── MissingInputError         something must be attached or said first (carries slot and question)
    │   ├── NegotiationError          strict or ask mode, or an absurd value (carries the adjustments)
    │   └── ToolCallError             a tool call names no tool or argument that there is, or has a wrong value
    ├── MediaError                  an attachment cannot be used
    │   ├── UnsupportedMediaError     not a container, codec or type that is allowed
    │   └── MediaLimitError           too many bytes, pixels, frames or seconds
    ├── PackError                   a tool pack is wrong (carries file, key and line)
    │   └── UnknownProfileError       no pack of that name
    ├── ToolError                   a custom tool cannot be registered
    ├── WeightsError                weights are missing, damaged or of the wrong kind
    │   ├── DownloadError             they could not be fetched
    │   └── ConnectorMismatchError    a connector was trained for another model, layer or template
    ├── MachineError                this machine lacks what a tool pack, or a budget, asks for
    ├── PlanningError               the understanding model's text is no plan
    ├── GenerationError             a pipeline failed, or its output is not what was granted
    ├── OutputError                 a result could not be written or read back
    ├── RunCancelledError           the caller stopped the run; nothing was written
    └── MissingDependencyError      an optional package is not installed (also an ImportError)
"""


class UnisonError(Exception):
    """Base of every error raised on purpose by this library.

    Args:
        message: What was got and what was expected.
        hint: What to do next; printed after the message.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} {self.hint}"


class RequestError(UnisonError, ValueError):
    """The request, or a call made from it, cannot be carried out as it stands."""


class MissingInputError(RequestError):
    """Something must be attached or said before the request can run.

    Args:
        message: What is missing, for whom.
        slot: The role that is empty, e.g. ``"source"`` or ``"mask"``.
        question: A sentence a user can answer.
    """

    def __init__(self, message: str, *, slot: str, question: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.slot = slot
        self.question = question


class NegotiationError(RequestError):
    """What was asked is not what the tool can do, and the mode forbids changing it.

    Args:
        message: Which values were asked and which the tool can do.
        changes: ``(field, asked, granted)`` of every change that would have been made.
    """

    def __init__(
        self,
        message: str,
        *,
        changes: tuple[tuple[str, str, str], ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.changes = changes


class ToolCallError(RequestError):
    """What another model asked for is no call of a tool that there is.

    Args:
        message: What is wrong, and where.
        field: The argument, e.g. ``"width"`` or ``"references[0]"``; None when it is the call itself.
        got: What it was, shortened.
        allowed: What it may be, in words.
        nearest: What may have been meant, the likeliest first.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        got: str | None = None,
        allowed: str | None = None,
        nearest: tuple[str | float, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.field = field
        self.got = got
        self.allowed = allowed
        self.nearest = nearest


class MediaError(UnisonError, ValueError):
    """An attachment cannot be used.

    Attributes:
        field: The argument of a tool call in which it was given; None elsewhere.
    """

    field: str | None = None


class UnsupportedMediaError(MediaError):
    """The attachment is not of a container, codec or type that is allowed."""


class MediaLimitError(MediaError):
    """The attachment has too many bytes, pixels, frames or seconds."""


class PackError(UnisonError):
    """A tool pack is wrong.

    Args:
        message: What is wrong.
        file: The pack.
        key: Dotted path of the offending key, when there is one.
        line: 1-based line of that key, when it could be found.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str,
        key: str | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        place = file if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {message}", hint=hint)
        self.file = file
        self.key = key
        self.line = line


class UnknownProfileError(PackError):
    """No pack of that name exists."""


class ToolError(UnisonError, ValueError):
    """A custom tool cannot be registered."""


class WeightsError(UnisonError):
    """Weights are missing, damaged or of the wrong kind."""


class DownloadError(WeightsError):
    """Weights could not be fetched."""


class ConnectorMismatchError(WeightsError):
    """A connector was trained for another model, layer or template."""


class MachineError(UnisonError):
    """This machine lacks what a tool pack asks for, or its models take more than they may."""


class PlanningError(UnisonError):
    """The understanding model's text is no plan."""


class GenerationError(UnisonError):
    """A pipeline failed, or its output is not what was granted."""


class OutputError(UnisonError):
    """A result could not be written or read back."""


class RunCancelledError(UnisonError):
    """The caller stopped the run; nothing was written."""


class MissingDependencyError(UnisonError, ImportError):
    """An optional package is not installed.

    Args:
        package: The import name that failed.
        extra: The extra of ``unison-agent`` that brings it.
    """

    def __init__(self, package: str, *, extra: str) -> None:
        super().__init__(
            f"{package} is not installed.", hint=f"Run: pip install 'unison-agent[{extra}]'"
        )
        self.package = package
        self.extra = extra
