import random
from pathlib import Path

import pytest

from unison_agent.errors import OutputError, RequestError
from unison_agent.evaluation.calibration import (
    expected_error,
    fit,
    fit_line,
    save,
)
from unison_agent.planning.planner import Calibration


def overconfident(count: int, power: float) -> list[tuple[float, bool]]:
    """Plans that are right with probability raw**power, so that log odds are no straight line of log raw."""
    rng = random.Random(3)
    raws = [rng.uniform(0.2, 1.0) for _ in range(count)]
    return [(raw, rng.random() < raw**power) for raw in raws]


def test_expected_error_of_hand_made_bins():
    assert expected_error([]) == 0.0
    assert expected_error([(1.0, True), (1.0, True)]) == 0.0
    # Two bins: |0.55 - 1| and |0.95 - 0|, each half of the cases.
    assert expected_error([(0.55, True), (0.95, False)]) == pytest.approx((0.45 + 0.95) / 2)
    # In one bin errors cancel.
    assert expected_error([(0.5, True), (0.5, False)]) == 0.0


def test_the_line_is_found_again():
    rng = random.Random(1)
    line = Calibration(slope=2.0, intercept=1.5)
    cases: list[tuple[float, bool]] = []
    for _ in range(4000):
        raw = rng.uniform(0.01, 1.0)
        cases.append((raw, rng.random() < line.confidence(raw)))
    slope, intercept = fit_line(cases)
    assert slope == pytest.approx(2.0, abs=0.25)
    assert intercept == pytest.approx(1.5, abs=0.25)


def test_fitting_lowers_the_error_of_cases_that_it_did_not_see():
    found = fit(overconfident(1000, 4.0))
    assert (found.fitted, found.tested) == (500, 500)
    assert found.error_before > 0.15
    assert found.error_after < 0.07


@pytest.mark.parametrize("right", [True, False])
def test_all_right_or_all_wrong_is_still_finite(right: bool):
    assert all(abs(value) < 50 for value in fit_line([(0.5 + i / 100, right) for i in range(40)]))


def test_surer_plans_that_are_worse_are_refused():
    with pytest.raises(RequestError, match="surer ones are not the better"):
        fit([(0.2 + i / 60, i < 20) for i in range(40)])


def test_too_few_plans_are_refused():
    with pytest.raises(RequestError, match="at least 20 plans"):
        fit([(0.5, True)] * 19)


def test_a_fit_is_written_where_it_is_read(tmp_path: Path):
    path = tmp_path / "calibration.json"
    line = Calibration(slope=1.5, intercept=-0.25)
    save(line, path)
    assert Calibration.load(path) == line
    with pytest.raises(OutputError, match="does not exist"):
        save(line, tmp_path / "absent" / "calibration.json")
