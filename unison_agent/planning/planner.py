"""Request to plan: builds the planner's prompt, lets a writer write, reads the plan, and asks when unsure.

It knows the form of plans and nothing of models: whoever writes is handed in as a `Writer`.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self, cast, get_args

from pydantic import Field, ValidationError

from unison_agent.custom.tool import CustomTool, check_names
from unison_agent.decoding import Turn, Written
from unison_agent.errors import PlanningError, RequestError, WeightsError
from unison_agent.explain import reading_words
from unison_agent.planning.grammar import request_grammar
from unison_agent.planning.plan_reading import read_plan
from unison_agent.tasks import Attachment, MediaKind, MissingInput, Plan, Request, Wire

__all__ = [
    "MAX_NEW_TOKENS",
    "Calibration",
    "Planner",
    "Writer",
    "ask_if_unsure",
    "check_min_confidence",
    "check_words",
    "make_request",
    "prompt_text",
    "read_plan",
]

# A ceiling, not a cost: the grammar itself bounds what can be written.
MAX_NEW_TOKENS = 4096
# Of a very long request the model reads the beginning and the end; values are still found anywhere.
_READ_FIRST, _READ_LAST = 1600, 800
_LONGEST_REQUEST = 8192
_SMALLEST = 1e-12


class Writer(Protocol):
    """Whoever writes text under a grammar; the understanding model at run time."""

    def write(
        self, prompt: str, grammar: str, *, copy_from: str = "", max_new_tokens: int
    ) -> Written:
        """Return text that the grammar admits, as the answer to the user turn `prompt`.

        Args:
            prompt: The user turn.
            grammar: Lark, as llguidance reads it.
            copy_from: Text whose words the answer may repeat.
            max_new_tokens: Most tokens to write.
        """
        ...

    def write_batch(self, turns: Sequence[Turn], *, max_new_tokens: int) -> list[Written]:
        """Return what `write` would for each turn, in order."""
        ...


class Calibration(Wire):
    """The line that makes a writer's confidence mean how often it is right.

    Attributes:
        slope: Of the logarithm of what the writer says.
        intercept: Added to it; the sum is the log odds.
    """

    slope: float = Field(gt=0, allow_inf_nan=False)
    intercept: float = Field(allow_inf_nan=False)

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Return the calibration in a file, or None where there is no file.

        Raises:
            WeightsError: The file cannot be read, or holds something else.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise WeightsError(
                f"{path} is no calibration: expected a slope above 0 and an intercept, got {error}.",
                hint="Fit it again with: unison-agent evaluate calibration.",
            ) from error

    def confidence(self, raw: float) -> float:
        """Return how sure a plan is, 0 to 1, from the writer's own confidence."""
        odds = self.intercept + self.slope * math.log(min(1.0, max(raw, _SMALLEST)))
        return 1 / (1 + math.exp(-max(-500.0, min(500.0, odds))))


class Planner:
    """Plans requests with a writer.

    Args:
        writer: What writes the calls, e.g. the understanding model.
        calibration: Turns the writer's confidence into the plan's; plans have none without.
        min_confidence: A plan that is less sure asks whether it is meant; see `ask_if_unsure`.
        tools: Custom tools that can be planned.

    Raises:
        RequestError: `min_confidence` is no share, or there is no calibration to hold it against.
        ToolError: Two custom tools have the same name.
    """

    def __init__(
        self,
        writer: Writer,
        calibration: Calibration | None = None,
        min_confidence: float | None = None,
        *,
        tools: Sequence[CustomTool] = (),
    ) -> None:
        if min_confidence is not None and calibration is None:
            raise _no_confidence()
        self._writer = writer
        self._calibration = calibration
        self._min_confidence = check_min_confidence(min_confidence)
        self._tools = check_names(tools)

    def with_tools(self, tools: Sequence[CustomTool]) -> "Planner":
        """Return a planner that can plan more custom tools.

        Raises:
            ToolError: Two of all have the same name.
        """
        known = (*self._tools, *tools)
        return Planner(self._writer, self._calibration, self._min_confidence, tools=known)

    def plan(self, request: Request) -> Plan:
        """Return the plan that the request means, or what is missing.

        Raises:
            RequestError: The request has no words.
            PlanningError: What was written is no plan for this request.
        """
        turn = _turn(request, self._tools)
        written = self._writer.write(
            turn.prompt, turn.grammar, copy_from=turn.copy_from, max_new_tokens=MAX_NEW_TOKENS
        )
        return self._read(request, written)

    def plan_batch(self, requests: Sequence[Request]) -> list[Plan]:
        """Return the plans of several requests, written together.

        Raises:
            RequestError: One of the requests has no words.
            PlanningError: What was written for one of them is no plan for it.
        """
        if not requests:
            return []
        turns = [_turn(request, self._tools) for request in requests]
        written = self._writer.write_batch(turns, max_new_tokens=MAX_NEW_TOKENS)
        if len(written) != len(turns):
            msg = f"The writer wrote {len(written)} texts for {len(turns)} requests."
            raise PlanningError(msg, hint="Write one text for each turn, in order.")
        return [self._read(*both) for both in zip(requests, written, strict=True)]

    def _read(self, request: Request, written: Written) -> Plan:
        sure = self._calibration and self._calibration.confidence(written.confidence)
        plan = read_plan(request, written.text, confidence=sure, tools=self._tools)
        return ask_if_unsure(plan, self._min_confidence)


def ask_if_unsure(plan: Plan, min_confidence: float | None) -> Plan:
    """Return the plan, or, where it is less sure, one that asks whether it is meant.

    The question says what was understood, and `Plan.unsure` holds the calls; `Plan.confirmed` makes the plan
    of a yes.

    Raises:
        RequestError: `min_confidence` is no share, or the plan has no confidence to hold it against.
    """
    least = check_min_confidence(min_confidence)
    if least is None:
        return plan
    if plan.confidence is None:
        raise _no_confidence()
    if not plan.steps or plan.confidence >= least:
        return plan
    question = f"I read this as: {reading_words(plan.steps)}. Is that what you mean?"
    return Plan(
        request=plan.request,
        missing=MissingInput(
            slot="question", question=f"{question} If not, say it in other words."
        ),
        unsure=plan.steps,
        evidence=plan.evidence,
        unused=plan.unused,
        confidence=plan.confidence,
    )


def make_request(text: str, attachments: Sequence[tuple[str, str]] = ()) -> Request:
    """Return the request of a text and of attachments, ``(handle, kind)`` in order.

    Raises:
        RequestError: The text is empty, too long or no Unicode text, or an attachment is of no known kind.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - users are untyped
        msg = f"A request is text, got {type(text).__name__}."
        raise RequestError(msg, hint="Say in words what you want; media go into media=[...].")
    check_words(text)
    if len(text) > _LONGEST_REQUEST:
        msg = f"The request has {len(text)} characters; at most {_LONGEST_REQUEST} are read."
        raise RequestError(msg, hint="Shorten it.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        msg = f"The request is no Unicode text: character {error.start} is half of a pair, {text[error.start]!r}."
        raise RequestError(
            msg, hint="Decode it as UTF-8, with errors='replace' if need be."
        ) from error
    for handle, kind in attachments:
        if kind not in get_args(MediaKind):
            msg = f"The planner knows images and videos; {handle} is of kind {kind!r}."
            raise RequestError(msg, hint="Attach images and videos only.")
    try:
        return Request(
            text=text,
            attachments=tuple(
                Attachment.model_validate({"handle": handle, "kind": kind})
                for handle, kind in attachments
            ),
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        msg = f"The request cannot be planned: {place}: {first['msg']}, got {first['input']!r}."
        raise RequestError(msg, hint="Handles are image_1, image_2, video_1 and so on.") from error


def prompt_text(request: Request, tools: Sequence[CustomTool] = ()) -> str:
    """Return the user turn that the planner's model reads: attachments by handle, tools, then the words."""
    handles = ", ".join(attachment.handle for attachment in request.attachments)
    text = request.text
    if len(text) > _READ_FIRST + _READ_LAST:
        text = f"{text[:_READ_FIRST]} ... {text[-_READ_LAST:]}"
    head = f"attachments: {handles or 'none'}\n"
    if tools:
        head += f"tools: {'; '.join(f'{tool.name}: {tool.description}' for tool in tools)}\n"
    return head + text


def check_words(text: str) -> None:
    """Check that a request says something.

    Raises:
        RequestError: It is empty, or white space.
    """
    if not text.strip():
        raise RequestError("The request has no words.", hint="Say what to make, change or answer.")


def check_min_confidence(least: float | None) -> float | None:
    """Return the least confidence that a plan may have, None for any.

    Raises:
        RequestError: It is no share.
    """
    # Users are untyped; a truth value is no number either.
    number = isinstance(cast("object", least), int | float) and not isinstance(least, bool)
    if least is None or (number and 0 <= least <= 1):
        return least
    msg = f"min_confidence must be between 0 and 1, got {least!r}."
    raise RequestError(msg, hint="Leave it out to take every plan.")


def _turn(request: Request, tools: tuple[CustomTool, ...]) -> Turn:
    check_words(request.text)
    return Turn(
        prompt=prompt_text(request, tools),
        grammar=request_grammar(request.text, request.attachments, tools),
        copy_from=request.text,
    )


def _no_confidence() -> RequestError:
    return RequestError(
        "min_confidence was given, but this planner does not say how sure it is: it has no calibration.",
        hint="Leave min_confidence out; for a model of a profile, unison-agent evaluate calibration fits one.",
    )
