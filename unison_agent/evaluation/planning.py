"""How well requests were planned: figures from wanted and found steps; it runs no model and prints nothing.

The words of a call (its prompt or question) have no one right cut. So they do not count for the exact match;
they have a figure of their own, and their own lines among the fields.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from statistics import fmean

from unison_agent.evaluation.calibration import expected_error
from unison_agent.evaluation.planning_cases import WORDS, Case, FieldValue, Step

NO_PLAN = "no plan"
_TOKEN = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]"
    "|[^\\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case.

    Attributes:
        case: What was asked and wanted.
        steps: What was found; none when there was no plan.
        error: Why there was none.
        confidence: What the plan says of itself.
        raw: The confidence before calibration.
        passes: Forward passes of the model, where it counts them.
        seconds: Time that planning took.
        written: What the model wrote, where it was recorded.
    """

    case: Case
    steps: tuple[Step, ...]
    error: str = ""
    confidence: float | None = None
    raw: float | None = None
    passes: int | None = None
    seconds: float = 0.0
    written: str = ""

    @property
    def valid(self) -> bool:
        """Whether there was a plan."""
        return bool(self.steps)

    @property
    def task(self) -> str:
        """The task of the first step that was found."""
        return self.steps[0].task if self.steps else NO_PLAN

    @property
    def steps_right(self) -> bool:
        """Whether there are as many steps as wanted, of the tasks that were wanted."""
        return [step.task for step in self.steps] == [step.task for step in self.case.steps]

    @property
    def right(self) -> bool:
        """Whether all is as wanted, the words aside."""
        return self.steps_right and all(
            stated(found) == stated(wanted)
            for found, wanted in zip(self.steps, self.case.steps, strict=True)
        )


@dataclass(frozen=True, slots=True)
class FieldScore:
    """How often a field was right.

    Attributes:
        right: Times it was found with the value that was wanted.
        found: Times it was found.
        wanted: Times it was wanted.
    """

    right: int
    found: int
    wanted: int

    @property
    def precision(self) -> float | None:
        """Share of what was found that is right; None when nothing was found."""
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """Share of what was wanted that was found right; None when nothing was wanted."""
        return self.right / self.wanted if self.wanted else None


@dataclass(frozen=True, slots=True)
class Scores:
    """How one group of requests was planned; shares are from 0 to 1.

    Attributes:
        requests: How many.
        valid: Share with a plan.
        task: Share with the right task of the first step.
        steps: Share with as many steps as wanted, each of the right task.
        exact: Share with all steps and all fields right, prompt and question aside.
        span_f1: Mean F1 of the words of prompt or question, where one is wanted; None when nowhere.
        spans: How many prompts and questions are wanted.
        stated: All fields together, prompt and question aside.
        passes: Mean forward passes.
        milliseconds: Mean time.
        calibration_error: Expected calibration error of the confidence in 10 bins.
    """

    requests: int
    valid: float
    task: float
    steps: float
    exact: float
    span_f1: float | None
    spans: int
    stated: FieldScore
    passes: float | None
    milliseconds: float
    calibration_error: float | None


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often one task was taken for another."""

    wanted: str
    found: str
    count: int


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one evaluation.

    Attributes:
        total: Of all requests.
        tasks: Of the requests of each task.
        slices: Of the requests of each slice.
        fields: Of each field, prompt and question too.
        confusions: Of the first steps, most frequent first.
        outcomes: What they were made from.
    """

    total: Scores
    tasks: Mapping[str, Scores]
    slices: Mapping[str, Scores]
    fields: Mapping[str, FieldScore]
    confusions: tuple[Confusion, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def mistakes(self) -> tuple[Outcome, ...]:
        """The outcomes that are not right."""
        return tuple(outcome for outcome in self.outcomes if not outcome.right)


def report(outcomes: Sequence[Outcome]) -> Report:
    """Return all figures of these outcomes."""
    counted = Counter(
        (outcome.case.task, outcome.task)
        for outcome in outcomes
        if outcome.case.task != outcome.task
    )
    return Report(
        total=score(outcomes),
        tasks=_grouped(outcomes, lambda outcome: (outcome.case.task,)),
        slices=_grouped(outcomes, lambda outcome: outcome.case.slices),
        fields=field_scores(outcomes),
        confusions=tuple(Confusion(*pair, count) for pair, count in counted.most_common()),
        outcomes=tuple(outcomes),
    )


def score(outcomes: Sequence[Outcome]) -> Scores:
    """Return the figures of one group of outcomes."""
    spans = [f1 for outcome in outcomes for f1 in span_scores(outcome)]
    fields = field_scores(outcomes)
    stated_only = [field for name, field in fields.items() if name not in WORDS]
    passes = [outcome.passes for outcome in outcomes if outcome.passes is not None]
    sure = [
        (outcome.confidence, outcome.right)
        for outcome in outcomes
        if outcome.confidence is not None
    ]
    return Scores(
        requests=len(outcomes),
        valid=_share(outcome.valid for outcome in outcomes),
        task=_share(outcome.task == outcome.case.task for outcome in outcomes),
        steps=_share(outcome.steps_right for outcome in outcomes),
        exact=_share(outcome.right for outcome in outcomes),
        span_f1=fmean(spans) if spans else None,
        spans=len(spans),
        stated=FieldScore(
            sum(field.right for field in stated_only),
            sum(field.found for field in stated_only),
            sum(field.wanted for field in stated_only),
        ),
        passes=fmean(passes) if passes else None,
        milliseconds=1000 * fmean(outcome.seconds for outcome in outcomes) if outcomes else 0.0,
        calibration_error=expected_error(sure) if sure else None,
    )


def stated(step: Step) -> dict[str, FieldValue]:
    """Return the fields of a step without its prompt or question."""
    return {name: value for name, value in step.fields.items() if name not in WORDS}


def field_scores(outcomes: Iterable[Outcome]) -> dict[str, FieldScore]:
    """Return how often each field was right; a field of a step too many is found and not wanted."""
    right: Counter[str] = Counter()
    found: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for outcome in outcomes:
        for got, want in _pairs(outcome):
            found.update(got.fields.keys())
            wanted.update(want.fields.keys())
            right.update(name for name in got.fields if want.fields.get(name) == got.fields[name])
    return {
        name: FieldScore(right[name], found[name], wanted[name]) for name in sorted(found | wanted)
    }


def span_scores(outcome: Outcome) -> list[float]:
    """Return the F1 of the words of each prompt or question that the case wants."""
    scores: list[float] = []
    for got, want in _pairs(outcome):
        words = _words(want)
        if words:
            # Words that are left out mean the whole request.
            heard = _words(got) or (outcome.case.request.text if got.task else "")
            scores.append(token_f1(heard, words))
    return scores


def token_f1(found: str, wanted: str) -> float:
    """Return the F1 of the words of two texts, whatever their case; 1 when both have none."""
    got, want = (Counter(_TOKEN.findall(text.casefold())) for text in (found, wanted))
    common = (got & want).total()
    if not got and not want:
        return 1.0
    return 2 * common / (got.total() + want.total())


def _pairs(outcome: Outcome) -> Iterator[tuple[Step, Step]]:
    """Yield what was found and what was wanted at each place; a step without a task is none."""
    yield from zip_longest(outcome.steps, outcome.case.steps, fillvalue=Step("", {}))


def _words(step: Step) -> str:
    return next((str(step.fields[name]) for name in WORDS if name in step.fields), "")


def _grouped(
    outcomes: Iterable[Outcome], names: Callable[[Outcome], tuple[str, ...]]
) -> dict[str, Scores]:
    groups: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        for name in names(outcome):
            groups[name].append(outcome)
    return {name: score(group) for name, group in sorted(groups.items())}


def _share(values: Iterable[bool]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
