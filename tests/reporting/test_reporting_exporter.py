"""The exporter, over real sockets: what it serves, what it refuses, and how long a process waits for its last reader."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import gevent
import pytest
from reporting_local import World
from reporting_records import turn
from reporting_scrape import samples, scrape, value

from metrics.health import Health
from reporting.exporter import Exporter, export_run
from reporting.live import Live
from reporting.prometheus import HealthCollector

HOST = "127.0.0.1"
COUNT = "e2e_latency_client_milliseconds_count"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Site:
    """An exporter of a run that one turn was made in."""

    def __init__(self, parent: Path) -> None:
        self.run: Live | None = None
        self.world = World(parent)
        self.collector = self.world.collector
        self.collector._ticking.kill()
        self.world.add(turn(0.5))
        self.world.second(1.0)
        self.port = free_port()
        options = SimpleNamespace(prometheus_host=HOST, prometheus_port=self.port, prometheus_linger=60.0)
        made = export_run(SimpleNamespace(parsed_options=options), lambda: self.run)
        assert made is not None
        self.exporter = made

    def scrape(self, query: str = "") -> tuple[int, str]:
        return scrape(f"http://{HOST}:{self.port}/metrics{query}")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.exporter.close()


def test_a_run_is_served_once_there_is_one(site: Site) -> None:
    _, before = site.scrape()
    site.run = site.collector
    status, during = site.scrape()
    assert status == 200
    assert COUNT not in before
    assert value(samples(before), "process_resident_memory_bytes") > 1e6
    assert value(samples(during), COUNT) == 1


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus")
def test_prometheus_own_tool_finds_nothing_wrong_but_the_units_that_the_guide_fixes(site: Site) -> None:
    site.run = site.collector
    done = subprocess.run(["promtool", "check", "metrics"], input=site.scrape()[1], capture_output=True, text=True, timeout=60, check=False)
    found = (done.stdout + done.stderr).splitlines()
    assert {line.split()[0] for line in found} == {
        "asr_processing_milliseconds",
        "barge_in_latency_milliseconds",
        "e2e_latency_client_milliseconds",
        "jitter_milliseconds",
        "llm_ttft_milliseconds",
        "tts_processing_milliseconds",
    }
    assert all('use base unit "seconds" instead of "milliseconds"' in line for line in found)


def test_others_go_on_while_a_scrape_is_made(site: Site) -> None:
    site.run = site.collector
    turns = 0

    def work() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.sleep(0.0001)

    worker = gevent.spawn(work)
    site.scrape()
    worker.kill()
    assert turns > 50


def test_a_port_that_is_taken_is_told_at_once(site: Site) -> None:
    with pytest.raises(
        ValueError, match=rf"^the Prometheus exporter cannot be served on {HOST}:{site.port}: Address already in use; choose"
    ):
        Exporter(HOST, site.port, [])


@pytest.mark.parametrize(
    ("host", "port", "linger", "says"),
    [
        (HOST, 70000, 1.0, "--prometheus-port 70000: a port is a number from 1 to 65535"),
        (HOST, -1, 1.0, "--prometheus-port -1"),
        ("192.0.2.1", 19, 1.0, "cannot be served on 192.0.2.1:19: Cannot assign requested address"),
        ("no.such.host.invalid", 9464, 1.0, "cannot be served on no.such.host.invalid:9464"),
        (HOST, 9464, -1.0, "--prometheus-linger -1: seconds, 0 or more"),
        (HOST, 9464, float("nan"), "--prometheus-linger nan"),
    ],
)
def test_what_cannot_be_served_is_told(host: str, port: int, linger: float, says: str) -> None:
    options = SimpleNamespace(prometheus_host=host, prometheus_port=port, prometheus_linger=linger)
    with pytest.raises(ValueError, match=says) as told:
        export_run(SimpleNamespace(parsed_options=options), lambda: None)
    assert "\n" not in str(told.value)


def test_without_a_port_there_is_no_exporter() -> None:
    assert export_run(SimpleNamespace(parsed_options=SimpleNamespace(prometheus_port=0)), lambda: None) is None


def test_a_scrape_that_fails_says_so_and_the_next_one_is_served(caplog: pytest.LogCaptureFixture) -> None:
    broken = True

    def health() -> Health:
        if broken:
            raise RuntimeError("no health")
        return Health(missed_starts=4)

    port = free_port()
    exporter = Exporter(HOST, port, [HealthCollector(health, {"worker": "w"})])
    try:
        status, text = scrape(f"http://{HOST}:{port}/metrics")
        broken = False
        again, then = scrape(f"http://{HOST}:{port}/metrics")
    finally:
        exporter.close()
    assert (status, again) == (500, 200)
    assert "see the load tester's log" in text
    assert "a scrape failed" in caplog.text
    assert value(samples(then), "doubletalk_missed_starts_total") == 4


def lingering(site: Site, limit_s: float = 60.0) -> gevent.Greenlet:
    waiting = gevent.spawn(site.exporter.linger, limit_s)
    gevent.sleep(0.05)
    return waiting


def test_a_process_waits_until_the_end_of_its_run_was_read(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.run = site.collector
    site.scrape()
    site.world.finish()
    waiting = lingering(site)
    assert not waiting.ready()
    site.scrape()
    waiting.join(timeout=30)
    assert waiting.ready()
    assert "Waiting for Prometheus to read how the run ended (at most 60 s" in capsys.readouterr().out


def test_ctrl_c_ends_the_wait_and_there_is_no_second_one(site: Site) -> None:
    site.run = site.collector
    site.scrape()
    site.world.finish()
    waiting = lingering(site)
    assert not waiting.ready()
    assert lingering(site).ready()
    gevent.spawn(waiting.throw, KeyboardInterrupt)
    waiting.join(timeout=30)
    assert waiting.successful()


def test_it_waits_no_longer_than_it_may(site: Site) -> None:
    site.run = site.collector
    site.scrape()
    site.world.finish()
    waiting = lingering(site, 0.2)
    waiting.join(timeout=30)
    assert waiting.ready()


@pytest.mark.parametrize("case", ["nobody reads", "read already", "no run", "not wanted"])
def test_it_does_not_wait_for_nothing(site: Site, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    site.run = None if case == "no run" else site.collector
    if case != "nobody reads":
        site.scrape()
    site.world.finish()
    if case == "read already":
        site.scrape()
    waiting = lingering(site, 0.0 if case == "not wanted" else 60.0)
    assert waiting.ready()
    assert capsys.readouterr().out == ""


def test_it_waits_for_the_run_that_is_shown_now(site: Site, tmp_path: Path) -> None:
    site.run = site.collector
    site.world.finish()
    site.scrape()
    other = World(tmp_path).collector
    assert other.run_id != site.collector.run_id
    site.run = other
    waiting = lingering(site)
    assert not waiting.ready()
    waiting.kill()
    other._ticking.kill()
