"""Rates over time, and the arrivals drawn from them."""

from __future__ import annotations

import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scenarios.rate import Arrivals, Piece, Rate

UP_AND_DOWN = Rate((Piece(10.0, 0.0, 4.0), Piece(10.0, 4.0, 4.0), Piece(5.0, 4.0, 0.0)))

levels = st.one_of(st.just(0.0), st.floats(0.01, 50))
pieces = st.lists(st.builds(Piece, st.floats(0.1, 100), levels, levels), min_size=1, max_size=6).map(lambda found: Rate(tuple(found)))


def test_a_rate_by_hand() -> None:
    assert (UP_AND_DOWN.length_s, UP_AND_DOWN.total) == (25.0, 70.0)
    assert [UP_AND_DOWN.at(t) for t in (-1, 0, 5, 10, 15, 22.5, 25, 26)] == [0, 0, 2, 4, 4, 2, 0, 0]
    assert [UP_AND_DOWN.until(t) for t in (0, 5, 10, 20, 25, 99)] == [0, 5, 20, 60, 70, 70]
    assert [UP_AND_DOWN.reaches(n) for n in (0, 5, 20, 60, 70, 70.1)] == [0, 5, 10, 20, 25, None]
    late = Rate((Piece(3.0, 0.0, 0.0), Piece(2.0, 1.0, 1.0), Piece(4.0, 0.0, 0.0)))
    assert [late.reaches(n) for n in (0, 1, 2)] == [3, 4, 5]


@given(pieces, st.floats(0, 1))
def test_reaching_a_total_is_the_inverse_of_the_total_until_then(rate: Rate, share: float) -> None:
    wanted = rate.total * share
    reached = rate.reaches(wanted)
    if rate.total == 0:
        assert reached is None
        return
    assert reached is not None
    assert 0 <= reached <= rate.length_s * (1 + 1e-9)
    assert math.isclose(rate.until(reached), wanted, rel_tol=1e-6, abs_tol=1e-6)


def test_an_endless_rate_goes_on() -> None:
    rate = Rate((Piece(math.inf, 2.0, 2.0),))
    assert (rate.total, rate.at(1e6), rate.until(10), rate.reaches(3)) == (math.inf, 2.0, 20.0, 1.5)


def test_constant_arrivals_are_even() -> None:
    even = Arrivals(Rate((Piece(10.0, 2.0, 2.0),)), False, 1)
    assert [even.instant(k) for k in range(22)] == [k / 2 for k in range(21)] + [None]


def test_poisson_arrivals_are_what_they_are_called() -> None:
    """The gaps are exponential (Kolmogorov and Smirnov), the counts of seconds have a variance like their mean (index of dispersion)."""
    drawn = Arrivals(Rate((Piece(2000.0, 5.0, 5.0),)), True, 3)
    instants = []
    while (instant := drawn.instant(len(instants))) is not None:
        instants.append(instant)
    gaps = [b - a for a, b in zip([0.0, *instants], instants, strict=False)]
    assert stats.kstest(gaps, "expon", args=(0, 1 / 5.0)).pvalue > 0.01
    counts = [0] * 2000
    for instant in instants:
        counts[int(instant)] += 1
    dispersion = sum((n - fmean(counts)) ** 2 for n in counts) / fmean(counts)
    assert 0.005 < stats.chi2.cdf(dispersion, len(counts) - 1) < 0.995
    assert stats.poisson.cdf(len(instants), 10_000) > 0.005


def test_arrivals_that_are_evenly_spaced_do_not_pass_for_poisson() -> None:
    even = [0.2] * 1000
    assert stats.kstest(even, "expon", args=(0, 0.2)).pvalue < 1e-6


def test_poisson_arrivals_follow_a_rate_that_changes() -> None:
    """By the integral of the rate their instants are uniform."""
    drawn = Arrivals(Rate((Piece(100.0, 0.0, 20.0), Piece(50.0, 20.0, 0.0))), True, 5)
    found = []
    while (instant := drawn.instant(len(found))) is not None:
        found.append(instant)
    rate = Rate((Piece(100.0, 0.0, 20.0), Piece(50.0, 20.0, 0.0)))
    assert stats.kstest([rate.until(t) for t in found], "uniform", args=(0, rate.total)).pvalue > 0.01


@given(st.integers(0, 10**6), st.permutations(range(40)))
def test_arrivals_depend_on_the_seed_alone(seed: int, order: list[int]) -> None:
    """Whoever asks first, on whatever worker."""
    rate = Rate((Piece(60.0, 1.0, 3.0),))
    first, second = Arrivals(rate, True, seed), Arrivals(rate, True, seed)
    assert {k: first.instant(k) for k in order} == {k: second.instant(k) for k in range(40)}


@pytest.mark.parametrize("poisson", [True, False])
def test_calls_until_an_instant_are_those_that_begin_no_later(poisson: bool) -> None:
    rate = Rate((Piece(20.0, 1.0, 3.0),))
    asked, known = Arrivals(rate, poisson, 5), Arrivals(rate, poisson, 5)
    instants = [t_s for k in range(60) if (t_s := known.instant(k)) is not None]
    assert len(instants) > 25
    asked.instant(9)
    for t_s in (-1.0, 0.0, instants[3], instants[3] - 1e-6, 12.3, 20.0, 99.0):
        assert asked.until(t_s) == sum(begins_s <= t_s for begins_s in instants)


def test_another_seed_is_another_day() -> None:
    rate = Rate((Piece(60.0, 1.0, 3.0),))
    assert Arrivals(rate, True, 1).instant(0) != Arrivals(rate, True, 2).instant(0)


@pytest.mark.parametrize("poisson", [True, False])
def test_no_rate_no_arrivals(poisson: bool) -> None:
    assert Arrivals(Rate(()), poisson, 1).instant(0) is None
