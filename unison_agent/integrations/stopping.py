"""Work in a thread that stops when whoever waits for it is cancelled; it does not know what the work is."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from unison_agent.errors import RunCancelledError
from unison_agent.progress import Progress, ProgressEvent, silent

T = TypeVar("T")
# Long work has threads of its own, so that quick work in those of the event loop need not wait for it.
_THREADS = ThreadPoolExecutor(64, "unison-call")


async def run_stoppable(work: Callable[[Progress], T], progress: Progress | None = None) -> T:
    """Do work in a thread; when the task that waits is cancelled, the work ends with its next step.

    Args:
        work: Called in the thread with the listener that stops it.
        progress: Told, in the thread, of what the listener is told.

    Raises:
        CancelledError: The task was cancelled; the thread may still be at its last step.
    """
    cancelled = Event()
    tell = progress or silent

    def listen(event: ProgressEvent) -> None:
        if cancelled.is_set():
            raise RunCancelledError("The call was cancelled by who made it.")
        tell(event)

    try:
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        return await loop.run_in_executor(_THREADS, lambda: context.run(work, listen))
    finally:
        cancelled.set()
