"""Differences of estimates: what they come to, and what pairs take off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import difference, sampled
from analysis.statistics.difference import Difference
from analysis.statistics.sampled import Estimate
from analysis.statistics.units import MANY, student
from benchmarks.simulated import callers
from metrics.trend import Trend

FOUND = Estimate(1.0, 0.8, 1.3, 100, 50)


def compared(seed: int, paired: bool, shift: float = 0.0, sessions: int = 60, alike: float = 0.3) -> Difference:
    c = callers(np.random.default_rng(seed), sessions, alike, False)
    a, b = (sampled.mean(np.exp(0.4 * z), c.session) for z in (c.first, c.second(paired) + shift))
    return difference.between(a, b, paired)


def test_intervals_are_joined() -> None:
    found = difference.joined(FOUND, Estimate(2.0, 1.6, 2.6, 100, 50))
    assert found.value == pytest.approx(1.0)
    assert found.low == pytest.approx(1.0 - (0.4**2 + 0.3**2) ** 0.5)
    assert found.high == pytest.approx(1.0 + (0.6**2 + 0.2**2) ** 0.5)
    assert found.part == pytest.approx(1.0)
    assert found.part_low == pytest.approx(2.0 / np.exp((np.log(2.0 / 1.6) ** 2 + np.log(1.3) ** 2) ** 0.5) - 1.0)
    assert found.least == pytest.approx((0.5 + (0.6**2 + 0.2**2) ** 0.5) / 2.0 * (1.960 + 0.842) / 1.960, rel=0.01)


def test_what_both_have_in_common_is_left_out() -> None:
    alone, shared = (difference.joined(FOUND, Estimate(1.0, 0.8, 1.3, 100, 50), correlation) for correlation in (0.0, 1.0))
    assert alone.p == pytest.approx(1.0)
    assert shared.high == pytest.approx(0.1)  # 0.3 less 0.2: what their shapes differ by
    widths = [[found.high - found.low for found in (compared(seed, paired) for seed in range(60)) if found.high and found.low is not None]
              for paired in (False, True)]  # fmt: skip
    assert np.mean(widths[1]) == pytest.approx(np.mean(widths[0]) * 0.5**0.5, rel=0.06)  # half the variance is planned


def test_a_run_against_itself_differs_by_nothing() -> None:
    c = callers(np.random.default_rng(1), 50, 0.3, False)
    same = sampled.quantile(c.first, c.session, 0.5)
    found = difference.between(same, same, paired=True)
    assert (found.value, found.p) == (0.0, 1.0)


def test_only_units_that_both_have_are_pairs() -> None:
    c = callers(np.random.default_rng(2), 60, 0.3, False)
    a, others = sampled.mean(c.first, c.session), sampled.mean(c.first, c.session + 1000)
    found, unpaired = difference.between(a, others, paired=True), difference.between(a, others)
    assert found.high is not None
    assert unpaired.high is not None
    assert found.high / unpaired.high == pytest.approx(student(a.freedom) / student(2.0 * a.freedom), rel=0.001)


def test_both_together_are_better_known_than_each_alone() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal(10), 1.0 + rng.standard_normal(10)
    found = difference.between(*(sampled.mean(x - 9.0, np.arange(10)) for x in (a, b)))
    welch = stats.ttest_ind(b, a, equal_var=False)
    low, high = welch.confidence_interval()
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.02)
    assert found.p == pytest.approx(welch.pvalue, rel=0.05)


def test_gaps_between_values_are_not_shared_by_pairs() -> None:
    c = callers(np.random.default_rng(4), 50, 0.3, False)
    a, b = (sampled.quantile(z, c.session, 0.95) for z in (c.first, c.second(True)))
    between = min(a.between, b.between)
    as_of_means = difference.between(replace(a, between=between, shape=MANY), replace(b, between=between, shape=MANY), paired=True)
    found = difference.between(a, b, paired=True)
    assert a.freedom == pytest.approx(1.0 / (1.0 / a.between + 1.0 / a.shape))
    assert found.high is not None
    assert found.low is not None
    assert as_of_means.high is not None
    assert as_of_means.low is not None
    assert found.high - found.low < as_of_means.high - as_of_means.low


def test_each_runs_events_tell_how_alike_the_others_are() -> None:
    """A share that is rare as far as seen in A, and not alike; the same events, all of one call, in B. No more than that differs."""
    units = np.repeat(np.arange(20), 7)
    scattered, together = np.zeros(140), np.zeros(140)
    scattered[:140:20], together[:7] = 1.0, 1.0
    a, b = (sampled.share(x, np.ones(140), units) for x in (scattered, together))
    assert a.likeness is not None
    assert b.likeness is not None
    aware, alone = difference.between(a, b), difference.between(replace(a, likeness=None), b)
    assert (aware.value, alone.value) == (0.0, 0.0)
    reaches = [[(found.low or 0.0) ** 2, (found.high or 0.0) ** 2] for found in (alone, aware)]
    t = student(difference._welch(a, b))
    (a_far, b_far) = (t / student(x.freedom) * ((x.estimate.high or 0.0) - 0.05) for x in (a, b))
    wider, narrower = a.likeness.beside(b.likeness), b.likeness.beside(a.likeness)
    assert wider > 1.2
    assert narrower < 1.0
    assert reaches[1][0] - reaches[0][0] == pytest.approx(a_far**2 * (wider**2 - 1.0))  # below: A's far end, B's near one
    assert reaches[1][1] - reaches[0][1] == pytest.approx(b_far**2 * (narrower**2 - 1.0))


@given(st.integers(0, 2000), st.booleans(), st.floats(-0.3, 0.3))
def test_p_and_interval_agree(seed: int, paired: bool, shift: float) -> None:
    found = compared(seed, paired, shift)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.p is not None
    assert found.low < found.value < found.high
    assert (found.p < 0.05) == (found.low > 0.0 or found.high < 0.0)


@pytest.mark.parametrize("paired", [False, True])
def test_no_difference_is_seldom_taken_for_one_and_a_tenth_is_seen(paired: bool) -> None:
    """A tenth more is 0.24 standard deviations of the logarithm."""
    none = [compared(seed, paired).p or 0.0 for seed in range(300)]
    assert np.mean(np.array(none) < 0.05) == pytest.approx(0.05, abs=0.03)
    tenth = [compared(seed, paired, np.log(1.1) / 0.4, sessions=150) for seed in range(60)]
    assert np.mean([(found.p or 1.0) < 0.05 for found in tenth]) > (0.9 if paired else 0.7)
    assert np.median([found.part or 0.0 for found in tenth]) == pytest.approx(0.1, abs=0.02)


def test_the_least_effect_is_seen_as_often_as_it_says() -> None:
    least = np.median([compared(seed, True).least or 0.0 for seed in range(40)])
    shift = np.log1p(least / np.exp(0.08)) / 0.4
    seen = [(compared(1000 + seed, True, shift).p or 1.0) < 0.05 for seed in range(200)]
    assert np.mean(seen) == pytest.approx(difference.POWER, abs=0.09)


def test_what_cannot_be_told_says_why() -> None:
    nothing, alone = Estimate(None, None, None, 0, 0, "nothing was measured"), Estimate(2.0, None, None, 5, 3, "fewer than 8 sessions")
    assert difference.joined(nothing, FOUND).why == "nothing was measured"
    found = difference.joined(FOUND, alone)
    assert (found.value, found.part, found.low, found.p, found.why) == (1.0, 1.0, None, None, "fewer than 8 sessions")
    assert difference.joined(Estimate(-1.0, -2.0, 0.5, 9, 9), FOUND).part is None


def test_growths_differ() -> None:
    trends = []
    for per_hour in (100.0, 4000.0):
        trend = Trend()
        for second in range(600):
            trend.add(float(second), 1e6 + per_hour * second / 3600.0 + 3.0 * (second % 7))
        trends.append(trend)
    found = difference.growth(*trends)
    assert found.value == pytest.approx(3900.0, rel=0.01)
    assert found.low is not None
    assert found.low > 0.0
    assert difference.growth(Trend(), trends[0]).value is None
