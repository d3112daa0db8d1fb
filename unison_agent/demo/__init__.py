"""One request of each of the 12 tasks, run for real; it does not know how it is told or shown."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unison_agent.demo.inputs import write_inputs
from unison_agent.errors import UnisonError
from unison_agent.media import MediaSet
from unison_agent.progress import Progress, silent
from unison_agent.sheet import Cell, contact_sheet
from unison_agent.tasks import Mode, Plan, Task
from unison_agent.wording import granted_words

if TYPE_CHECKING:
    from unison_agent.agent import Planned, Unison
    from unison_agent.result import Result

__all__ = ["REQUESTS", "Outcome", "Sample", "run_demo", "write_inputs"]

SHEET = "contact-sheet.png"


@dataclass(frozen=True, slots=True)
class Sample:
    """A request as a person would type it, with the names of what is attached.

    Attributes:
        task: What it should be planned as.
    """

    task: Task
    text: str
    attached: tuple[str, ...] = ()


REQUESTS: tuple[Sample, ...] = (
    Sample("text_to_image", "Draw a red star on a blue background, 64 by 64"),
    Sample(
        "text_to_video",
        "Make a 2 second clip of a yellow circle moving right on a purple background",
    ),
    Sample("image_to_video", "make a 2 second video of this, moving right", ("star.png",)),
    Sample("image_editing", "Turn the star green", ("star.png",)),
    Sample("video_editing", "Make the circle red in this clip", ("circle.mp4",)),
    Sample(
        "image_controllable_generation",
        "Follow this outline: a pink heart on a white background",
        ("outline.png",),
    ),
    Sample(
        "video_controllable_generation",
        "Follow these edges: an orange circle moving down on a white background",
        ("outline.mp4",),
    ),
    Sample(
        "image_reference_generation", "put this penguin on a green background", ("penguin.png",)
    ),
    Sample(
        "video_reference_generation",
        "a video of this fox moving left on a yellow background",
        ("fox.png",),
    ),
    Sample("text_understanding", "What is the capital of France?"),
    Sample("image_understanding", "What color is the star?", ("star.png",)),
    Sample("video_understanding", "Which way does it move?", ("circle.mp4",)),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request.

    Attributes:
        plan: None when planning failed.
        result: None when the request failed.
        files: What was written.
        seconds: Planning, running and saving.
        error: Why it failed.
    """

    sample: Sample
    media: MediaSet
    plan: Plan | None
    result: "Result | None"
    files: tuple[Path, ...]
    seconds: float
    error: UnisonError | None = None

    @property
    def as_expected(self) -> bool:
        """Whether it ran, as the one task it should have been."""
        return self.result is not None and [step.call.task for step in self.result.steps] == [
            self.sample.task
        ]


def run_demo(
    unison: "Unison",
    folder: Path,
    *,
    samples: Sequence[Sample] = REQUESTS,
    mode: Mode = "nearest",
    seed: int = 0,
    progress: Progress = silent,
    show: Callable[[Outcome], None] = lambda outcome: None,
) -> tuple[Outcome, ...]:
    """Run the requests; write inputs, results and the contact sheet into `folder`.

    A request that fails does not stop the others. Files of an earlier run are replaced.

    Args:
        unison: Who runs them.
        folder: Made when it is not there.
        samples: The requests.
        mode: Of the negotiation.
        seed: Of everything generated.
        progress: Told the steps of each run.
        show: Told each outcome as soon as it is there.
    """
    inputs = write_inputs(folder / "inputs")
    outcomes: list[Outcome] = []
    for number, sample in enumerate(samples, start=1):
        media = MediaSet.of([inputs[name] for name in sample.attached])
        target = folder / f"{number:02}-{sample.task}"
        outcome = _run(unison, sample, media, target, mode=mode, seed=seed, progress=progress)
        outcomes.append(outcome)
        show(outcome)
    ran = sum(outcome.result is not None for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    subtitle = f"profile {unison.profile}, {ran} of {len(outcomes)} in {seconds:.0f} seconds"
    sheet = contact_sheet(
        "A request in, a picture, a clip or an answer out", subtitle, _cells(outcomes)
    )
    sheet.save(folder / SHEET)
    return tuple(outcomes)


def _run(
    unison: "Unison",
    sample: Sample,
    media: MediaSet,
    target: Path,
    *,
    mode: Mode,
    seed: int,
    progress: Progress,
) -> Outcome:
    planned: Planned | None = None
    start = time.perf_counter()
    try:
        planned = unison.plan(sample.text, media, progress=progress)
        result = unison.run(planned, mode=mode, seed=seed, progress=progress)
        files = _save(result, target)
    except UnisonError as error:
        seconds = time.perf_counter() - start
        plan = None if planned is None else planned.plan
        return Outcome(sample, media, plan, None, (), seconds, error)
    seconds = time.perf_counter() - start
    return Outcome(sample, media, result.plan, result, files, seconds)


def _save(result: "Result", target: Path) -> tuple[Path, ...]:
    kind = result.steps[-1].granted.output
    suffix = {"text": ".txt", "image": ".png", "video": ".mp4"}[kind]
    saved = result.save(target.with_suffix(suffix), overwrite=True)
    return (saved,) if isinstance(saved, Path) else saved


def _cells(outcomes: Sequence[Outcome]) -> list[Cell]:
    return [_cell(outcome) for outcome in outcomes]


def _cell(outcome: Outcome) -> Cell:
    inputs = tuple(outcome.media.medium(handle) for handle, _ in outcome.media.attachments)
    text = outcome.sample.text
    if outcome.result is None:
        said = f"failed: {outcome.error}"
        return Cell(outcome.sample.task, text, inputs, answer=said)
    last = outcome.result.steps[-1]
    seconds = outcome.seconds - outcome.result.timings.load_seconds  # the first one loads for all
    footer = f"{granted_words(last.granted)}, {seconds:.1f} s"
    outputs = tuple(artifact.medium for artifact in last.artifacts)
    return Cell(last.call.task, text, inputs, outputs, last.text, footer)
