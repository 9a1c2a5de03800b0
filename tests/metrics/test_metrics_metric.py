"""Aggregates by name, and how values and targets are shown."""

from __future__ import annotations

import pytest

from metrics.histogram import Histogram, Ratio
from metrics.metric import Target, Unit, aggregate_of, show, show_target
from metrics.trend import Trend

SHOWN = [
    (None, Unit.SECONDS, "-"),
    (0.0, Unit.SECONDS, "0.000 ms"),
    (0.0004, Unit.SECONDS, "0.400 ms"),
    (0.0123, Unit.SECONDS, "12.3 ms"),
    (0.612, Unit.SECONDS, "612 ms"),
    (1.82, Unit.SECONDS, "1820 ms"),
    (12.34, Unit.SECONDS, "12.3 s"),
    (-0.34, Unit.SECONDS, "-340 ms"),
    (0.96, Unit.SHARE, "96.0 %"),
    (1.0, Unit.SHARE, "100.0 %"),
    (0.99996, Unit.SHARE, "99.99 %"),
    (0.9995, Unit.SHARE, "99.95 %"),
    (0.0, Unit.SHARE, "0.0 %"),
    (0.00001, Unit.SHARE, "0.01 %"),
    (0.4, Unit.PER_MINUTE, "0.40 /min"),
    (2.0, Unit.PER_HOUR, "2.00 /h"),
    (0.5, Unit.FACTOR, "0.50 x"),
    (0.85, Unit.INDEX, "0.850"),
    (1_234_567_890.0, Unit.BYTES, "1235 MB"),
    (37.54e6, Unit.BYTES, "37.5 MB"),
    (4096.0, Unit.BYTES, "0.004 MB"),
    (3.2e6, Unit.BYTES_PER_HOUR, "3.20 MB/h"),
    (-1.0, Unit.BYTES_PER_HOUR, "0.00 MB/h"),
    (-2.4e9, Unit.BYTES_PER_HOUR, "-2400 MB/h"),
]


@pytest.mark.parametrize(("value", "unit", "text"), SHOWN)
def test_values(value: float | None, unit: Unit, text: str) -> None:
    assert show(value, unit) == text


@pytest.mark.parametrize(
    ("target", "unit", "text"),
    [
        (Target("p95", "<", 1.2, "SD"), Unit.SECONDS, "p95 < 1200 ms"),
        (Target("p50", "<=", 0.01, "SD"), Unit.SECONDS, "p50 <= 10 ms"),
        (Target("max", "<", 30.0, "SD"), Unit.SECONDS, "max < 30 s"),
        (Target("value", ">", 0.995, "SD"), Unit.SHARE, "> 99.5 %"),
        (Target("mean", ">", 0.85, "SD"), Unit.INDEX, "mean > 0.85"),
        (Target("value", "<", 0.5, "SD"), Unit.PER_HOUR, "< 0.5 /h"),
        (Target("mean", "<", 50e6, "SD"), Unit.BYTES, "mean < 50 MB"),
        (Target("value", "<", 10e6, "SD"), Unit.BYTES_PER_HOUR, "< 10 MB/h"),
    ],
)
def test_targets(target: Target, unit: Unit, text: str) -> None:
    assert show_target(target, unit) == text


@pytest.mark.parametrize(
    ("op", "value", "met"), [("<", 0.9, True), ("<", 1.0, False), ("<=", 1.0, True), (">", 1.0, False), (">", 1.1, True), (">=", 1.0, True)]
)
def test_a_target_is_met(op: str, value: float, met: bool) -> None:
    assert Target("p50", op, 1.0, "SD").met_by(value) is met


def test_aggregates_of_a_distribution() -> None:
    h = Histogram()
    for value in (1.0, 2.0, 3.0, 10.0):
        h.add(value)
    found = {name: aggregate_of(h, name) for name in ("count", "mean", "min", "max", "sum", "p0", "p50", "p100", "p99.9")}
    assert found == pytest.approx(
        {"count": 4.0, "mean": 4.0, "min": 1.0, "max": 10.0, "sum": 16.0, "p0": 1.0, "p50": 2.0, "p100": 10.0, "p99.9": 10.0}, rel=0.005
    )
    assert (aggregate_of(Histogram(), "p50"), aggregate_of(Histogram(), "mean"), aggregate_of(Histogram(), "count")) == (None, None, 0.0)


def test_aggregates_of_a_ratio() -> None:
    assert (aggregate_of(Ratio(1, 4, 3), "value"), aggregate_of(Ratio(1, 4, 3), "count")) == (0.25, 3.0)
    with pytest.raises(ValueError, match="has no p50: use value or count"):
        aggregate_of(Ratio(), "p50")


def test_aggregates_of_a_trend() -> None:
    trend = Trend()
    for second, value in enumerate((1, 3, 2, 2)):
        trend.add(float(second), value)
    found = [aggregate_of(trend, name) for name in ("value", "low", "high", "count")]
    assert found == pytest.approx([720.0, -5851.66, 7291.66, 4.0], abs=0.1)
    assert [aggregate_of(Trend(), name) for name in ("value", "low", "high", "count")] == [None, None, None, 0.0]
    with pytest.raises(ValueError, match="a growth has no mean: use value, low, high or count"):
        aggregate_of(trend, "mean")


@pytest.mark.parametrize("name", ["p101", "p-1", "px", "p", "median", "value", "P50", ""])
def test_no_such_aggregate(name: str) -> None:
    with pytest.raises(ValueError, match="unknown aggregate"):
        aggregate_of(Histogram(), name)
