"""Intervals of shares and counts of few events: against textbooks where values are independent, and what each end allows for."""

from __future__ import annotations

import pytest
from scipy import stats

from analysis.statistics.score import FEW_EVENTS, PRIOR_ALIKE, of_count, of_share, wilson
from analysis.statistics.units import MANY

MUCH = MANY
"""Degrees of freedom: Student's quantile is as good as normal."""


@pytest.mark.parametrize(("hits", "n"), [(1, 40), (7, 70), (30, 300), (150, 300), (293, 300)])
def test_of_independent_values_shares_are_wilsons(hits: int, n: int) -> None:
    value = hits / n
    found = of_share(value, n, value * (1.0 - value) / n, 0.0, MUCH)
    expected = stats.binomtest(hits, n).proportion_ci(0.95, "wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-4)
    assert found.effective == pytest.approx(n)


@pytest.mark.parametrize("events", [1.0, 5.0, 60.0])
def test_of_independent_events_counts_are_raos(events: float) -> None:
    """The counts of which the distance to those seen is 1.96 of their own standard deviations."""
    found = of_count(events, 1.0, 0.0, MUCH)
    for end in (found.low, found.high):
        assert abs(end - events) / end**0.5 == pytest.approx(1.960, abs=0.001)


def test_of_nothing_seen_the_far_end_allows_for_events_that_are_alike() -> None:
    for found, whole in ((of_share(0.0, 200.0, 0.0, 6.0, MUCH), 200.0), (of_count(0.0, 0.0, 6.0, MUCH), 1.0)):
        effect = 1.0 + 6.0 * PRIOR_ALIKE
        expected = wilson(0.0, 200.0 / effect, 1.960)[1] * 200.0 if whole > 1 else 1.960**2 * effect
        assert found.low == 0.0
        assert found.high * whole == pytest.approx(expected, rel=1e-3)
    everything = of_share(1.0, 200.0, 0.0, 6.0, MUCH)
    assert everything.high == 1.0
    assert everything.low == pytest.approx(1.0 - of_share(0.0, 200.0, 0.0, 6.0, MUCH).high)


def test_the_ends_are_those_of_what_did_not_happen() -> None:
    for value in (0.03, 0.5, 0.8):
        one, other = (of_share(p, 90.0, 2.0 * p * (1.0 - p) / 90.0, 6.0, 9.0) for p in (value, 1.0 - value))
        assert (one.low, one.high) == pytest.approx((1.0 - other.high, 1.0 - other.low))


def test_student_holds_at_the_far_end_and_at_the_near_end_of_many_events() -> None:
    """Where sessions are few."""
    few, many = ((of_count(k, 1.0, 0.0, 9.0), of_count(k, 1.0, 0.0, MUCH)) for k in (2.0, 100.0 * FEW_EVENTS))
    assert few[0].low == pytest.approx(few[1].low, rel=0.01)
    assert few[0].high > 1.05 * few[1].high
    (narrow, wide), k = (many[1], many[0]), 100.0 * FEW_EVENTS
    assert (k - wide.low) / (k - narrow.low) == pytest.approx(2.262 / 1.960, rel=0.01)
    assert (wide.high - k) / (narrow.high - k) == pytest.approx(2.262 / 1.960, rel=0.01)
    assert 9.0 <= many[0].freedom < 9.1
    assert few[0].freedom > 18.0
    assert of_count(0.0, 0.0, 0.0, MUCH).freedom == pytest.approx(MANY)


def test_a_share_of_a_half_is_not_skewed() -> None:
    found = of_share(0.49, 40.0, 0.49 * 0.51 / 40.0, 0.0, 9.0)
    assert (found.high - 0.49) / (0.49 - found.low) == pytest.approx(1.0, abs=0.03)
    assert found.freedom == pytest.approx(9.5, abs=0.5)


def test_what_was_seen_counts_more_the_more_was_seen() -> None:
    seen = 4.0
    effects = [events / of_count(events, seen, 6.0, 20.0).effective for events in (1.0, 10.0, 1000.0)]
    assert effects == pytest.approx([2.5, 41.0 / 11.0, 4.0], rel=0.001)


def test_beside_another_run_the_far_end_takes_events_for_as_alike_as_they_are_there() -> None:
    """Eight events were seen here, 99 there; with six others in a session, unseen ones are assumed to have a design effect of 1.9."""
    own = of_count(8.0, 1.0, 6.0, 20.0).likeness
    assert (own.known, own.assumed, own.effect) == pytest.approx((8.0, 1.9, 1.1))
    for seen in (1.0, 5.0):
        other = of_count(99.0, seen, 6.0, 20.0).likeness
        assert other.effect == pytest.approx((99.0 * seen + 1.9) / 100.0)
        assert own.beside(other) == pytest.approx(((8.0 + other.effect) / 9.9) ** 0.5)
    nothing = of_count(0.0, 0.0, 6.0, 20.0).likeness
    assert nothing.beside(nothing) == pytest.approx(1.0)
    share = of_share(0.9, 80.0, 0.9 * 0.1 / 80.0, 6.0, 20.0).likeness
    assert (share.known, share.assumed, share.effect) == pytest.approx((8.0, 1.9, 1.1))
