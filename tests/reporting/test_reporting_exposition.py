"""What Prometheus calls things: one name each, those of the reference documents kept, and buckets that the targets can be read off."""

from __future__ import annotations

import re

import pytest

from metrics.catalog import METRICS
from metrics.health import LOOP_LAG_LIMIT_S
from metrics.metric import Metric, Shape
from reporting import run_families
from reporting.exposition import ALERTS, RUN_LABELS, Family, Kind, families_of, histogram_of, quotient_of

OWN = [*run_families.RUN, *run_families.LOAD, *run_families.HEALTH, *run_families.WORKER]
ALL = [family for metric in METRICS.values() for family in families_of(metric)] + OWN


def test_each_family_has_a_name_of_its_own() -> None:
    assert len({family.name for family in ALL}) == len(ALL)


def test_every_family_of_the_module_is_in_one_of_its_groups() -> None:
    defined = [value for value in vars(run_families).values() if isinstance(value, Family)]
    assert sorted(f.name for f in defined) == sorted(f.name for f in OWN)


@pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)
def test_names_and_labels_follow_prometheus(family: Family) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
    assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
    assert bool(family.buckets) == (family.kind is Kind.HISTOGRAM)
    assert (
        set(family.labels) - {"kind", "outcome", "state", "worker", "criterion", "stage"} == set(RUN_LABELS)
        or family is run_families.RUN_INFO
    )
    assert family.help
    assert "\n" not in family.help


@pytest.mark.parametrize(
    ("metric", "name", "scale"),
    [
        ("e2e_latency", "e2e_latency_client_milliseconds", 1000.0),
        ("barge_in_latency", "barge_in_latency_milliseconds", 1000.0),
        ("llm_ttft", "llm_ttft_milliseconds", 1000.0),
        ("jitter", "jitter_milliseconds", 1000.0),
        ("network_quality_index", "network_quality_index", 1.0),
        ("token_mint_latency", "token_mint_latency_seconds", 1.0),
        ("ttft", "doubletalk_ttft_seconds", 1.0),
        ("delivery_rtf", "doubletalk_delivery_rtf_ratio", 1.0),
    ],
)
def test_a_distribution_is_a_histogram(metric: str, name: str, scale: float) -> None:
    family = histogram_of(METRICS[metric])
    assert (family.name, family.kind, family.scale) == (name, Kind.HISTOGRAM, scale)


@pytest.mark.parametrize(
    ("metric", "numerator", "denominator", "factor"),
    [
        ("success", "doubletalk_success_numerator_total", "doubletalk_success_denominator_total", 1.0),
        ("underruns", "doubletalk_underruns_numerator_total", "doubletalk_underruns_denominator_seconds_total", 60.0),
        ("reconnects_per_hour", "streaming_reconnections_total", "doubletalk_reconnects_per_hour_denominator_seconds_total", 3600.0),
        ("token_success", "doubletalk_token_success_numerator_total", "api_requests_total", 1.0),
        ("chunk_drop_rate", "packet_loss_rate_numerator_total", "packet_loss_rate_denominator_total", 1.0),
    ],
)
def test_a_share_or_a_rate_is_two_counters(metric: str, numerator: str, denominator: str, factor: float) -> None:
    quotient = quotient_of(METRICS[metric])
    assert (quotient.numerator.name, quotient.denominator.name, quotient.factor) == (numerator, denominator, factor)
    assert quotient.denominator.scale == factor


@pytest.mark.parametrize("metric", [m for m in METRICS.values() if m.shape is Shape.DISTRIBUTION], ids=lambda metric: metric.name)
def test_every_target_and_every_alert_is_a_bound(metric: Metric) -> None:
    family = histogram_of(metric)
    bounds = {target.bound for target in metric.targets} | set(ALERTS.get(metric.name, ()))
    assert bounds <= {round(bound / family.scale, 12) for bound in family.buckets}
    assert list(family.buckets) == sorted(set(family.buckets))


@pytest.mark.parametrize("frame_ms", [10, 20, 40, 100, 200])
def test_what_makes_a_run_invalid_is_a_bound(frame_ms: int) -> None:
    assert frame_ms / 2000 in run_families.SEND_LATENESS.buckets
    assert LOOP_LAG_LIMIT_S in run_families.LOOP_LAG.buckets


def test_bounds_are_written_as_people_write_them() -> None:
    assert {20.0, 840.0, 1200.0, 2000.0} <= set(histogram_of(METRICS["e2e_latency"]).buckets)
    assert all(bound == round(bound, 4) for metric in METRICS.values() for family in families_of(metric) for bound in family.buckets)


def test_a_shape_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="success is no distribution"):
        histogram_of(METRICS["success"])
    with pytest.raises(ValueError, match="ttft is no share"):
        quotient_of(METRICS["ttft"])
