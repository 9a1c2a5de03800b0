"""Estimates and their intervals: against numpy and scipy, what must not change them, and what must."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics import estimate, sampled
from analysis.statistics.sampled import Estimate
from analysis.statistics.units import Floats, Units
from benchmarks.intervals import quantile as exact_quantile

Kind = Callable[[Floats, Units], Estimate]
KINDS: dict[str, Kind] = {
    "mean": estimate.mean,
    "p50": lambda x, units: estimate.quantile(x, units, 0.5),
    "p90": lambda x, units: estimate.quantile(x, units, 0.9),
    "share": lambda x, units: estimate.share((x < 1.2).astype(float), np.ones(len(x)), units),
    "share of time": lambda x, units: estimate.share(np.minimum(x, 2.0), np.full(len(x), 2.0), units),
    "rate": lambda x, units: estimate.rate(np.floor(x), np.full(len(x), 0.1), units),
}


def latencies(seed: int, sessions: int = 40, turns: int = 7) -> tuple[Floats, Units]:
    """Lognormal, alike within sessions."""
    rng = np.random.default_rng(seed)
    units = np.repeat(np.arange(sessions), turns)
    return np.exp(0.25 * rng.standard_normal(sessions)[units] + 0.3 * rng.standard_normal(len(units))), units


def ends(found: Estimate) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def width(found: Estimate) -> float:
    low, high = ends(found)
    return high - low


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(0, 12)), min_size=1, max_size=80), st.sampled_from([0.01, 0.5, 0.95, 1.0]))
def test_values_are_numpys(rows: list[tuple[float, int]], q: float) -> None:
    values, units = np.array([v for v, _ in rows]), np.array([u for _, u in rows])
    for found, expected in ((estimate.mean(values, units), values.mean()), (estimate.quantile(values, units, q), np.quantile(values, q))):
        assert found.value == pytest.approx(float(expected), abs=1e-9)
        assert (found.n, found.sessions) == (len(rows), len(set(units.tolist())))
        assert (found.low is None) == (found.high is None) == bool(found.why)
        if found.low is not None and found.high is not None:
            assert found.low <= found.value + 1e-9
            assert found.value <= found.high + 1e-9


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), min_size=1, max_size=80))
def test_shares_stay_within_0_and_1(rows: list[tuple[int, int]]) -> None:
    hits, units = np.array([float(v) for v, _ in rows]), np.array([u for _, u in rows])
    found, others = (estimate.share(x, np.ones(len(rows)), units) for x in (hits, 1.0 - hits))
    assert found.value == pytest.approx(hits.mean())
    if found.low is not None and found.high is not None:
        assert 0.0 <= found.low <= hits.mean() <= found.high <= 1.0
        assert found.low < found.high
        assert ends(others) == pytest.approx((1.0 - found.high, 1.0 - found.low))


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(0, 10_000))
def test_the_order_and_the_names_of_sessions_do_not_matter(kind: str, seed: int) -> None:
    values, units = latencies(seed % 5)
    order = np.random.default_rng(seed).permutation(len(values))
    a, b = KINDS[kind](values, units), KINDS[kind](values[order], -7 * units[order] - 3)
    assert ends(b) == pytest.approx(ends(a))
    assert b.value == pytest.approx(a.value)


@pytest.mark.parametrize("kind", KINDS)
def test_more_sessions_narrow_and_more_of_the_same_turns_do_not(kind: str) -> None:
    values, units = latencies(1, sessions=160)
    once = KINDS[kind](values, units)
    four_times = KINDS[kind](np.tile(values, 4), np.concatenate([units + 1000 * i for i in range(4)]))
    assert width(four_times) == pytest.approx(width(once) / 2.0, rel=0.25 if kind in ("p50", "p90") else 0.15)  # gaps differ
    repeated = KINDS[kind](np.repeat(values, 4), np.repeat(units, 4))
    assert width(repeated) == pytest.approx(width(once), rel=0.25)


@pytest.mark.parametrize("kind", ["mean", "p50", "p90"])
@given(st.floats(0.001, 1000.0))
def test_the_unit_of_a_latency_does_not_matter(kind: str, factor: float) -> None:
    values, units = latencies(2)
    assert ends(KINDS[kind](factor * values, units)) == pytest.approx(tuple(factor * end for end in ends(KINDS[kind](values, units))))


@pytest.mark.parametrize("kind", ["mean", "p50", "share"])
def test_turns_that_resemble_one_another_say_less(kind: str) -> None:
    values, units = latencies(3, sessions=100)
    assert width(KINDS[kind](values, units)) > 1.3 * width(KINDS[kind](values, np.arange(len(units))))


def test_independent_values_have_the_intervals_of_textbooks() -> None:
    values, _ = latencies(4, sessions=400, turns=1)
    alone = np.arange(400)
    shifted = values - 5.0  # negative ones: Student's as it is
    student = stats.t.interval(0.95, 399, shifted.mean(), stats.sem(shifted))
    assert ends(estimate.mean(shifted, alone)) == pytest.approx(student, abs=0.01 * (student[1] - student[0]))
    wilson = stats.binomtest(60, 400).proportion_ci(0.95, "wilson")
    hits = np.r_[np.ones(60), np.zeros(340)]
    assert ends(estimate.share(hits, np.ones(400), alone)) == pytest.approx((wilson.low, wilson.high), abs=0.003)
    for q in (0.5, 0.9):
        low, high = exact_quantile(values.tolist(), q, 0.95)
        assert ends(estimate.quantile(values, alone, q)) == pytest.approx((low, high), rel=0.02)
    poisson = stats.chi2.ppf([0.025, 0.975], [2 * 60, 2 * 61]) / 2.0 / 400.0
    assert ends(estimate.rate(hits, np.ones(400), alone)) == pytest.approx(poisson, rel=0.07)


def test_none_or_all_leave_room() -> None:
    _, units = latencies(5)
    n, nothing = len(units), np.zeros(len(units))
    low, high = ends(estimate.share(nothing, np.ones(n), units))
    assert low == 0.0
    assert 1.0 / n < high < 0.03
    low, high = ends(estimate.rate(nothing, np.full(n, 0.2), units))
    assert low == 0.0
    assert 3.5 < high * 0.2 * n < 8.0  # four events might have been missed, in sessions that are alike twice as many


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (lambda: estimate.mean(np.empty(0), np.empty(0, np.int64)), "nothing was measured"),
        (lambda: estimate.rate(np.ones(9), np.zeros(9), np.arange(9)), "nothing was measured"),
        (lambda: estimate.mean(*latencies(6, sessions=7)), "fewer than 8 sessions"),
        (lambda: estimate.share(np.ones(70), np.ones(70), np.repeat(np.arange(7), 10)), "fewer than 8 sessions"),
        (lambda: estimate.quantile(*latencies(6, sessions=29), 0.95), "too few values beyond p95"),
        (lambda: estimate.quantile(*latencies(6, sessions=200, turns=1), 0.99), "too few values beyond p99"),
        (lambda: estimate.mean(latencies(6)[0] ** 4, latencies(6)[1]), "a tail too long"),
    ],
)
def test_no_interval_says_why(of: Callable[[], Estimate], why: str) -> None:
    found = of()
    assert found.low is None
    assert found.high is None
    assert why in found.why
    assert (found.value is None) == (why == "nothing was measured")


def test_percentiles_have_intervals_where_there_is_enough() -> None:
    for sessions, q in ((15, 0.9), (30, 0.95), (200, 0.99)):
        values, units = latencies(7, sessions=sessions, turns=10)
        ends(estimate.quantile(np.random.default_rng(7).permutation(values), units, q))


@pytest.mark.parametrize(
    ("q", "sizes", "told"),
    [
        (0.9, np.r_[np.full(16, 6), np.full(4, 24)], True),  # worth 12.8 sessions of a size
        (0.9, np.r_[np.full(18, 6), np.full(2, 60)], False),  # worth 6.6
        (0.1, np.r_[np.full(18, 6), np.full(2, 60)], False),
        (0.5, np.r_[np.full(18, 6), np.full(2, 60)], True),
        (0.95, np.r_[np.full(45, 4), np.full(5, 12)], True),  # worth 38
        (0.95, np.r_[np.full(45, 4), np.full(5, 60)], False),  # worth 12.3
        (0.99, np.r_[np.full(180, 8), np.full(20, 80)], True),  # worth 66: of many the size does not matter
    ],
)
def test_a_percentile_takes_sessions_that_are_worth_enough_of_a_size(q: float, sizes: NDArray[np.int64], told: bool) -> None:
    values = np.random.default_rng(9).lognormal(size=int(sizes.sum()))
    found = estimate.quantile(values, np.repeat(np.arange(len(sizes)), sizes), q)
    assert (found.low is not None) == told
    assert found.why == ("" if told else f"too few values beyond p{100 * q:g} for an interval")


def test_far_ends_are_those_of_which_events_were_not_seen() -> None:
    values, units = latencies(10)
    ones = np.ones(len(values))
    for threshold, far_low in ((0.6, False), (2.0, True)):
        found = sampled.share((values < threshold).astype(float), ones, units)
        assert (found.far_low, found.likeness is None) == (far_low, False)
    for q, far_low in ((0.1, True), (0.9, False)):
        of_percentile = sampled.quantile(values, units, q)
        assert (of_percentile.far_low, of_percentile.likeness is None) == (far_low, False)
    assert sampled.rate(np.floor(values), ones, units).likeness is not None
    assert not sampled.rate(np.floor(values), ones, units).far_low
    assert sampled.quantile(values, units, 0.5).likeness is None
    assert sampled.mean(values, units).likeness is None


def test_the_shape_of_a_percentile_is_told_by_the_gaps_in_its_interval() -> None:
    values, units = latencies(11, sessions=100)
    for q in (0.5, 0.9):
        found = sampled.quantile(values, units, q)
        low, high = ends(found.estimate)
        gaps = np.count_nonzero((values > low) & (values <= high)) / 2.0  # on each side
        assert found.shape == pytest.approx(sampled.GAP_FREEDOM * gaps, rel=0.25)


@pytest.mark.parametrize(("q", "digits"), [(0.5, 9), (0.9, 9), (0.9, 1), (0.15, 2)])
def test_the_interval_of_a_percentile_holds_the_values_of_which_the_share_below_may_be_it(q: float, digits: int) -> None:
    """Value by value; with few digits many are equal."""
    values, units = latencies(8, sessions=60)
    values = np.round(values, digits)
    may_be = []
    for value in np.unique(values):
        below = ends(estimate.share((values <= value).astype(float), np.ones(len(values)), units))
        may_be.append((value, below[0] <= q <= below[1]))
    first = next(value for value, holds in may_be if holds)
    after = next(value for (value, holds), (_, before) in zip(may_be[1:], may_be, strict=False) if before and not holds)
    assert ends(estimate.quantile(values, units, q)) == pytest.approx((first, after))
