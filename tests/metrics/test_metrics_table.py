"""The catalogue as a table: values, targets, verdicts, and a dash where there is nothing."""

from __future__ import annotations

import pytest

from metrics.aggregate import Aggregate
from metrics.catalog import METRICS
from metrics.metric import Target
from metrics.table import Row, Standing, rows, standing


def row(name: str, *values: float | tuple[float, float]) -> Row:
    """The row of a metric that was measured these times."""
    aggregate = Aggregate()
    for value in values:
        if isinstance(value, tuple):
            aggregate.ratio(name).add(*value)
        else:
            aggregate.histogram(name).add(value)
    return next(found for found in rows(aggregate) if found.metric.name == name)


def test_every_metric_has_a_row_in_the_catalogues_order() -> None:
    assert [found.metric.name for found in rows(Aggregate())] == list(METRICS)


def test_a_distribution() -> None:
    found = row("e2e_latency", *[n / 100 for n in range(1, 101)])
    assert found.count == 100
    assert found.values["mean"] == pytest.approx(0.505)
    assert found.values["p50"] == pytest.approx(0.50, rel=0.005)
    assert found.values["p95"] == pytest.approx(0.95, rel=0.005)
    assert found.values["p99"] == pytest.approx(0.99, rel=0.005)
    assert found.values["max"] == 1.0
    assert "value" not in found.values
    assert (found.shown("first"), found.shown("max")) == ("505 ms", "1000 ms")
    assert found.targets == "✓ p50 < 840 ms, ✓ p95 < 1200 ms, ✓ good p50 < 800 ms, ✗ excellent p50 < 500 ms"
    assert (found.standing, found.few, found.verdict) == (Standing.HOLDS, False, "holds")


def test_one_target_missed_is_missed() -> None:
    found = row("e2e_latency", *[0.5] * 18, 1.5, 1.5)
    assert found.targets.startswith("✓ p50 < 840 ms, ✗ p95 < 1200 ms")
    assert found.verdict == "MISSED"


def test_a_share_has_its_value_and_no_percentile() -> None:
    found = row("success", *[(1.0, 1.0)] * 19, (0.0, 1.0))
    assert found.values == {"value": 0.95}
    assert [found.shown(which) for which in ("first", "p50", "p95", "p99", "max")] == ["95.0 %", "-", "-", "-", "-"]
    assert (found.targets, found.verdict) == ("✗ > 95 %", "MISSED")


def test_a_growth_has_its_interval_beside_it() -> None:
    aggregate = Aggregate()
    for second, value in enumerate((1, 3, 2, 2)):
        aggregate.trend("target_memory_growth").add(float(second), value * 10**6)
    found = next(found for found in rows(aggregate) if found.metric.name == "target_memory_growth")
    assert list(found.values) == ["value", "low", "high"]
    assert (found.shown("first"), found.shown("p95"), found.verdict) == ("720 MB/h (95 %: -5852 to 7292)", "-", "-")


def test_few_values_are_told() -> None:
    assert row("e2e_latency", 0.5).verdict == "holds (few)"
    assert row("e2e_latency", 2.5).verdict == "MISSED (few)"


@pytest.mark.parametrize("name", ["e2e_latency", "success"])
def test_nothing_measured_is_a_dash(name: str) -> None:
    found = row(name)
    assert found.count == 0
    assert [found.shown(which) for which in ("first", "p50", "p95", "p99", "max")] == ["-"] * 5
    assert (found.standing, found.few, found.verdict) == (Standing.UNKNOWN, False, "-")
    assert "✓" not in found.targets
    assert "✗" not in found.targets


def test_without_a_target_there_is_no_verdict() -> None:
    found = row("time_to_first_audio", 0.5)
    assert (found.targets, found.verdict) == ("", "-")


def test_the_standing_of_a_single_target() -> None:
    aggregate = Aggregate()
    target = Target("p95", "<", 1.0, "SD")
    assert standing(target, aggregate.histogram("ttft")) is Standing.UNKNOWN
    aggregate.histogram("ttft").add(0.5)
    assert standing(target, aggregate.histogram("ttft")) is Standing.HOLDS
    aggregate.histogram("ttft").add(1.5)
    assert standing(target, aggregate.histogram("ttft")) is Standing.MISSED
