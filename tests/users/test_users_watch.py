"""The tester's own health is measured; how well it is, is the machine's affair."""

from __future__ import annotations

import gevent
import psutil
import pytest
from users_peers import until

from users.clock import SECOND_NS, cpu_s, now_ns
from users.outbox import BACKLOG
from users.pacer import Pacer
from users.watch import Starts, Watch


def spin(seconds: float) -> None:
    until_ns = now_ns() + round(seconds * SECOND_NS)
    while now_ns() < until_ns:
        pass


def test_lag_is_measured_all_along() -> None:
    watch = Watch(Pacer())
    until(lambda: watch.health().loop_lag.count >= 10)
    before = watch.health().loop_lag.high or 0.0
    assert (watch.health().loop_lag.low or 0.0) >= 0.0
    spin(before + 0.15)
    until(lambda: (watch.health().loop_lag.high or 0.0) >= 0.12)
    watch.stop()
    gevent.sleep(0.05)
    count = watch.health().loop_lag.count
    gevent.sleep(0.1)
    assert watch.health().loop_lag.count == count


def test_time_and_cpu_are_told() -> None:
    watch, cpu_before_s, before_ns = Watch(Pacer()), cpu_s(), now_ns()
    spin(0.1)
    health = watch.health()
    assert health.wall_s >= 0.1
    assert health.cpu_s >= cpu_s() - cpu_before_s - 0.05
    assert health.wall_s <= (now_ns() - before_ns) / SECOND_NS + 0.05
    watch.stop()
    stopped = watch.health()
    cpu_then_s, wall_then_s = stopped.cpu_s, stopped.wall_s
    spin(0.1)
    assert (watch.health().cpu_s, watch.health().wall_s) == (cpu_then_s, wall_then_s), "what comes after the run is not the run's"


def test_memory_is_what_the_kernel_says() -> None:
    watch = Watch(Pacer())
    before = watch.health().memory_bytes
    held = bytearray(b"x") * (64 << 20)
    assert watch.health().memory_bytes - before == pytest.approx(len(held), rel=0.1)
    assert watch.health().memory_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)
    watch.stop()


def test_frames_sent_after_the_end_do_not_count() -> None:
    pacer = Pacer()
    watch = Watch(pacer)
    pacer.lateness.add(0.5)
    watch.stop()
    pacer.lateness.add(0.7)
    watch.stop()
    assert (watch.health().send_lateness.count, watch.health().send_lateness.high) == (1, 0.5)


def test_send_lateness_is_the_pacers() -> None:
    pacer = Pacer()
    watch = Watch(pacer)
    pacer.lateness.add(0.5)
    assert watch.health().send_lateness is pacer.lateness
    watch.stop()


def test_starts_are_missed_after_a_tenth_of_a_second() -> None:
    starts = Starts()
    watch = Watch(Pacer(), starts=starts)
    starts.began(now_ns() + SECOND_NS)
    starts.began(now_ns())
    assert watch.health().missed_starts == 0
    starts.began(now_ns() - SECOND_NS // 10 - 1)
    assert watch.health().missed_starts == 1
    watch.stop()


def test_a_call_that_is_too_late_is_missed_and_any_other_begins() -> None:
    starts = Starts()
    watch = Watch(Pacer(), starts=starts)
    assert starts.missed_call(now_ns() - SECOND_NS // 10 - 1)
    assert not starts.missed_call(now_ns())
    assert not starts.missed_call(now_ns())
    assert (watch.health().missed_starts, watch.health().calls_begun) == (1, 2)
    watch.stop()


def test_what_waits_to_be_sent_is_told_and_its_greatest(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(Pacer())
    monkeypatch.setattr(BACKLOG, "bytes", 70_000)
    until(lambda: watch.health().unsent_bytes_max == 70_000)
    monkeypatch.setattr(BACKLOG, "bytes", 10)
    assert watch.health().unsent_bytes == 10
    gevent.sleep(0.1)
    assert watch.health().unsent_bytes_max == 70_000
    watch.stop()
