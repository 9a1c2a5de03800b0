"""Looking at a target over real HTTP: what it tells, what it cannot, and that it may vanish and come back."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
import trustme
from reporting_targets import Server, serving

from reporting.readings import Reading, Wanted
from reporting.target import BODY_MAX, Look, Place, Target

WANTED = Wanted(("process_resident_memory_bytes",), (), ("websocket_connections_active",))


def target(server: Server, **changes: Any) -> Target:
    facts = {"metrics_url": f"{server.url}/metrics", "health_url": f"{server.url}/health", "every_s": 1.0, "timeout_s": 2.0}
    return Target(Place(**{**facts, "wanted": WANTED, "tls": ssl.create_default_context(), **changes}), time.monotonic_ns)


@contextmanager
def looking(looked_at: Target) -> Iterator[Target]:
    looked_at.start(time.monotonic_ns())
    try:
        yield looked_at
    finally:
        looked_at.stop()


def next_look(looked_at: Target) -> Look:
    with gevent.Timeout(30):
        while (look := looked_at.latest()) is None:
            gevent.sleep(0.01)
    return look


def test_a_look_reads_both_pages() -> None:
    with serving() as server:
        server.memory.set(150e6)
        server.sessions.set(3)
        looked_at = target(server)
        looked_at.check()
        with looking(looked_at):
            assert next_look(looked_at) == Look(True, Reading(150e6, None, 3.0, {}))
            assert looked_at.latest() is None, "each look is told once"
        with looking(looked_at):
            assert next_look(looked_at).up, "another run looks at the same target"
        assert {path for path, _ in server.asked} == {"/metrics", "/health"}
        assert all(headers["Accept"].startswith("text/plain;version=0.0.4") for _, headers in server.asked)


def test_looks_are_as_far_apart_as_is_asked() -> None:
    with serving() as server, looking(target(server, every_s=0.2, health_url=None)) as looked_at:
        begun = time.monotonic()
        for _ in range(6):
            next_look(looked_at)
        assert time.monotonic() - begun >= 0.9
        assert len(server.asked) <= (time.monotonic() - begun) / 0.2 + 2


def test_a_target_that_vanishes_is_down_and_up_again_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as server:
        port, looked_at = server.port, target(server, every_s=0.1)
        with looking(looked_at):
            assert next_look(looked_at).up
            server.close()
            with gevent.Timeout(30):
                while (down := next_look(looked_at)).up:
                    pass
            assert down.reading == Reading()
            assert re.fullmatch(rf"http://127.0.0.1:{port}/health cannot be read: .+", down.error or "")
            assert not next_look(looked_at).up
            with serving(port), gevent.Timeout(30):
                while not next_look(looked_at).up:
                    pass
    told = [record.message for record in caplog.records]
    assert told[-1] == "target: it can be read again"
    assert len(told) <= 3, "it is said once that it is down, however long that lasts"


def test_a_target_that_is_not_well_is_down_and_still_read() -> None:
    with serving() as server, looking(target(server, health_url=None, every_s=0.1)) as looked_at:
        server.memory.set(7.0)
        server.status = 503
        with gevent.Timeout(30):
            while (look := next_look(looked_at)).up:
                pass
        assert (look.error, look.reading) == (f"{server.url}/metrics cannot be read: HTTP status 503", Reading())


def test_health_alone_is_enough() -> None:
    with serving() as server:
        looked_at = target(server, metrics_url=None)
        looked_at.check()
        with looking(looked_at):
            assert next_look(looked_at) == Look(True, Reading())
        assert {path for path, _ in server.asked} == {"/health"}


def bad(server: Server, what: str, tmp: Path) -> Target:
    match what:
        case "down":
            with socket.create_server(("127.0.0.1", 0)) as taken:
                port = taken.getsockname()[1]
            return target(server, metrics_url=f"http://127.0.0.1:{port}/metrics")
        case "late":
            server.delay_s = 1.0
            return target(server, timeout_s=0.1)
        case "refused":
            server.status = 401
        case "page":
            server.body = b"process_resident_memory_bytes is on another page\n"
        case "long":
            server.body = b"x" * (BODY_MAX + 1)
        case "latency":
            return target(server, wanted=Wanted(latencies={"asr": "asr_seconds"}))
    return target(server)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("down", r"target: http://127.0.0.1:\d+/metrics cannot be read: Connection refused; is it right \(target.metrics_url, .+\)\?"),
        ("late", r"target: http://127.0.0.1:\d+/health cannot be read: no answer within 0.1 s \(target.timeout_s\); .*"),
        ("refused", r"target: http://127.0.0.1:\d+/health cannot be read: HTTP status 401; .*"),
        ("page", r"target: http://127.0.0.1:\d+/metrics cannot be read: a line is no sample of Prometheus's text format: .*"),
        ("long", r"target: http://127.0.0.1:\d+/health cannot be read: its answer is longer than 4 MiB; .*"),
        ("latency", r"target: http://127.0.0.1:\d+/metrics has no series for latencies.asr \(asr_seconds\): look at what it shows"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_before_the_run(tmp_path: Path, what: str, says: str) -> None:
    with serving() as server, pytest.raises(ValueError) as told:
        bad(server, what, tmp_path).check()
    assert re.fullmatch(says, str(told.value)), str(told.value)


def test_a_series_that_is_not_there_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as server:
        target(server, wanted=Wanted(memory=("process_resident_memory_bytes",), cpu=("cpu_total", "cpu_percent"))).check()
    (record,) = caplog.records
    assert record.message.endswith("/metrics has no series for cpu (cpu_total, cpu_percent): they will be absent")


def test_certificates_are_verified_as_the_talkers_verify_them() -> None:
    authority = trustme.CA()
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(secure)
    trusting, careless = ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(trusting)
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    with serving(tls=secure) as server:
        with pytest.raises(ValueError, match=r"its TLS certificate is not trusted: .+ \(--tls-ca, --tls-insecure\)"):
            target(server).check()
        target(server, tls=trusting).check()
        target(server, tls=careless).check()


def test_a_series_that_is_none_is_refused() -> None:
    with serving() as server, pytest.raises(ValueError, match="target: 'two words' is no series"):
        target(server, wanted=Wanted(memory=("two words",)))
