"""Whether a confidence means what it says, and the line that makes it so; it plans nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unison_agent.errors import RequestError
from unison_agent.planning.planner import Calibration
from unison_agent.result.saving import check_targets, write_whole

BINS = 10
_FEWEST = 20
_SMALLEST = 1e-12
# Pulls the slope towards 1 as a handful of cases would: all right or all wrong still has a finite answer.
_STIFFNESS = 0.1
_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted calibration and what it does to cases that it was not fitted to.

    Attributes:
        calibration: The line.
        fitted: Cases that it was fitted to.
        tested: Cases that it was tested on.
        error_before: Expected calibration error of the raw confidence on the tested cases.
        error_after: The same of the calibrated confidence.
    """

    calibration: Calibration
    fitted: int
    tested: int
    error_before: float
    error_after: float


def expected_error(cases: Sequence[tuple[float, bool]], *, bins: int = BINS) -> float:
    """Return the expected calibration error of (confidence, right) pairs, in bins of equal width."""
    if not cases:
        return 0.0
    confidence = np.array([sure for sure, _ in cases], np.float64)
    right = np.array([good for _, good in cases], np.float64)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(float((right - confidence)[place == index].sum())) for index in range(bins)]
    return sum(gaps) / len(cases)


def fit_line(cases: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """Return slope and intercept of the logistic regression of `right` on the log of the raw confidence."""
    logs = np.log(np.maximum([raw for raw, _ in cases], _SMALLEST))
    right = np.array([good for _, good in cases], np.float64)
    features = np.stack([logs, np.ones_like(logs)], axis=1)
    start = np.array([1.0, 0.0])
    weights: NDArray[np.float64] = start
    stiffness = _STIFFNESS * np.eye(2)

    def loss(values: NDArray[np.float64]) -> float:
        scores = features @ values
        return float(
            (np.logaddexp(0, scores) - right * scores).sum()
            + 0.5 * _STIFFNESS * ((values - start) ** 2).sum()
        )

    for _ in range(_ROUNDS):
        likely = 1 / (1 + np.exp(-np.clip(features @ weights, -500, 500)))
        slope = features.T @ (likely - right) + _STIFFNESS * (weights - start)
        curve = features.T @ (features * (likely * (1 - likely))[:, None]) + stiffness
        step = np.asarray(np.linalg.solve(curve, slope), np.float64)
        # Newton may jump too far where the curve is flat.
        size = 1.0
        while loss(weights - size * step) > loss(weights) and size > 1e-6:
            size /= 2
        weights = weights - size * step
        if np.abs(step).max() < 1e-9:
            break
    return float(weights[0]), float(weights[1])


def fit(cases: Sequence[tuple[float, bool]]) -> Fit:
    """Fit to every other case and test on the rest; the order of the cases decides which is which.

    Raises:
        RequestError: There are too few cases, or surer plans are not the better ones.
    """
    if len(cases) < _FEWEST:
        msg = f"A calibration needs at least {_FEWEST} plans with a confidence, got {len(cases)}."
        raise RequestError(msg, hint="Name more benchmark files, and raise --limit.")
    half, rest = cases[::2], cases[1::2]
    slope, intercept = fit_line(half)
    if slope <= 0:
        msg = f"The slope is {slope:.3f}: among these {len(half)} plans the surer ones are not the better."
        raise RequestError(msg, hint="Fit on more requests, of which some are planned wrong.")
    found = Calibration(slope=round(slope, 6), intercept=round(intercept, 6))
    after = [(found.confidence(raw), good) for raw, good in rest]
    return Fit(found, len(half), len(rest), expected_error(rest), expected_error(after))


def save(found: Calibration, path: Path) -> None:
    """Write a calibration where a profile's planner reads it; an older file is replaced.

    Raises:
        OutputError: It cannot be written.
    """
    check_targets([path], overwrite=True)
    write_whole([(path, f"{found.model_dump_json()}\n".encode())], overwrite=True)
