"""The tester's own health is measured; how well it is, is the machine's affair."""

from __future__ import annotations

import gevent
from users_peers import until

from users.clock import SECOND_NS, cpu_s, now_ns
from users.pacer import Pacer
from users.watch import Watch


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
    health = watch.health(frames_dropped=7)
    assert health.wall_s >= 0.1
    assert health.cpu_s >= cpu_s() - cpu_before_s - 0.05
    assert health.wall_s <= (now_ns() - before_ns) / SECOND_NS + 0.05
    assert health.frames_dropped == 7
    watch.stop()


def test_send_lateness_is_the_pacers() -> None:
    pacer = Pacer()
    watch = Watch(pacer)
    pacer.lateness.add(0.5)
    assert watch.health().send_lateness is pacer.lateness
    watch.stop()
