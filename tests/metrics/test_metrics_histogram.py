"""Histograms and ratios: what merging, rounding and travelling leave as it was."""

from __future__ import annotations

import json
import math

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.histogram import GAMMA, Histogram, Ratio

VALUES = st.one_of(st.floats(1e-6, 1e9), st.floats(-1e9, -1e-6), st.just(0.0))
LISTS = st.lists(VALUES, max_size=80)
SHARES = st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.875, 1.0])


def of(values: list[float]) -> Histogram:
    made = Histogram()
    for value in values:
        made.add(value)
    return made


def parts(h: Histogram) -> tuple[object, ...]:
    return h.count, h.units, h.low, h.high, h.zeros, h.positive, h.negative


@given(LISTS, LISTS, LISTS)
def test_merging_equals_adding_everything(a: list[float], b: list[float], c: list[float]) -> None:
    whole, merged = of(a + b + c), of(a)
    other = of(b)
    other.merge(of(c))
    kept = parts(other)
    merged.merge(other)
    assert parts(merged) == parts(whole)
    assert whole.total == pytest.approx(math.fsum(a + b + c), rel=1e-12, abs=1e-6)
    assert parts(other) == kept, "what is merged is left as it was"


@given(LISTS, LISTS)
def test_what_came_since_is_what_was_added(before: list[float], after: list[float]) -> None:
    whole = of(before)
    earlier = whole.copy()
    for value in after:
        whole.add(value)
    assert earlier == of(before), "a copy is left alone"
    since = whole.since(earlier)
    assert (since.count, since.units, since.zeros) == (len(after), of(after).units, of(after).zeros)
    assert (since.positive, since.negative) == (of(after).positive, of(after).negative)
    for q in (0.0, 0.5, 0.99, 1.0):
        assert since.quantile(q) == (pytest.approx(of(after).quantile(q), rel=0.005, abs=1e-9) if after else None)
    earlier.merge(since)
    assert earlier == whole


@given(LISTS, LISTS)
def test_adding_many_at_once_is_adding_each(first: list[float], values: list[float]) -> None:
    each, at_once = of(first + values), of(first)
    at_once.add_all(values)
    assert parts(at_once)[:5] == parts(each)[:5]
    for q in (0.0, 0.1, 0.5, 0.9, 1.0):
        assert at_once.quantile(q) == (None if not each.count else pytest.approx(each.quantile(q), rel=GAMMA - 1 + 1e-9))


@given(LISTS, st.floats(1e-3, 1e6))
def test_counting_above_a_bound_is_exact_to_its_bucket(values: list[float], bound: float) -> None:
    found = of(values).count_above(bound)
    assert sum(v > bound * GAMMA for v in values) <= found <= sum(v > bound / GAMMA for v in values)


BOUNDS = st.lists(st.one_of(st.floats(1e-3, 1e6), st.just(0.0)), max_size=12, unique=True).map(sorted)


@given(LISTS, BOUNDS)
def test_counts_up_to_bounds_are_exact_but_just_above_them(values: list[float], bounds: list[float]) -> None:
    for bound, found in zip(bounds, of(values).counts_up_to(bounds), strict=True):
        assert sum(v <= bound for v in values) <= found <= sum(v < bound * GAMMA * (1 + 1e-9) or v <= 0 for v in values)


@given(LISTS, LISTS, BOUNDS)
def test_counts_up_to_bounds_never_fall(before: list[float], after: list[float], bounds: list[float]) -> None:
    first, then, both = (of(values).counts_up_to(bounds) for values in (before, after, before + after))
    assert [a + b for a, b in zip(first, then, strict=True)] == both
    assert both == sorted(both)


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ([], [0, 0, 0]),
        ([0.0, -1.0, 1e-12], [3, 3, 3]),
        ([0.010] * 3, [0, 3, 3]),
        ([0.84, 0.849, 0.85], [0, 0, 1]),
        ([1.0, 2.0], [0, 0, 0]),
    ],
)
def test_counts_up_to_bounds(values: list[float], counts: list[int]) -> None:
    assert of(values).counts_up_to([0.0, 0.010, 0.84]) == counts


def test_a_negative_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        of([1.0]).counts_up_to([-1.0, 0.0])


def test_many_at_once_in_another_unit() -> None:
    nanoseconds = [0, 1, 2_000_000, -3_000_000]
    at_once = Histogram()
    at_once.add_all(nanoseconds, 1e-9)
    assert parts(at_once) == parts(of([n * 1e-9 for n in nanoseconds]))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_many_at_once_are_refused_together(bad: float) -> None:
    made = of([1.0])
    with pytest.raises(ValueError, match="not a measurement"):
        made.add_all([2.0, bad])
    assert parts(made) == parts(of([1.0]))


@given(LISTS, st.randoms(use_true_random=False))
def test_order_does_not_matter(values: list[float], rng: object) -> None:
    shuffled = values[:]
    rng.shuffle(shuffled)
    assert parts(of(values)) == parts(of(shuffled))


@given(st.lists(VALUES, min_size=1, max_size=80), SHARES)
def test_quantiles_are_those_of_nearest_rank_to_half_a_per_cent(values: list[float], q: float) -> None:
    exact = float(np.quantile(values, q, method="inverted_cdf"))
    assert of(values).quantile(q) == pytest.approx(exact, rel=0.005, abs=1e-9)


@pytest.mark.parametrize("q", [0.01, 0.05, 0.5, 0.9, 0.95, 0.99, 0.999])
def test_quantiles_of_many_values(q: float) -> None:
    values = np.random.default_rng(7).lognormal(-0.3, 0.5, 20_000)
    exact = float(np.quantile(values, q, method="inverted_cdf"))
    assert of(values.tolist()).quantile(q) == pytest.approx(exact, rel=0.005)


def test_a_quantile_is_a_value_that_occurred() -> None:
    h = of([0.2] * 50 + [2.0] * 50)
    assert h.quantile(0.5) == pytest.approx(0.2, rel=0.005)
    assert h.quantile(0.51) == pytest.approx(2.0, rel=0.005)
    assert (h.quantile(0.0), h.quantile(1.0)) == (0.2, 2.0)


def test_negative_values_zero_and_positive_ones_are_in_order() -> None:
    h = of([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0])
    assert [h.quantile(i / 7) for i in range(1, 8)] == pytest.approx([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0], rel=0.005)
    assert (h.mean, h.low, h.high) == (1.0, -2.0, 4.0)


def test_below_a_nanosecond_is_zero() -> None:
    h = of([1e-10, -1e-10, 0.0])
    assert (h.zeros, h.quantile(0.5)) == (3, 0.0)


def test_extremes_of_floating_point() -> None:
    h = of([1.7e308, 1.7e308, -1.7e308])
    assert h.quantile(0.6) == pytest.approx(1.7e308, rel=0.005)


def test_empty() -> None:
    h = Histogram()
    assert (h.count, h.mean, h.low, h.high, h.quantile(0.5)) == (0, None, None, None, None)
    h.merge(Histogram())
    assert h == Histogram()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_measurement_is_refused_and_leaves_no_trace(value: float) -> None:
    h, r = of([1.0]), Ratio(1, 2, 1)
    with pytest.raises(ValueError, match="is not a measurement"):
        h.add(value)
    assert h == of([1.0])
    for pair in ((value, 1.0), (1.0, value)):
        with pytest.raises(ValueError, match="is not a measurement"):
            r.add(*pair)
    assert r == Ratio(1, 2, 1)


@pytest.mark.parametrize("q", [-0.01, 1.01, math.nan])
def test_a_quantile_is_a_share(q: float) -> None:
    with pytest.raises(ValueError, match="share from 0 to 1"):
        of([1.0]).quantile(q)


def test_counts_that_do_not_fit_the_buckets_are_a_defect() -> None:
    broken = of([1.0, 2.0, 3.0])
    broken.positive.clear()
    with pytest.raises(AssertionError):
        broken.quantile(0.5)


@given(LISTS)
def test_a_round_trip_keeps_everything(values: list[float]) -> None:
    h = of(values)
    assert Histogram.from_plain(json.loads(json.dumps(h.to_plain()))) == h
    assert Histogram.from_plain(msgpack.unpackb(msgpack.packb(h.to_plain()))) == h


def test_other_buckets_are_refused() -> None:
    plain = {**of([1.0]).to_plain(), "gamma": 1.02}
    with pytest.raises(ValueError, match=f"1.02 cannot be merged with gamma {GAMMA}"):
        Histogram.from_plain(plain)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99))), st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99))))
def test_ratios_merge(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    def of_pairs(pairs: list[tuple[int, int]]) -> Ratio:
        made = Ratio()
        for pair in pairs:
            made.add(*pair)
        return made

    merged = of_pairs(a)
    merged.merge(of_pairs(b))
    assert merged == of_pairs(a + b)
    assert Ratio.from_plain(msgpack.unpackb(msgpack.packb(merged.to_plain()))) == merged
    below = sum(d for _, d in a + b)
    assert merged.value == (sum(n for n, _ in a + b) / below if below else None)


def test_a_ratio_counts_many_as_it_counts_each() -> None:
    one, many = Ratio(), Ratio()
    numerators, denominators = [1.0, 0.0, 0.1234567891, 3e7], [1.0, 1.0, 0.3, 7.25]
    for numerator, denominator in zip(numerators, denominators, strict=True):
        one.add(numerator, denominator)
    many.add_all(numerators, denominators)
    assert many == one
    with pytest.raises(ValueError, match="nan is not a measurement"):
        many.add_all([math.nan], [1.0])
    assert many == one
