"""Both alarms ring once for each setting, never before their instant."""

from __future__ import annotations

import os
from collections.abc import Callable

import gevent
import pytest
from users_peers import until

from users import alarm as alarm_module
from users.alarm import Alarm, alarm
from users.clock import SECOND_NS, now_ns

MS = 1_000_000


@pytest.fixture(params=["descriptor", "timer"])
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], Alarm]:
    if request.param == "timer":
        monkeypatch.setattr(alarm_module.sys, "platform", "other")
    return alarm


def test_it_rings_at_its_instant_and_not_before(make: Callable[[Callable[[], None]], Alarm]) -> None:
    rang: list[int] = []
    made = make(lambda: rang.append(now_ns()))
    for wait_ns in (3 * MS, 17 * MS, 0, -SECOND_NS):
        rang.clear()
        at_ns = now_ns() + wait_ns
        made.set(at_ns)
        until(lambda: rang)
        assert rang[0] >= at_ns - MS // 20, "timers are true to the microsecond of their own clock"
        gevent.sleep(0.01)
        assert len(rang) == 1
    made.close()


def test_a_setting_takes_the_place_of_the_one_before(make: Callable[[Callable[[], None]], Alarm]) -> None:
    rang: list[int] = []
    made = make(lambda: rang.append(now_ns()))
    began_ns = now_ns()
    made.set(began_ns + 5 * MS)
    made.set(began_ns + 40 * MS)
    until(lambda: rang)
    assert rang[0] >= began_ns + 39 * MS
    made.set(now_ns() + 10 * MS)
    made.close()
    gevent.sleep(0.03)
    assert len(rang) == 1


def test_closing_gives_the_descriptor_back() -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(20):
        made = alarm(lambda: None)
        made.set(now_ns() + SECOND_NS)
        made.close()
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after == before
