"""Request to plan: builds the planner's prompt, reads what the model wrote, checks it against the request.

It knows the form of plans and nothing of models: whoever writes is handed in as a `Writer`.
"""

import json
from collections.abc import Mapping
from typing import Protocol, cast

from pydantic import ValidationError

from unison_agent.errors import PlanningError, RequestError
from unison_agent.grammar import SLOTS, request_grammar
from unison_agent.tasks import (
    TASK_CALL,
    Attachment,
    ImageControllableGeneration,
    ImageEditing,
    ImageReferenceGeneration,
    ImageToVideo,
    ImageUnderstanding,
    MediaKind,
    MissingInput,
    Plan,
    Request,
    TaskCall,
    VideoControllableGeneration,
    VideoEditing,
    VideoReferenceGeneration,
    VideoUnderstanding,
)

# A ceiling, not a cost: the grammar itself bounds what can be written.
MAX_NEW_TOKENS = 1024
# Of a very long request the model reads the beginning and the end; values are still found anywhere.
_READ_FIRST, _READ_LAST = 1600, 800
_IMAGE: tuple[MediaKind, ...] = ("image",)
_VIDEO: tuple[MediaKind, ...] = ("video",)
_EITHER: tuple[MediaKind, ...] = ("image", "video")
_ANSWERING = frozenset({"text_understanding", "image_understanding", "video_understanding"})
_QUESTIONS = {
    "source": "Which image or video do you mean? Please attach it.",
    "mask": "Which part should change? Please attach a mask that is white there, or name the thing.",
    "control": "Which image or video gives the structure (depth, pose, edges, ...)? Please attach it.",
    "references": "Which image shows the subject to use? Please attach it.",
    "first_frame": "Which image should the video start from? Please attach it.",
    "last_frame": "Which image should the video end with? Please attach it.",
    "question": "What should be made, changed or answered? Please say it in a sentence.",
}


class Writer(Protocol):
    """Whoever writes text under a grammar; the understanding model at run time."""

    def write(self, prompt: str, grammar: str, *, max_new_tokens: int) -> str:
        """Return text that the grammar admits, as the answer to the user turn `prompt`."""
        ...


class Planner:
    """Plans requests with a writer.

    Args:
        writer: What writes the call, e.g. the understanding model.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def plan(self, request: Request) -> Plan:
        """Return the plan of one call that the request means, or what is missing.

        Raises:
            RequestError: The request has no words.
            PlanningError: What was written is no plan for this request.
        """
        if not request.text.strip():
            raise RequestError(
                "The request has no words.", hint="Say what to make, change or answer."
            )
        written = self._writer.write(
            prompt_text(request),
            request_grammar(request.text, request.attachments),
            max_new_tokens=MAX_NEW_TOKENS,
        )
        return read_plan(request, written)


def prompt_text(request: Request) -> str:
    """Return the user turn that the planner's model reads: the attachments' handles, then the words."""
    handles = ", ".join(attachment.handle for attachment in request.attachments)
    text = request.text
    if len(text) > _READ_FIRST + _READ_LAST:
        text = f"{text[:_READ_FIRST]} ... {text[-_READ_LAST:]}"
    return f"attachments: {handles or 'none'}\n{text}"


def read_plan(request: Request, written: str) -> Plan:
    """Return the plan that `written` states for the request.

    Raises:
        PlanningError: It is no JSON, no task call, or names media that the request does not have.
    """
    try:
        document = cast("object", json.loads(written))
    except json.JSONDecodeError as error:
        raise _no_plan(written, "expected one JSON object") from error
    if not isinstance(document, dict):
        raise _no_plan(written, "expected one JSON object")
    fields = cast("Mapping[str, object]", document)
    if "needs_input" in fields:
        return Plan(request=request, missing=_missing(fields, written))
    # The seam for spans: until the model marks them, the whole request is the prompt or question.
    words = "question" if fields.get("task") in _ANSWERING else "prompt"
    try:
        call = TASK_CALL.validate_python({**fields, words: request.text})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _no_plan(written, f"{place or 'call'}: {first['msg']}") from error
    _check_media(call, request.attachments, written)
    return Plan(request=request, steps=(call,))


def _missing(fields: Mapping[str, object], written: str) -> MissingInput:
    slot = fields["needs_input"]
    if not isinstance(slot, str) or slot not in SLOTS or len(fields) != 1:
        raise _no_plan(written, f"needs_input must be one of {', '.join(SLOTS)}")
    return MissingInput(slot=slot, question=_QUESTIONS[slot])


def _check_media(call: TaskCall, attachments: tuple[Attachment, ...], written: str) -> None:
    """Raise unless every role holds an attached medium of its kind, and none twice where that is absurd."""
    kinds: dict[str, MediaKind] = {a.handle: a.kind for a in attachments}
    wanted: list[tuple[str, str, tuple[MediaKind, ...]]] = []
    match call:
        case ImageEditing():
            wanted.append(("source", call.source, _IMAGE))
            if call.mask is not None:
                wanted.append(("mask", call.mask, _IMAGE))
        case VideoEditing():
            wanted.append(("source", call.source, _VIDEO))
            if call.mask is not None:
                wanted.append(("mask", call.mask, _EITHER))
        case ImageControllableGeneration():
            wanted.append(("control", call.control, _IMAGE))
        case VideoControllableGeneration():
            wanted.append(("control", call.control, _VIDEO))
        case ImageReferenceGeneration() | VideoReferenceGeneration():
            wanted += [("references", handle, _IMAGE) for handle in call.references]
            if len(set(call.references)) != len(call.references):
                raise _no_plan(written, "a reference is named twice")
        case ImageToVideo():
            frames = (("first_frame", call.first_frame), ("last_frame", call.last_frame))
            wanted += [(role, handle, _IMAGE) for role, handle in frames if handle is not None]
        case ImageUnderstanding() | VideoUnderstanding():
            needed = "image" if isinstance(call, ImageUnderstanding) else "video"
            if needed not in kinds.values():
                raise _no_plan(written, f"{call.task} needs an attached {needed}")
        case _:
            pass
    if isinstance(call, ImageEditing | VideoEditing) and call.mask == call.source:
        raise _no_plan(written, f"{call.source} cannot be source and mask at once")
    for role, handle, allowed in wanted:
        if kinds.get(handle) not in allowed:
            raise _no_plan(
                written,
                f"{role} must be an attached {' or '.join(allowed)}, got {handle!r};"
                f" attached: {', '.join(kinds) or 'nothing'}",
            )


def _no_plan(written: str, reason: str) -> PlanningError:
    shown = written if len(written) <= 200 else f"{written[:200]}..."
    return PlanningError(
        f"The understanding model wrote no usable plan: {reason}. It wrote: {shown!r}",
        hint="Say the request in other words, or pass a plan of your own.",
    )
