"""Does something once for each key, whoever asks and however often; it does not know what."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Remembers what was given for the latest keys; a failure is raised to all who wait, and forgotten.

    Args:
        most: How many keys are remembered.
    """

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._given: OrderedDict[Hashable, Future[T]] = OrderedDict()
        self._lock = Lock()

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` gave for this key; who asks meanwhile waits for it."""
        with self._lock:
            future = self._given.get(key)
            is_first = future is None
            if future is None:
                future = self._given[key] = Future()
                while len(self._given) > self._most:
                    self._given.popitem(last=False)
        if not is_first:
            return future.result()
        try:
            made = make()
        except BaseException as error:
            with self._lock:
                if self._given.get(key) is future:
                    del self._given[key]
            future.set_exception(error)
            raise
        future.set_result(made)
        return made
