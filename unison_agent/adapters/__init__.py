"""What an adapter is: one granted call in, media or words out; it knows no packs and no other calls.

An adapter is the place where a user plugs in a model family of their own. Those that ship are
`adapters.video` (Wan VACE, nine tasks), `adapters.image` (image pipelines of diffusers, four tasks), `adapters.clips`
(LTX-Video, two tasks) and `adapters.answer` (the understanding model, three tasks).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from unison_agent.media import MediaSet, Medium
from unison_agent.progress import Progress
from unison_agent.result import Preview
from unison_agent.tasks import GrantedTask, TaskCall

if TYPE_CHECKING:
    from unison_agent.connector import Conditioning


@dataclass(frozen=True, slots=True)
class Output:
    """What one call made.

    Attributes:
        media: One medium for each output that was granted; none for answers.
        text: The answer of an understanding task.
        notes: What the user should know, in sentences.
        kept_db: How near the model itself came to the pixels that an edit keeps, before the source's own were
            put there: PSNR, dB, of the worst output. None where nothing is to be kept.
        previews: Small pictures that the notes speak of.
    """

    media: tuple[Medium, ...] = ()
    text: str | None = None
    notes: tuple[str, ...] = ()
    kept_db: float | None = None
    previews: tuple[Preview, ...] = ()


class Adapter(Protocol):
    """Runs granted calls on one kind of model."""

    def run(
        self,
        call: TaskCall,
        granted: GrantedTask,
        media: MediaSet,
        conditioning: "Conditioning | None",
        progress: Progress,
    ) -> Output:
        """Carry out `call` as `granted`.

        Args:
            call: What was asked; its handles are found in `media`.
            granted: The concrete values to use.
            media: The attachments and the outputs of earlier steps.
            conditioning: What the connector made of the prompt; None means the pipeline reads the prompt itself.
            progress: Told after each unit of work; an exception raised in it stops the run.

        Raises:
            RequestError: The call's media do not fit the task.
            GenerationError: The model failed, or made something else than was granted.
        """
        ...
