"""Kaplan-Meier's curve, against scipy's, with its intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import estimate, survival


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=60))
def test_the_curve_is_scipys(rows: list[tuple[int, bool]]) -> None:
    waited, happened = np.array([float(t) for t, _ in rows]), np.array([float(h) for _, h in rows])
    censored = stats.CensoredData.right_censored(waited, happened == 0)
    at = np.unique(waited)
    expected = stats.ecdf(censored).cdf.evaluate(at)
    found = survival.curve(waited, happened, np.arange(len(rows)), at)
    assert [e.value for e in found.happened] == pytest.approx(expected.tolist())
    assert (found.n, found.censored) == (len(rows), int((1 - happened).sum()))
    assert survival.curve(waited, happened, np.arange(len(rows)), [waited.max() + 1]).happened[0].value is None


def waits(seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    at, until = np.exp(0.4 * rng.standard_normal(300)), rng.uniform(0.5, 4.0, 300)
    return np.minimum(at, until), (at <= until).astype(float), np.arange(300)


def test_of_independent_values_the_interval_is_greenwoods() -> None:
    waited, happened, alone = waits()
    at = [0.7, 1.0, 1.5]
    found = survival.curve(waited, happened, alone, at)
    sure = stats.ecdf(stats.CensoredData.right_censored(waited, happened == 0)).cdf.confidence_interval(0.95, method="log-log")
    for t, one in zip(at, found.happened, strict=True):
        assert one.low is not None
        assert one.high is not None
        assert (one.low, one.high) == pytest.approx((float(sure.low.evaluate(t)), float(sure.high.evaluate(t))), abs=0.012)


def test_what_never_happens_keeps_the_curve_below_1() -> None:
    waited, happened = np.r_[np.linspace(0.1, 1.0, 60), np.full(40, np.inf)], np.r_[np.ones(60), np.zeros(40)]
    units = np.arange(100)
    found = survival.curve(waited, happened, units, [0.05, 1.0, 1e9])
    assert [e.value for e in found.happened] == pytest.approx([0.0, 0.6, 0.6])
    assert found.happened[0].low == 0.0
    assert survival.quantile(waited, happened, units, 0.3).value == pytest.approx(waited[29])
    never = survival.quantile(waited, happened, units, 0.7)
    assert (never.value, never.why) == (None, survival.NEVER)
    maybe = survival.quantile(waited, happened, units, 0.55)
    assert maybe.value == pytest.approx(waited[54])
    assert maybe.low is not None
    assert maybe.high is None
    assert "never" in maybe.why


def test_a_percentile_lies_within_its_interval_and_too_few_sessions_have_none() -> None:
    waited, happened, alone = waits()
    found = survival.quantile(waited, happened, alone, 0.5)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert found.low == pytest.approx(0.95, abs=0.08)
    few = survival.quantile(waited, happened, np.repeat(np.arange(6), 50), 0.5)
    assert (few.value, few.low, few.high) == (found.value, None, None)
    assert "fewer than 8 sessions" in few.why


def test_nothing_measured() -> None:
    nothing = np.empty(0)
    assert survival.curve(nothing, nothing, nothing.astype(int), [1.0]).happened[0].value is None
    assert survival.quantile(nothing, nothing, nothing.astype(int), 0.5).why == "nothing was measured"


def test_without_censoring_it_is_a_share() -> None:
    """Its interval too, of sessions of any length."""
    rng = np.random.default_rng(5)
    units = np.repeat(np.arange(12), rng.integers(1, 30, 12))
    waited_s = rng.gamma(2.0, size=12)[units] + rng.gamma(2.0, size=len(units))
    found = survival.curve(waited_s, np.ones(len(units)), units, [3.0]).happened[0]
    expected = estimate.share((waited_s <= 3.0).astype(float), np.ones(len(units)), units)
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
