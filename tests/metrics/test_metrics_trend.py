"""A trend: the slope of a line, how sure it is, and the laws of merging."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from random import Random

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.trend import BATCHES_MAX, BLOCKS_MAX, Trend, _student

HOUR_S = 3600.0
POINTS = st.lists(st.tuples(st.floats(0, 20_000), st.integers(-(10**12), 10**12)), max_size=40)


def of(points: list[tuple[float, float]]) -> Trend:
    made = Trend()
    for t_s, value in points:
        made.add(t_s, value)
    return made


def walk(rng: Random, seconds: int, growth: float, alike: float, noise: float = 1000.0) -> Trend:
    """A value a second that grows by `growth` a second; its noise resembles that of the second before by `alike`, from 0 to 1."""
    made, off = Trend(), rng.gauss(0.0, noise) / math.sqrt(1.0 - alike * alike)
    for second in range(seconds):
        off = alike * off + rng.gauss(0.0, noise)
        made.add(float(second), 1e8 + growth * second + off)
    return made


def test_a_slope_worked_out_by_hand() -> None:
    """Means (1.5, 2), residuals -0.5, 1, -0.5, 0... of y = 1, 3, 2, 2 at 0, 1, 2, 3: slope 1 / 5 a second, squares 1.8."""
    trend = of([(0.0, 1), (1.0, 3), (2.0, 2), (3.0, 2)])
    assert (trend.count, trend.slope) == (4, pytest.approx(0.2 * HOUR_S))
    assert trend.interval is not None
    half = 4.302653 * math.sqrt(1.8 / 2 / 5)  # neighbouring residuals differ: nothing is taken off the four samples
    assert trend.interval == (pytest.approx((0.2 - half) * HOUR_S, rel=1e-5), pytest.approx((0.2 + half) * HOUR_S, rel=1e-5))


def test_residuals_that_resemble_their_neighbours_count_for_fewer() -> None:
    """0, 0, 0, 9, 9, 9, 0, 0, 0: slope 0, residuals -3 and 6, their squares 162, products of neighbours 4 * 9 - 2 * 18 + 2 * 36."""
    values = [0, 0, 0, 9, 9, 9, 0, 0, 0]
    rests = [value - 3.0 for value in values]
    alike = sum(a * b for a, b in pairwise(rests)) / sum(rest * rest for rest in rests)
    assert alike == pytest.approx((4 * 9 - 2 * 18 + 2 * 36) / 162)
    left = 9 * (1 - alike) / (1 + alike) - 2
    assert 1 < left < 2, "one degree of freedom"
    half = 12.7062047 * math.sqrt(162 / left / 60)
    trend = of([(float(t), value) for t, value in enumerate(values)])
    assert trend.slope == pytest.approx(0.0, abs=1e-9)
    assert trend.interval == (pytest.approx(-half * HOUR_S), pytest.approx(half * HOUR_S))


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 10, 20, 28])
def test_students_t_is_that_of_the_tables(freedom: int) -> None:
    tables = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 10: 2.228, 20: 2.086, 28: 2.048}
    assert _student(freedom) == pytest.approx(tables[freedom], abs=0.0005)


@pytest.mark.parametrize(
    ("points", "slope"), [([], None), ([(1.0, 5)], None), ([(1.2, 5), (1.4, 7)], None), ([(0.0, 5), (2.0, 7)], HOUR_S)]
)
def test_too_few_samples_have_no_interval(points: list[tuple[float, float]], slope: float | None) -> None:
    trend = of(points)
    assert (trend.count, trend.slope, trend.interval) == (len(points), slope, None)


def test_what_does_not_change_does_not_grow() -> None:
    trend = of([(float(t), 123_456_789) for t in range(60)])
    assert (trend.slope, trend.interval) == (0.0, (0.0, 0.0))


@pytest.mark.parametrize(("seconds", "alike", "least"), [(60, 0.0, 0.92), (120, 0.5, 0.88), (600, 0.9, 0.92)])
def test_the_interval_holds_the_true_slope(seconds: int, alike: float, least: float) -> None:
    rng, held = Random(f"{seconds}/{alike}"), 0
    for _ in range(200):
        interval = walk(rng, seconds, 50.0, alike).interval
        held += interval is not None and interval[0] <= 50.0 * HOUR_S <= interval[1]
    assert least <= held / 200 <= 0.995


def test_a_longer_run_knows_more() -> None:
    widths = []
    for seconds in (60, 600, 6000, 86_400):
        interval = walk(Random(seconds), seconds, 10.0, 0.5).interval
        assert interval is not None
        widths.append(interval[1] - interval[0])
    assert all(later < earlier / 10 for earlier, later in pairwise(widths))


def test_a_day_takes_no_more_room_than_an_hour() -> None:
    day = walk(Random(1), 86_400, 1.0, 0.0)
    assert (day.count, day.level) == (86_400, 11)
    assert len(day.blocks) == math.ceil(86_400 / 2048) <= BLOCKS_MAX
    assert BATCHES_MAX / 2 < len(day._batches()) <= BATCHES_MAX


@given(POINTS, POINTS, POINTS)
def test_merging_is_adding_in_any_order(
    first: list[tuple[float, int]], second: list[tuple[float, int]], third: list[tuple[float, int]]
) -> None:
    whole = of([*first, *second, *third])
    for order in ((first, second, third), (third, first, second)):
        merged = Trend()
        for part in order:
            merged.merge(of(list(part)))
        assert merged == whole
        nested = of(list(order[1]))
        nested.merge(of(list(order[2])))
        left = of(list(order[0]))
        left.merge(nested)
        assert left == whole


@given(POINTS)
def test_round_trips_keep_all_of_it(points: list[tuple[float, int]]) -> None:
    trend = of([*points, *((t + 0.5, 10**15) for t, _ in points)])
    assert Trend.from_plain(msgpack.unpackb(msgpack.packb(trend.to_plain()))) == trend
    assert Trend.from_plain(json.loads(json.dumps(trend.to_plain()))) == trend


@pytest.mark.parametrize("sample", [(math.nan, 1.0), (1.0, math.nan), (1.0, math.inf)])
def test_what_is_no_number_is_refused(sample: tuple[float, float]) -> None:
    trend = Trend()
    with pytest.raises(ValueError, match="is not a measurement"):
        trend.add(*sample)
    assert trend == Trend()
