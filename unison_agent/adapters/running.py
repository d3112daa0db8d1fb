"""One run of a diffusers pipeline, whichever: what goes wrong in it, what it leaves, what it made; it knows no tasks."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unison_agent.adapters.step_report import PIPELINE_ERRORS, StepReport
from unison_agent.errors import GenerationError, UnisonError


class Offloaded(Protocol):
    """A pipeline whose models may rest elsewhere than where they run."""

    def maybe_free_model_hooks(self) -> None:
        """Bring offloaded models back to rest."""
        ...


@contextmanager
def running(pipe: Offloaded, report: StepReport, name: str, *, smaller: str) -> Generator[None]:
    """Run a pipeline within it, so that the next run finds it as this one did, however this one ends.

    Args:
        pipe: What is run.
        report: Told of its steps; what stops the run there is raised as it is.
        name: What to call the pipeline in errors.
        smaller: What to ask for when memory is short.

    Raises:
        GenerationError: The pipeline failed.
    """
    finished = False
    try:
        yield
        finished = True
    except PIPELINE_ERRORS as error:
        if error is report.stopped or isinstance(error, UnisonError):
            raise
        raise failed(name, error, smaller=smaller) from error
    finally:
        if not finished:
            pipe.maybe_free_model_hooks()


def failed(name: str, error: Exception, *, smaller: str) -> GenerationError:
    """Return the error of a pipeline that failed with `error`."""
    msg = f"{name} failed: {type(error).__name__}: {str(error).rstrip('.')}."
    return GenerationError(msg, hint=smaller if "memory" in str(error) else None)


def as_pixels(made: object, expected: tuple[int, ...], name: str) -> NDArray[np.uint8]:
    """Return what a pipeline made, 0 to 1, as 0 to 255.

    Args:
        made: An array of the shape [..., height, width, 3].
        expected: The shape that was granted.
        name: What to call the pipeline in errors.

    Raises:
        GenerationError: It has another shape, or values that are not numbers.
    """
    values = np.asarray(made, dtype=np.float32)
    if values.shape != expected:
        raise GenerationError(f"{name} made an array of shape {values.shape}, expected {expected}.")
    if not np.isfinite(values).all():
        msg = f"{name} made values that are not numbers."
        raise GenerationError(msg, hint="Try dtype = 'float32' in the tool pack, or less guidance.")
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


def check_shown(pixels: NDArray[np.uint8], name: str) -> None:
    """Refuse what shows nothing, as broken numbers end: a text to draw, a frame or a map gives more than that.

    Args:
        pixels: Shape [num_frames, height, width, 3].
        name: What to call the pipeline in errors.

    Raises:
        GenerationError: All of it is of one colour.
    """
    if (pixels == pixels[0, 0, 0]).all():
        what = "a picture" if len(pixels) == 1 else "a clip"
        msg = f"{name} made {what} of one flat colour."
        raise GenerationError(msg, hint="Try dtype = 'float32' in the tool pack, or another seed.")
