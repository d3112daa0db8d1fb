"""What loading any pipeline takes: a device, no bars on the terminal, no idle advice; it knows no pipelines."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from unison_agent.errors import DownloadError, WeightsError

LOAD_ERRORS = (OSError, ValueError, TypeError, RuntimeError, KeyError, AttributeError, ImportError)
"""What diffusers and transformers raise when weights cannot be loaded."""


def default_device() -> str:
    """Return ``"cuda"`` when there is one, else ``"cpu"``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def quiet() -> Generator[None]:
    """Keep diffusers and transformers from drawing bars: loading is told through `Progress`."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    both = (diffusers_logging, transformers_logging)
    shown = [log for log in both if log.is_progress_bar_enabled()]
    for log in shown:
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log in shown:
            log.enable_progress_bar()


class _Advice(logging.Filter):
    """Drops what a library says to itself."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words

    def filter(self, record: logging.LogRecord) -> bool:
        return self.words not in record.getMessage()


def ignore_advice(logger: str, words: str) -> None:
    """Keep messages with these words out of a library's log, from now on."""
    log = logging.getLogger(logger)
    if not any(isinstance(known, _Advice) and known.words == words for known in log.filters):
        log.addFilter(_Advice(words))


def not_loaded(place: str, kind: str, error: Exception, *, from_hub: bool) -> WeightsError:
    """Return the error of weights that could not be loaded as `kind`; a DownloadError where the hub is the cause."""
    msg = f"{place} could not be loaded as {kind}: {str(error).rstrip('.')}."
    if from_hub and isinstance(error, OSError):
        hint = "Check the network, the revision and whether you may read the repository."
        return DownloadError(msg, hint=hint)
    return WeightsError(msg)
