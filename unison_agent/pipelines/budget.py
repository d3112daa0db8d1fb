"""How much the loaded pipelines may weigh: the one not used for longest goes first; it does not know what they are.

A pipeline is lent while it runs, and what is lent is never released. Sizes are those of loaded weights, in
bytes; who does not know them yet learns them in main memory, before anything moves to a device.
"""

import gc
import os
import sys
from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition, Lock, get_ident
from typing import TypeVar, cast

from unison_agent.errors import MachineError
from unison_agent.progress import Progress, ProgressEvent, silent

T = TypeVar("T")
Admit = Callable[[int], None]
"""Called with the bytes of weights that are in main memory, before they move; it may release others, or wait."""
Make = Callable[[Admit], T]
ENVIRONMENT = "UNISON_AGENT_MEMORY_BUDGET_GB"
_GB = 1e9
_RAISE = f"Raise memory_budget_gb or {ENVIRONMENT}, or set memory switches in the tool pack."


@dataclass(frozen=True, slots=True)
class LoadedModels:
    """Models that are loaded.

    Attributes:
        name: Of the pipeline that they are.
        gigabytes: Of their weights, 10^9 bytes each.
        in_use: Whether something runs on them now.
    """

    name: str
    gigabytes: float
    in_use: bool

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.name}: {self.gigabytes:.3g} GB{', in use' if self.in_use else ''}"


@dataclass(slots=True, eq=False)
class _Entry:
    """One pipeline; `users` are the threads it is lent to."""

    name: str
    value: object | None = None
    size: int = 0
    users: list[int] = field(default_factory=list[int])
    waits: bool = False
    forgotten: bool = False
    loading: Lock = field(default_factory=Lock)


class MemoryBudget:
    """Keeps pipelines as long as they fit; safe to call from threads.

    Args:
        gigabytes: What all weights may take together, 10^9 bytes each; None sets no limit.

    Raises:
        MachineError: It is not above 0.
    """

    def __init__(self, gigabytes: float | None = None) -> None:
        if gigabytes is not None and not gigabytes > 0:
            msg = f"A memory budget is above 0 GB, got {gigabytes:g}."
            raise MachineError(msg, hint="Leave it out for no limit.")
        self._bytes = None if gigabytes is None else round(gigabytes * _GB)
        self._changed = Condition()
        self._entries: dict[Hashable, _Entry] = {}  # the one not used for longest first
        self._known: dict[Hashable, int] = {}

    @classmethod
    def of(cls, stated: float | None, of_pack: float | None = None) -> "MemoryBudget":
        """Return the budget that is stated, else that of the environment, else that of the pack.

        Raises:
            MachineError: It is no number above 0.
        """
        text = os.environ.get(ENVIRONMENT, "").strip()
        if stated is not None or not text:
            return cls(of_pack if stated is None else stated)
        try:
            return cls(float(text))
        except ValueError as error:
            msg = f"{ENVIRONMENT} is {text!r}, expected a number of GB."
            raise MachineError(msg) from error

    @property
    def loaded(self) -> tuple[LoadedModels, ...]:
        """What is loaded, the one not used for longest first."""
        with self._changed:
            return tuple(
                LoadedModels(entry.name, entry.size / _GB, bool(entry.users))
                for entry in self._entries.values()
                if entry.value is not None
            )

    @contextmanager
    def lend(
        self, key: Hashable, name: str, make: Make[T], progress: Progress = silent
    ) -> Generator[T]:
        """Lend what `make` makes, which is called if it is not loaded.

        Args:
            key: What it is; equal keys share one object.
            name: What to call it.
            make: Loads it; calls its argument before weights move to a device.
            progress: Told of what is released.

        Raises:
            MachineError: It cannot fit into the budget.
        """
        with self._changed:
            entry = self._entries.pop(key, None) or _Entry(name)
            self._entries[key] = entry  # the last used
            entry.users.append(get_ident())
        try:
            with entry.loading:  # others wait for this one only, and then find it
                if entry.value is None:
                    entry.value = self._made(key, entry, make, progress)
            yield cast("T", entry.value)
        finally:
            with self._changed:
                entry.users.remove(get_ident())
                idle = not entry.users
                if idle and (entry.forgotten or entry.value is None):
                    self._drop(entry)
                elif self._entries.get(key) is entry:
                    self._entries[key] = self._entries.pop(key)
                self._changed.notify_all()

    def _made(self, key: Hashable, entry: _Entry, make: Make[T], progress: Progress) -> T:
        try:
            # Known from the time before: then others go before it is read, not after.
            self._admit(entry, self._known.get(key, 0), progress)
            made = make(lambda size: self._admit(entry, size, progress))
        except BaseException:
            with self._changed:
                entry.size = 0
            raise
        self._known[key] = entry.size
        return made

    def grow(self, key: Hashable, size: int, progress: Progress = silent) -> None:
        """Count what was loaded to one that is lent.

        Args:
            key: What grows.
            size: Bytes of all its weights.
            progress: Told of what is released.

        Raises:
            MachineError: It does not fit into the budget any more.
        """
        with self._changed:
            entry = self._entries.get(key)
        if entry is not None:
            self._admit(entry, size, progress)
            self._known[key] = size

    def forget(self, keys: Callable[[Hashable], bool] = lambda _: True) -> None:
        """Release what is idle now, and the rest when it is idle."""
        with self._changed:
            for key in [key for key in self._entries if keys(key)]:
                entry = self._entries[key]
                entry.forgotten = True
                if not entry.users:
                    self._drop(entry)
            self._changed.notify_all()
        _collect()

    def _drop(self, entry: _Entry) -> None:
        self._entries = {key: one for key, one in self._entries.items() if one is not entry}
        entry.value, entry.size = None, 0

    def _admit(self, entry: _Entry, size: int, progress: Progress) -> None:
        """Give `entry` room for `size` bytes, releasing what is idle and waiting for what is not."""
        while True:
            with self._changed:
                others = [one for one in self._entries.values() if one is not entry and one.size]
                taken = sum(one.size for one in others)
                if self._bytes is None or taken + size <= self._bytes:
                    entry.size, entry.waits = size, False
                    return
                oldest = next((one for one in others if not one.users), None)
                if oldest is None:
                    self._check_waiting(entry, size, others)
                    entry.waits = True
                    self._changed.wait(timeout=1.0)
                    continue
                name, freed = oldest.name, oldest.size
                self._drop(oldest)
            _collect()
            progress(ProgressEvent("release", 1, 1, f"{name}, {freed / _GB:.3g} GB"))

    def _check_waiting(self, entry: _Entry, size: int, others: list[_Entry]) -> None:
        budget = (self._bytes or 0) / _GB
        if not others:
            msg = f"{entry.name} takes {size / _GB:.3g} GB, the budget is {budget:.3g} GB."
            raise MachineError(msg, hint=_RAISE)
        mine = get_ident()
        if any(mine in one.users for one in others) or all(one.waits for one in others):
            names = ", ".join(one.name for one in others)
            msg = (
                f"{entry.name} takes {size / _GB:.3g} GB; with {names} in use it is more than the "
                f"budget of {budget:.3g} GB."
            )
            raise MachineError(msg, hint=_RAISE)


def _collect() -> None:
    """Give back the memory of what nobody holds any more; diffusers' pipelines hold themselves."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
