"""Criteria: which are understood, which are not and what is said, what becomes of them."""

from __future__ import annotations

import pytest
from metrics_script import record, session, turn

from metrics.aggregate import Aggregate
from metrics.catalog import METRICS
from metrics.criteria import CriterionError, judge, parse
from metrics.metric import Shape, Unit
from metrics.records import Outcome, SampleRecord, SessionOutcome

GOOD = {
    "e2e_latency p95 < 1200 ms": ("e2e_latency", "p95", "<", 1.2),
    "  e2e_latency   p95<1.2s  ": ("e2e_latency", "p95", "<", 1.2),
    "e2e_latency p99.9 <= 2 s": ("e2e_latency", "p99.9", "<=", 2.0),
    "e2e_latency mean > -100 ms": ("e2e_latency", "mean", ">", -0.1),
    "e2e_latency count >= 100": ("e2e_latency", "count", ">=", 100.0),
    "ttft max < 3 s": ("ttft", "max", "<", 3.0),
    "ttft min > 0 ms": ("ttft", "min", ">", 0.0),
    "talked_over sum < 60 s": ("talked_over", "sum", "<", 60.0),
    "success > 95 %": ("success", "value", ">", 0.95),
    "success value > 99.9%": ("success", "value", ">", 0.999),
    "success count > 10": ("success", "count", ">", 10.0),
    "underruns < 1 /min": ("underruns", "value", "<", 1.0),
    "reconnects_per_hour < 0.5 /h": ("reconnects_per_hour", "value", "<", 0.5),
    "delivery_rtf p95 < 1": ("delivery_rtf", "p95", "<", 1.0),
    "delivery_rtf p95 < 1.1 x": ("delivery_rtf", "p95", "<", 1.1),
    "network_quality_index mean > 0.85": ("network_quality_index", "mean", ">", 0.85),
}


@pytest.mark.parametrize("text", GOOD)
def test_good_ones(text: str) -> None:
    criterion = parse(text)
    assert (criterion.metric, criterion.aggregate, criterion.op, criterion.bound) == GOOD[text]
    assert criterion.text == text.strip()


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_can_be_asked_of(name: str) -> None:
    unit = {Unit.SECONDS: "ms", Unit.SHARE: "%", Unit.PER_MINUTE: "/min", Unit.PER_HOUR: "/h", Unit.FACTOR: "x", Unit.INDEX: ""}
    unit |= {Unit.BYTES: "MB", Unit.BYTES_PER_HOUR: "MB/h"}
    metric = METRICS[name]
    aggregate = "p50" if metric.shape is Shape.DISTRIBUTION else ""
    verdict = judge(parse(f"{name} {aggregate} < 1 {unit[metric.unit]}"), Aggregate())
    assert (verdict.value, verdict.count, verdict.holds, verdict.measured) == (None, 0, False, "nothing measured")


BAD = {
    "": "write it as 'e2e_latency p95 < 1200 ms'",
    "e2e_latency": "write it as",
    "e2e_latency p95 = 1 s": "write it as",
    "e2e_latency p95 < fast": "write it as",
    "e2e_latency p95 < 1 s or so": "write it as",
    "e2e latency p95 < 1 s": "write it as",
    "e2e_latency P95 < 1 s": "write it as",
    "e2e_latenzy p95 < 1 s": "no metric 'e2e_latenzy'; did you mean e2e_latency?",
    "zzz < 1 s": "no metric 'zzz'; there are: success, ",
    "e2e_latency < 1 s": "has many values; say which: mean, min, max, count, p50, p95, ...",
    "e2e_latency median < 1 s": "unknown aggregate 'median'",
    "e2e_latency p101 < 1 s": "unknown aggregate 'p101'",
    "e2e_latency value < 1 s": "unknown aggregate 'value'",
    "success p95 > 90 %": "success is a share; it has no p95",
    "underruns mean < 1 /min": "underruns is a rate; it has no mean",
    "e2e_latency p95 < 1200": "unit missing; e2e_latency p95 takes ms or s",
    "e2e_latency p95 < 1200 min": "unit min; e2e_latency p95 takes ms or s",
    "success > 0.95": "unit missing; success value takes %",
    "underruns < 1": "unit missing; underruns value takes /min",
    "e2e_latency count > 10 ms": "unit ms; e2e_latency count takes no unit",
    "delivery_rtf p95 < 1 ms": "unit ms; delivery_rtf p95 takes x or no unit",
    "target_memory_growth < 10 MB": "unit MB; target_memory_growth value takes MB/h or GB/h or kB/h",
    "target_memory mean < 50 MiB": "unit MiB; target_memory mean takes MB or GB or kB",
    "target_memory_growth p95 < 10 MB/h": "a growth has no p95: use value, low, high or count",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_ones(text: str) -> None:
    with pytest.raises(CriterionError) as raised:
        parse(text)
    told = str(raised.value)
    assert told.startswith(f"criterion {text!r}: ")
    assert BAD[text] in told
    assert "\n" not in told


@pytest.fixture(scope="module")
def measured() -> Aggregate:
    whole = Aggregate()
    for i in range(1000):
        outcome = Outcome.NO_RESPONSE if i == 0 else Outcome.COMPLETED
        whole.add(turn(outcome=outcome, speech_offset=1.0, first_audible=1.8 if i else None))
    return whole


@pytest.mark.parametrize(
    ("text", "holds", "shown"),
    [
        ("e2e_latency p95 < 800 ms", False, "800 ms"),
        ("e2e_latency p95 <= 800 ms", True, "800 ms"),
        ("e2e_latency p95 < 801 ms", True, "800 ms"),
        ("e2e_latency count > 998", True, "999"),
        ("success >= 99.9 %", True, "99.9 %"),
        ("success > 99.9 %", False, "99.9 %"),
        ("success count >= 1000", True, "1000"),
        ("false_alarm_resume > 0 %", False, "nothing measured"),
        ("barge_in_latency count < 1", True, "0"),
    ],
)
def test_verdicts(measured: Aggregate, text: str, holds: bool, shown: str) -> None:
    verdict = judge(parse(text), measured)
    assert (verdict.holds, verdict.measured) == (holds, shown)


def grown(*samples: int) -> Aggregate:
    """A target whose memory was so many MB, second by second."""
    whole = Aggregate()
    for second, megabytes in enumerate(samples):
        whole.add(record(SampleRecord, t_s=float(second), settled=True, target_memory_bytes=megabytes * 10**6))
    return whole


@pytest.mark.parametrize(
    ("text", "samples", "holds", "shown"),
    [
        ("target_memory_growth < 10 MB/h", (100,) * 30, True, "0.00 MB/h (95 %: 0.00 to 0.00)"),
        ("target_memory_growth < 10 MB/h", tuple(range(30)), False, "3600 MB/h (95 %: 3600 to 3600)"),
        ("target_memory_growth < 4 GB/h", tuple(range(30)), True, "3600 MB/h (95 %: 3600 to 3600)"),
        ("target_memory_growth > 3500 MB/h", tuple(range(30)), True, "3600 MB/h (95 %: 3600 to 3600)"),
        ("target_memory_growth < 800 MB/h", (1, 3, 2, 2), False, "720 MB/h (95 %: -5852 to 7292)"),
        ("target_memory_growth > 700 MB/h", (1, 3, 2, 2), False, "720 MB/h (95 %: -5852 to 7292)"),
        ("target_memory_growth < 7300 MB/h", (1, 3, 2, 2), True, "720 MB/h (95 %: -5852 to 7292)"),
        ("target_memory_growth < 9000 MB/h", (1, 2), False, "3600 MB/h (too few samples for an interval)"),
        ("target_memory_growth < 10 MB/h", (), False, "nothing measured"),
        ("target_memory_growth < 10 MB/h", (100,), False, "nothing measured"),
        ("target_memory_growth high < 7300 MB/h", (1, 3, 2, 2), True, "7292 MB/h"),
        ("target_memory_growth count >= 4", (1, 3, 2, 2), True, "4"),
        ("target_memory mean < 2.5 MB", (1, 3, 2, 2), True, "2.0 MB"),
    ],
)
def test_a_growth_is_held_to_its_interval(text: str, samples: tuple[int, ...], holds: bool, shown: str) -> None:
    verdict = judge(parse(text), grown(*samples))
    assert (verdict.holds, verdict.measured) == (holds, shown)


def test_a_process_may_take_several_cores() -> None:
    assert parse("target_cpu p95 < 250 %").bound == 2.5


@pytest.mark.parametrize("text", ["success > 150 %", "yield_rate > -1 %"])
def test_a_share_that_cannot_be(text: str) -> None:
    with pytest.raises(CriterionError, match="a share lies between 0 % and 100 %"):
        parse(text)


def recoveries(back: int, never: int) -> Aggregate:
    """Sessions that were back after 1, 2, 3... s, and some that never were."""
    made = Aggregate()
    for n in range(back):
        made.add(session(reconnect=True, lost_ns=0, ready_ns=(n + 1) * 10**9, closed_ns=100 * 10**9))
    for _ in range(never):
        made.add(session(SessionOutcome.CUT_BY_RUN_END, reconnect=True, lost_ns=0, closed_ns=100 * 10**9))
    return made


@pytest.mark.parametrize(
    ("text", "back", "never", "holds", "measured"),
    [
        ("time_to_recover max < 30 s", 9, 0, True, "9000 ms"),
        ("time_to_recover max < 30 s", 9, 1, False, "1 never, the others 9000 ms"),
        ("time_to_recover max < 30 s", 0, 2, False, "2 never"),
        ("time_to_recover max > 30 s", 0, 2, True, "2 never"),
        ("time_to_recover mean < 30 s", 9, 1, False, "1 never, the others 5000 ms"),
        ("time_to_recover p90 < 30 s", 9, 1, True, "9000 ms"),
        ("time_to_recover p95 < 30 s", 9, 1, False, "1 never, the others 9000 ms"),
        ("time_to_recover min < 30 s", 9, 1, True, "1000 ms"),
        ("time_to_recover count >= 9", 9, 1, True, "9"),
        ("time_to_recover max < 30 s", 0, 0, False, "nothing measured"),
        ("automatic_recovery_rate > 95 %", 9, 1, False, "90.0 %"),
    ],
)
def test_what_never_came_about_counts_as_infinite(text: str, back: int, never: int, holds: bool, measured: str) -> None:
    verdict = judge(parse(text), recoveries(back, never))
    assert (verdict.holds, verdict.measured) == (holds, measured)
