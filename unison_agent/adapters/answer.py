"""The three understanding tasks on the understanding model; it knows no pipelines.

An understanding call names no handles: it is about everything of its kind that is attached or that
earlier steps have made.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from unison_agent.adapters import Output
from unison_agent.answering import Reply
from unison_agent.errors import GenerationError, MissingInputError, RequestError
from unison_agent.media import Image, MediaSet, Medium, Video
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.tasks import (
    GrantedAnswer,
    GrantedTask,
    ImageUnderstanding,
    TaskCall,
    TextUnderstanding,
    UnderstandingCall,
    VideoUnderstanding,
)

if TYPE_CHECKING:
    from unison_agent.connector import Conditioning


class Answerer(Protocol):
    """The part of the understanding model that is needed."""

    def reply(
        self,
        question: str,
        media: Sequence[Medium] = (),
        *,
        max_new_tokens: int = 256,
        progress: Progress = silent,
    ) -> Reply:
        """Answer in words."""
        ...


class AnswerAdapter:
    """Answers questions about text, images and videos.

    Args:
        model: Who answers.
    """

    def __init__(self, model: Answerer) -> None:
        self._model = model

    def run(
        self,
        call: TaskCall,
        granted: GrantedTask,
        media: MediaSet,
        conditioning: "Conditioning | None",
        progress: Progress,
    ) -> Output:
        """Answer the question of `call`; conditioning is not used.

        Raises:
            MissingInputError: The question is about an image or a video, and there is none.
            RequestError: It is no understanding call.
            GenerationError: The model gave no words.
        """
        del conditioning
        if not isinstance(call, UnderstandingCall) or not isinstance(granted, GrantedAnswer):
            msg = f"{call.task} granted as {granted.output}: this adapter answers in words."
            raise RequestError(msg, hint="Give it to a tool with the video adapter.")
        about = asked_about(call, media)
        progress(ProgressEvent("answer", 0, granted.max_new_tokens))
        reply = self._model.reply(
            call.question,
            about,
            max_new_tokens=granted.max_new_tokens,
            progress=progress,
        )
        if not reply.text.strip():
            msg = f"The understanding model gave no answer to {call.question!r}."
            raise GenerationError(msg, hint="Ask it in other words.")
        notes = () if reply.complete else (cut_note(granted),)
        return Output(text=reply.text, notes=notes)


def cut_note(granted: GrantedAnswer) -> str:
    """Return what the user should know of an answer that stopped at its limit."""
    return (
        f"The answer stopped at its limit of {granted.max_new_tokens} tokens and may go on: give a larger "
        f"max_new_tokens, or raise it in the defaults of {granted.tool} in the tool pack."
    )


def asked_about(call: UnderstandingCall, media: MediaSet) -> tuple[Medium, ...]:
    """Return the media that `call` is about, attachments first, in their order.

    Raises:
        MissingInputError: It needs an image or a video, and there is none.
    """
    match call:
        case TextUnderstanding():
            return ()
        case ImageUnderstanding():
            found = tuple(m for m in _all(media) if isinstance(m, Image))
            needed = bool(found)
        case VideoUnderstanding():
            found = _all(media)
            needed = any(isinstance(m, Video) for m in found)
    if not needed:
        kind = "image" if isinstance(call, ImageUnderstanding) else "video"
        raise MissingInputError(
            f"{call.task} needs an attached {kind}; there is none.",
            slot="source",
            question=f"Which {kind} do you mean? Please attach it.",
        )
    return found


def _all(media: MediaSet) -> tuple[Medium, ...]:
    return tuple(media.medium(handle) for handle in media.handles)
