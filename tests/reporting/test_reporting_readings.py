"""What an exposition says: real ones, as `prometheus_client` writes them, and what servers in other languages send."""

from __future__ import annotations

import os
import time

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, Summary, generate_latest

from reporting.readings import Latency, Reader, Reading, Wanted

ALL = Wanted(
    memory=('process_memory_bytes{type="rss"}', "process_resident_memory_bytes"),
    cpu=("process_cpu_seconds_total", "process_cpu_percent"),
    sessions=("websocket_connections_active",),
)


def text(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def test_a_process_as_its_collector_tells_it() -> None:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    reader = Reader(ALL)
    first = reader.read(text(registry), time.monotonic())
    assert first.memory_bytes is not None
    with open("/proc/self/statm") as told:
        assert first.memory_bytes == pytest.approx(int(told.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"), rel=0.1)
    assert (first.cpu_share, first.sessions) == (None, None), "a counter's first value tells no rate"
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    second = reader.read(text(registry), time.monotonic())
    assert second.cpu_share is not None
    assert 0.02 < second.cpu_share <= 1.2
    assert reader.missing(text(registry)) == ["sessions (websocket_connections_active)"]


def test_the_first_series_that_is_there_counts() -> None:
    registry = CollectorRegistry()
    memory = Gauge("process_memory_bytes", "Memory", ["type"], registry=registry)
    memory.labels("rss").set(5e6)
    memory.labels("vms").set(9e9)
    Gauge("process_resident_memory_bytes", "Another", registry=registry).set(7e6)
    Gauge("process_cpu_percent", "CPU", registry=registry).set(42.0)
    sessions = Gauge("websocket_connections_active", "Sessions", ["pod"], registry=registry)
    sessions.labels("a").set(3)
    sessions.labels("b").set(4)
    reader = Reader(ALL)
    assert reader.read(text(registry), 1.0) == Reading(5e6, 0.42, 7.0, {})
    assert reader.missing(text(registry)) == []


def test_cpu_is_the_rate_of_its_counter_and_begins_anew_with_the_target() -> None:
    reader = Reader(Wanted(cpu=("cpu_total",)))
    told = [reader.read(f"cpu_total {value}\n", t_s).cpu_share for t_s, value in ((10.0, 5.0), (12.0, 5.5), (13.0, 0.25), (14.0, 1.0))]
    assert told == [None, pytest.approx(0.25), None, pytest.approx(0.75)]
    assert Reader(Wanted(cpu=("load_ratio",))).read("load_ratio 1.5\n", 1.0).cpu_share == 1.5


def test_a_histogram_tells_what_came_since() -> None:
    registry = CollectorRegistry()
    asr = Histogram("asr_milliseconds", "Delay", ["stage"], registry=registry, buckets=(100, 200, 400))
    for value in (5000, 50):
        asr.labels("a").observe(value)
    reader = Reader(Wanted(latencies={"asr": "asr_milliseconds", "a": 'asr_milliseconds{stage="a"}'}))
    assert reader.read(text(registry), 1.0).latencies == {"asr": Latency(None, None), "a": Latency(None, None)}
    for _ in range(18):
        asr.labels("a").observe(150)
    for value in (300, 390):
        asr.labels("b").observe(value)
    found = reader.read(text(registry), 2.0).latencies
    assert found["a"] == Latency(pytest.approx(0.150), pytest.approx(0.195))
    assert found["asr"] == Latency(pytest.approx(0.1695), pytest.approx(0.3)), "b began at zero in between"
    for value in (100, 120, 140, 390):
        asr.labels("b").observe(value)
    assert reader.read(text(registry), 3.0).latencies["asr"] == Latency(pytest.approx(0.1875), pytest.approx(0.360))
    assert reader.read(text(registry), 4.0).latencies["asr"] == Latency(None, None), "nothing was observed"


def test_the_first_that_is_observed_counts_where_there_was_a_reading_before() -> None:
    registry = CollectorRegistry()
    late = Histogram("late_seconds", "Delay", ["stage"], registry=registry, buckets=(1.0, 2.0))
    reader = Reader(Wanted(latencies={"late": "late_seconds"}))
    assert reader.read(text(registry), 1.0).latencies["late"] == Latency(None, None)
    late.labels("a").observe(0.5)
    assert reader.read(text(registry), 2.0).latencies["late"] == Latency(pytest.approx(0.5), pytest.approx(0.95))


def test_a_quantile_beyond_the_buckets_is_their_last_bound() -> None:
    registry = CollectorRegistry()
    slow = Histogram("slow_seconds", "Delay", registry=registry, buckets=(0.1, 0.5))
    reader = Reader(Wanted(latencies={"slow": "slow_seconds"}))
    reader.read(text(registry), 1.0)
    slow.observe(3.0)
    assert reader.read(text(registry), 2.0).latencies["slow"] == Latency(pytest.approx(3.0), 0.5)


def test_a_summary_and_a_gauge() -> None:
    registry = CollectorRegistry()
    summary, gauge = Summary("llm_seconds", "Delay", registry=registry), Gauge("tts_ms", "Delay", registry=registry)
    reader = Reader(Wanted(latencies={"llm": "llm_seconds", "tts": "tts_ms"}))
    summary.observe(9.0)
    gauge.set(80)
    assert reader.read(text(registry), 1.0).latencies == {"llm": Latency(None, None), "tts": Latency(pytest.approx(0.08), None)}
    summary.observe(0.5)
    summary.observe(0.7)
    assert reader.read(text(registry), 2.0).latencies["llm"] == Latency(pytest.approx(0.6), None)
    go = 'rpc_seconds{quantile="0.5"} 0.1\nrpc_seconds{quantile="0.95"} 0.4\nrpc_seconds_sum %g\nrpc_seconds_count %g\n'
    reader = Reader(Wanted(latencies={"rpc": "rpc_seconds"}))
    reader.read(go % (10.0, 100), 1.0)
    assert reader.read(go % (11.0, 104), 2.0).latencies["rpc"] == Latency(pytest.approx(0.25), 0.4)


def test_what_is_not_there_yet_but_announced_is_not_missing() -> None:
    registry = CollectorRegistry()
    Histogram("asr_seconds", "Delay", ["stage"], registry=registry)
    Counter("other_total", "Other", registry=registry)
    reader = Reader(Wanted(memory=("rss",), latencies={"asr": "asr_seconds", "llm": "llm_seconds"}))
    assert reader.missing(text(registry)) == ["memory (rss)", "latencies.llm (llm_seconds)"]


def test_only_what_is_wanted_is_read() -> None:
    """Others may be ten thousand, and in a form that is not understood."""
    others = "\n".join(f'unwanted{{path="/{n}"}} {n} # {{trace="x"}} 1' for n in range(10_000))
    exposition = f"# TYPE rss gauge\nrss 5\nrss_more 7\nmore_rss 8\n{others}\n# EOF\n"
    assert Reader(Wanted(memory=("rss",))).read(exposition, 1.0).memory_bytes == 5.0
    assert Reader(Wanted()).read(exposition, 1.0) == Reading()
    assert Reader(Wanted(memory=("rss",))).read("rss NaN\n", 1.0).memory_bytes is None


def test_what_is_no_exposition_is_refused() -> None:
    with pytest.raises(ValueError, match="a line is no sample of Prometheus's text format"):
        Reader(Wanted(memory=("rss",))).read("rss is five\n", 1.0)


@pytest.mark.parametrize("series", ["two words", 'a{b="c"', "", "a b=c"])
def test_a_series_that_is_none_is_refused(series: str) -> None:
    with pytest.raises(ValueError, match="is no series"):
        Reader(Wanted(memory=(series,)))
