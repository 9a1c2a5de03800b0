"""Curves, knees and slopes: against what they are made of, and against second opinions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.curve import Curve, binned, draws, of_quantile, of_ratio
from analysis.statistics.estimate import Floats
from analysis.statistics.knee import Knee, crossings, knee, limit
from analysis.statistics.slope import slope


@given(st.lists(st.integers(0, 200), min_size=1, max_size=400), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_bins_are_ordered_and_large_enough(values: list[int], least: int) -> None:
    x = np.array(values, float)
    bins = binned(x, 24, least)
    sizes = np.bincount(bins)
    assert sizes.min() >= min(least, len(x))
    assert len(sizes) <= 24
    order = np.argsort(x, kind="stable")
    assert (np.diff(bins[order]) >= 0).all()
    assert all(len(set(bins[x == value])) == 1 for value in np.unique(x))


def test_each_resample_is_what_repeating_its_sessions_gives() -> None:
    rng = np.random.default_rng(3)
    n, sessions = 300, rng.integers(0, 12, 300)
    x, y, ok = rng.integers(1, 4, n).astype(float), rng.lognormal(size=n), (rng.random(n) < 0.9).astype(float)
    drawn, bins = draws(sessions, 1, 20), binned(x)
    quantiles, shares = of_quantile(x, bins, y, 0.9, sessions, drawn), of_ratio(x, bins, ok, np.ones(n), sessions, drawn)
    assert quantiles.x.tolist() == [1.0, 2.0, 3.0]
    assert quantiles.n.tolist() == [int((x == at).sum()) for at in (1, 2, 3)]
    assert quantiles.y == pytest.approx([np.quantile(y[x == at], 0.9) for at in (1, 2, 3)])
    assert shares.y == pytest.approx([ok[x == at].mean() for at in (1, 2, 3)])
    for row in range(20):
        times = drawn.counts[row][drawn.of(sessions)]
        for at in range(3):
            here = bins == at
            again = np.repeat(y[here], times[here])
            assert quantiles.drawn[row, at] == pytest.approx(np.quantile(again, 0.9, method="inverted_cdf"))
            assert shares.drawn[row, at] == pytest.approx(np.repeat(ok[here], times[here]).mean())


def bent(seed: int, at: float = 60.0, after: float = 0.02, before: float = 0.0) -> Knee | None:
    """The knee of latencies that are flat, or rise evenly, up to `at` callers, and rise by `after` of 800 ms with each beyond."""
    rng = np.random.default_rng(seed)
    sessions, x = rng.integers(0, 60, 1200), np.sort(rng.integers(5, 101, 1200)).astype(float)
    noise = np.exp(rng.normal(0, 0.1, 60)[sessions] + rng.normal(0, 0.3, 1200))
    y = 0.8 * noise * (1.0 + before * x + after * np.maximum(0.0, x - at))
    return knee(of_quantile(x, binned(x), y, 0.5, sessions, draws(sessions, seed, 100)), 0.08)


def test_a_knee_is_within_its_interval_in_most_runs() -> None:
    found = [bent(seed) for seed in range(100)]
    known = [one for one in found if one is not None]
    assert len(known) >= 95
    assert sum(one.low <= 60.0 <= one.high for one in known) >= 90
    assert np.median([one.high - one.low for one in known]) < 25.0
    assert abs(np.median([one.at for one in known]) - 60.0) < 3.0


@pytest.mark.parametrize("before", [0.0, 0.005])
def test_a_straight_line_has_no_knee(before: float) -> None:
    assert sum(bent(seed, after=0.0, before=before) is not None for seed in range(60)) <= 6


def made(x: Floats, y: Floats, spread: float = 1e-3) -> Curve:
    n = np.full(len(x), 100)
    return Curve(x, y, n, n, y + np.random.default_rng(1).normal(0, spread, (50, len(x))))


def test_a_curve_that_levels_off_later_has_its_knee_where_it_begins_to_rise() -> None:
    x = np.linspace(10, 240, 24)
    y = 0.02 + 0.01 * np.clip(x - 100.0, 0.0, 60.0)
    found = knee(made(x, y), 0.01)
    assert found is not None
    assert found.low <= 100.0 <= found.high
    assert found.after == pytest.approx(0.01, rel=0.1)
    assert found.before == pytest.approx(0.0, abs=2e-4)
    assert found.level == pytest.approx(0.02, abs=0.03)


def test_a_load_that_was_kept_for_long_does_not_draw_the_knee_to_it() -> None:
    x = np.linspace(10, 90, 9)
    y = 1.0 + 0.02 * np.maximum(0.0, x - 40.0) + 0.0004 * np.maximum(0.0, x - 40.0) ** 2
    n = np.array([100] * 8 + [100_000])
    found = knee(Curve(x, y, n, n, y + np.random.default_rng(1).normal(0, 1e-3, (50, 9))), 0.01)
    assert found is not None
    assert found.at == pytest.approx(46.0, abs=2.0), "where the two lines of equal bins meet"


def test_a_bend_that_makes_little_difference_is_none() -> None:
    x = np.linspace(10, 240, 24)
    y = 1.0 + 0.0002 * np.maximum(0.0, x - 100.0)
    assert knee(made(x, y), 0.01) is not None
    assert knee(made(x, y), 0.1) is None
    assert knee(made(x, 1.0 - y), 0.01) is None, "it bends downwards"
    assert knee(made(x[:5], y[:5]), 0.0) is None, "five points are too few"


@pytest.mark.parametrize(
    ("y", "op", "bound", "at"),
    [
        ([1.0, 1.0, 0.98, 0.90], ">", 0.99, 25.0),
        ([1.0, 1.0, 1.0, 1.0], ">", 0.99, np.inf),
        ([0.9, 0.9, 0.9, 0.9], ">", 0.99, -np.inf),
        ([1.0, 1.0, 1.0, 0.98], ">=", 1.0, 30.0),
        ([0.8, 0.9, 1.3, 2.0], "<", 1.2, 27.5),
        ([0.8, 1.3, 0.7, 2.0], "<", 1.2, 30.0 + 10.0 * 0.2),  # the one in between is chance: more load makes nothing better
    ],
)
def test_up_to_where_a_bound_is_kept(y: list[float], op: str, bound: float, at: float) -> None:
    crossed = crossings(made(np.array([10.0, 20.0, 30.0, 40.0]), np.array(y), 1e-9), op, bound)
    assert crossed[0] == pytest.approx(at)
    found = limit(crossed)
    assert found.low <= found.at <= found.high or op == ">="


def test_a_slope_is_that_of_least_squares_and_its_interval_holds() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        sessions = np.repeat(np.arange(40), 10)
        x = rng.uniform(0, 50, 40)[sessions] + rng.uniform(0, 5, 400)
        y = 0.5 + 0.01 * x + rng.normal(0, 0.3, 40)[sessions] + rng.normal(0, 0.3, 400)
        found = slope(x, y, sessions)
        assert found.value == pytest.approx(np.polyfit(x, y, 1)[0])
        assert found.low is not None and found.high is not None
        held += found.low <= 0.01 <= found.high
    assert 180 <= held <= 198


def test_a_slope_needs_different_loads_and_two_sessions() -> None:
    ones, sessions = np.ones(5), np.arange(5)
    assert slope(ones, np.arange(5.0), sessions).why == "concurrency did not vary"
    alone = slope(np.arange(5.0), np.arange(5.0), np.zeros(5, np.int64))
    assert (alone.value, alone.low) == (pytest.approx(1.0), None)
