"""What long work says about itself; it does not know who listens or how it is shown."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Stage = Literal[
    "download",
    "load",
    "release",
    "plan",
    "encode",
    "denoise",
    "decode",
    "answer",
    "save",
    "evaluate",
    "tool",
]
STAGE_WORDS: dict[Stage, str] = {
    "download": "downloading",
    "load": "loading",
    "release": "releasing",
    "plan": "planning",
    "encode": "reading",
    "denoise": "generating",
    "decode": "decoding",
    "answer": "answering",
    "save": "saving",
    "tool": "your tool",
    "evaluate": "evaluating",
}


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One step of long work.

    Attributes:
        stage: What is being done.
        done: Units finished so far (bytes, steps or files, as the stage has them).
        total: Units in all, None when unknown.
        note: A few words for people.
        text: What an answer goes on with; joined, the texts of an answer are the answer.
        seconds_left: Of this stage, at the pace so far; None while there is none, and where stages have no even pace.
    """

    stage: Stage
    done: int
    total: int | None = None
    note: str = ""
    text: str = ""
    seconds_left: float | None = field(default=None, compare=False)


Progress = Callable[[ProgressEvent], None]
"""Called between units of work. Raising RunCancelledError or KeyboardInterrupt in it stops the run."""


def silent(event: ProgressEvent) -> None:
    """Listen to nothing."""
    del event
