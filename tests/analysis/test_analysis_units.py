"""What units tell of the error of a sum over a sum: against leaving each out, and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.units import company, effective, freedom, grouped, ratio, student


def test_the_variance_is_that_of_leaving_each_unit_out() -> None:
    rng = np.random.default_rng(1)
    above, below = rng.gamma(2.0, size=12), rng.uniform(1.0, 9.0, 12)
    found = ratio(above, below)
    without = np.array([np.delete(above, i).sum() / np.delete(below, i).sum() for i in range(12)])
    assert found.value == pytest.approx(above.sum() / below.sum())
    assert found.off == pytest.approx(found.value - without)
    assert found.variance == pytest.approx(11.0 / 12.0 * ((without - found.value) ** 2).sum())


def test_units_of_a_size_have_a_degree_of_freedom_less_than_they_are() -> None:
    flat = np.tile([1.0, -1.0], 10)
    assert freedom(np.full(20, 7.0), flat) == pytest.approx(19.0)
    assert freedom(np.full(20, 7.0), np.zeros(20)) == pytest.approx(19.0)
    assert freedom(np.r_[np.full(19, 1.0), 19.0], flat) == pytest.approx(38.0**2 / 380.0 - 1.0)
    assert freedom(np.full(20, 7.0), np.r_[1.0, np.zeros(19)]) == pytest.approx(2.0 / 0.95)  # all of it rests on one


def test_company_is_who_else_is_there() -> None:
    sizes = grouped(np.repeat([5, 3, 8], [2, 4, 6])).sum(np.ones(12))
    assert sizes.tolist() == [4.0, 2.0, 6.0]
    assert company(sizes, 12) == pytest.approx((2 * 1 + 4 * 3 + 6 * 5) / 12)
    assert company(0.5 * sizes, 12) == pytest.approx(company(sizes, 12))


def test_units_are_worth_as_many_of_a_size() -> None:
    assert effective(np.full(20, 7.0)) == pytest.approx(20.0)
    assert effective(np.r_[np.full(19, 1.0), 19.0]) == pytest.approx(38.0**2 / 380.0)


@pytest.mark.parametrize("of", [1.0, 2.5, 9.0, 80.0])
def test_students_quantile(of: float) -> None:
    assert student(of) == pytest.approx(stats.t.ppf(0.975, of))
    assert student(0.2) == student(1.0)
