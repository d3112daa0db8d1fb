"""Something that is made at its first use; it does not know what."""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from unison_agent.progress import Progress, silent

T = TypeVar("T")


class Lazy(Generic[T]):
    """Made once, by whichever thread asks first; a failure is raised, and the next to ask tries again.

    Args:
        make: Makes it, and tells how far it is.
    """

    def __init__(self, make: Callable[[Progress], T]) -> None:
        self._make = make
        self._lock = Lock()
        self._made: list[T] = []

    def __call__(self, progress: Progress = silent) -> T:
        """Return it, making it the first time."""
        with self._lock:
            if not self._made:
                self._made.append(self._make(progress))
            return self._made[0]
