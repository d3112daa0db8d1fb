"""Which of several tools runs a call, and why that one; it loads nothing and runs nothing.

In this order: what the tool can do at all, whether it was made for what is to be drawn, how little of what is
asked it would change, and how long it takes where that was measured. What is left is the order of the packs.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import log
from typing import NoReturn

from unison_agent.errors import MissingInputError, NegotiationError, RequestError
from unison_agent.forecast import Cost, seconds_here
from unison_agent.negotiate import Basis, negotiate
from unison_agent.router.roles import check_target, edited_by_words
from unison_agent.specs import ToolSpec
from unison_agent.tasks import (
    Adjustment,
    Choice,
    GrantedTask,
    Mode,
    RejectedTool,
    TaskCall,
    TextToImage,
    TextToVideo,
)

_LEAST_DIFFERENCE = 1e-9


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A tool that can do what is asked, or something near."""

    spec: ToolSpec
    granted: GrantedTask
    in_domain: bool


def choose(
    call: TaskCall,
    specs: Sequence[ToolSpec],
    *,
    mode: Mode = "nearest",
    basis: Basis | None = None,
    default_seed: int = 0,
    max_new_tokens: int | None = None,
    lacking: Sequence[str] = (),
    machine: str | None = None,
    costs: Sequence[Cost] | None = None,
) -> GrantedTask:
    """Return what the best of some tools will do, with the choice and its reason in it.

    Args:
        call: What is asked.
        specs: The tools that serve its task, in the order of their packs; one at least.
        mode: As for `negotiate`. Where stated values may not change, a tool that changes none comes first.
        basis: As for `negotiate`.
        default_seed: As for `negotiate`.
        max_new_tokens: As for `negotiate`.
        lacking: The packs that do not serve the task, for messages.
        machine: As for `forecast`.
        costs: As for `forecast`.

    Raises:
        MissingInputError: All of them need a mask, or the name of what to change.
        NegotiationError: No tool can do it, and values or counts are why; or `mode` forbids the changes.
        RequestError: No tool can do it.
    """
    refused: list[tuple[ToolSpec, RequestError]] = []
    able: list[_Candidate] = []
    for spec in specs:
        try:
            check_target(call, edited_by_words([spec]))
            granted = negotiate(
                call, spec, basis=basis, default_seed=default_seed, max_new_tokens=max_new_tokens
            )
            able.append(_Candidate(spec, granted, _in_domain_of(spec, call)))
        except RequestError as error:
            refused.append((spec, error))
    if not able:
        _refuse(call, refused, lacking)
    rejected = [RejectedTool(tool=spec.name, reason=error.message) for spec, error in refused]
    best, reason, others = _best(able, mode, machine, costs)
    if mode != "nearest":
        negotiate(call, best.spec, mode=mode, basis=basis, default_seed=default_seed)
    choice = Choice(reason=reason, rejected=(*others, *rejected))
    return best.granted.model_copy(update={"choice": choice})


def _best(
    able: Sequence[_Candidate], mode: Mode, machine: str | None, costs: Sequence[Cost] | None
) -> tuple[_Candidate, str, list[RejectedTool]]:
    """Return the best, why it is, and why each of the others is not: by the first thing that told them apart."""
    left, rejected = list(able), list[RejectedTool]()
    reason = f"{able[0].spec.name} alone can do this."
    for sieve in _sieves(mode, machine, costs):
        if len(left) < 2:
            break
        kept, because, against = sieve(left)
        if len(kept) < len(left):
            reason = because.format(" and ".join(one.spec.name for one in kept))
            lost = [one for one in left if one not in kept]
            rejected += [RejectedTool(tool=one.spec.name, reason=against(one)) for one in lost]
            left = kept
    return left[0], reason, rejected


_Sieved = tuple[list[_Candidate], str, Callable[[_Candidate], str]]
"""Who is left, why, with {} for who that is, and why another is not."""


def _sieves(
    mode: Mode, machine: str | None, costs: Sequence[Cost] | None
) -> Iterator[Callable[[list[_Candidate]], _Sieved]]:
    if mode != "nearest":
        yield _as_stated
    yield from (_in_domain, _fewest_changes, _smallest_changes)
    yield partial(_quickest, machine=machine, costs=costs)
    yield _first


def _as_stated(left: list[_Candidate]) -> _Sieved:
    kept = [one for one in left if not one.granted.adjustments]
    return kept or left, "{} can do it exactly as stated.", _would_change


def _in_domain(left: list[_Candidate]) -> _Sieved:
    kept = [one for one in left if one.in_domain]
    against = "the prompt names nothing that it draws."
    return kept or left, "{} can draw what the prompt names.", lambda _: against


def _fewest_changes(left: list[_Candidate]) -> _Sieved:
    counts = [len(one.granted.adjustments) for one in left]
    kept = [one for one, count in zip(left, counts, strict=True) if count == min(counts)]
    because = "{} changes the least of what is asked."
    return kept, because if min(counts) else "{} can do all that is asked.", _would_change


def _smallest_changes(left: list[_Candidate]) -> _Sieved:
    sizes = [sum(map(_size, one.granted.adjustments)) for one in left]
    most = min(sizes) + _LEAST_DIFFERENCE
    kept = [one for one, size in zip(left, sizes, strict=True) if size <= most]
    return kept, "{} changes what is asked by the least.", _would_change


def _quickest(left: list[_Candidate], machine: str | None, costs: Sequence[Cost] | None) -> _Sieved:
    """Compare times where all were measured on a machine like this; others cannot be compared."""
    seconds = [
        seconds_here(one.granted, switches=one.spec.switched, machine=machine, costs=costs)
        for one in left
    ]
    known = {
        one.spec.name: time for one, time in zip(left, seconds, strict=True) if time is not None
    }
    if len(known) < len(left):
        return left, "", str
    least = min(known.values())
    return (
        [one for one in left if known[one.spec.name] == least],
        f"{{}} is the quickest that can do it, about {least:.1f} s as measured on such a machine.",
        lambda one: f"it would take about {known[one.spec.name]:.1f} s.",
    )


def _first(left: list[_Candidate]) -> _Sieved:
    because = "{} comes first of the packs that can do it equally well."
    return left[:1], because, lambda _: "it can do it as well, and its pack comes later."


def _would_change(one: _Candidate) -> str:
    changes = (
        f"{change.field.replace('_', ' ')} {change.asked} to {change.granted}"
        for change in one.granted.adjustments
    )
    return f"it would change {', '.join(changes)}."


def _in_domain_of(spec: ToolSpec, call: TaskCall) -> bool:
    """Whether the tool draws what the prompt names; other tasks get their things from media."""
    alone = isinstance(call, TextToImage | TextToVideo)
    return not alone or spec.domain is None or spec.domain.knows(call.prompt)


def _size(change: Adjustment) -> float:
    """Return how far what is granted lies from what was asked: the sum of the logarithms of the factors."""
    asked, granted = _numbers(change.asked), _numbers(change.granted)
    if change.rule == "aspect_ratio" and len(asked) == len(granted) == 2:
        return abs(log(asked[0] * granted[1] / (asked[1] * granted[0])))
    if not asked or len(asked) != len(granted):
        return 1.0  # a name, or something left out
    return sum(abs(log(one / other)) for one, other in zip(asked, granted, strict=True))


def _numbers(value: object) -> list[float]:
    found = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", str(value))]
    return found if all(found) else []


def _refuse(
    call: TaskCall, refused: Sequence[tuple[ToolSpec, RequestError]], lacking: Sequence[str]
) -> NoReturn:
    """Raise what is wrong: one error that names the reason of each."""
    errors = [error for _, error in refused]
    if all(isinstance(error, MissingInputError) for error in errors):
        raise errors[0]
    reasons = [f"{spec.name}: {error.message.rstrip('.')}" for spec, error in refused]
    reasons += [f"{pack}: it serves no {call.task}" for pack in lacking]
    msg = f"No pack can do this {call.task}: {'; '.join(reasons)}."
    kind = (
        NegotiationError if any(isinstance(e, NegotiationError) for e in errors) else RequestError
    )
    raise kind(msg, hint="Ask for something nearer to that, or add a pack that can.")
