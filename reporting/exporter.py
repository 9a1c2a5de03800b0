"""The exporter: serves what Prometheus reads, on a port of its own, beside the talkers and without holding them up."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent.event import Event
from gevent.pywsgi import WSGIServer
from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from prometheus_client.registry import Collector

from metrics.health import Health
from reporting.live import Live
from reporting.prometheus import HealthCollector, RunCollector

logger = logging.getLogger(__name__)

_BREATH_S = 0.0005
"""Pause after each family of a scrape: long enough for the event loop to go round, which a sleep of 0 is not."""


def export_run(environment: Any, shown: Callable[[], Live | None]) -> Exporter | None:
    """An exporter of the run that `shown` gives, where the options ask for one. Raises ValueError for options that cannot be met."""
    parsed = environment.parsed_options
    if not parsed.prometheus_port:
        return None
    if not 0.0 <= parsed.prometheus_linger < math.inf:
        raise ValueError(f"--prometheus-linger {parsed.prometheus_linger:g}: seconds, 0 or more")
    collector = RunCollector(shown, lambda: gevent.sleep(_BREATH_S))
    return Exporter(parsed.prometheus_host, parsed.prometheus_port, [collector], shown)


def export_worker(environment: Any, health: Callable[[], Health | None]) -> Exporter | None:
    """An exporter of a worker's own health, where the options ask for one; None before a run: nothing yet. The workers of `--processes`
    have the ports after the one that is asked for, which is their master's. Raises ValueError as `export_run`."""
    parsed, index = environment.parsed_options, environment.runner.worker_index
    if not parsed.prometheus_port:
        return None
    port = parsed.prometheus_port + (1 + index if parsed.processes else 0)
    return Exporter(parsed.prometheus_host, port, [HealthCollector(health, {"worker": f"worker-{index}"})])


class Exporter:
    """Serves what `collectors` tell, and the process's own resources, on `host` and `port` from now on, until `close`. It tells no one that
    it was asked.

    `shown`: the run whose end somebody should have read before the process ends. Raises ValueError where it cannot be served there.
    """

    def __init__(self, host: str, port: int, collectors: Iterable[Collector], shown: Callable[[], Live | None] = lambda: None) -> None:
        if not 0 < port < 65536:
            raise ValueError(f"--prometheus-port {port}: a port is a number from 1 to 65535 (0: no exporter)")
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        for collector in collectors:
            registry.register(collector)
        self._app = make_wsgi_app(registry, disable_compression=True)  # compressing takes longer than all the rest
        self._shown = shown
        self._read: tuple[str, bool] | None = None
        self._lingered = False
        self._sent = Event()
        self._server = WSGIServer((host, port), self._serve, log=None, error_log=None)
        try:
            self._server.start()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror  # gevent repeats the address in it
            place = f"{host or '*'}:{port}"
            raise ValueError(
                f"the Prometheus exporter cannot be served on {place}: {why}; choose another --prometheus-port or --prometheus-host"
            ) from None

    def linger(self, limit_s: float) -> None:
        """Wait until somebody has read how the run ended, at most `limit_s`; not at all where nobody ever read anything, or its end was
        read already. Ctrl-C ends the wait. There is no second one: whoever makes the process quit again is in a hurry."""
        live = self._shown()
        if live is None or self._read in (None, (live.run_id, True)) or limit_s <= 0 or self._lingered:
            return
        self._lingered = True
        print(f"Waiting for Prometheus to read how the run ended (at most {limit_s:g} s; Ctrl-C: do not wait)", flush=True)
        try:
            with gevent.Timeout(limit_s, False):
                while self._read != (live.run_id, True):
                    self._sent.clear()
                    self._sent.wait()
        except KeyboardInterrupt:
            pass

    def close(self) -> None:
        """Serve no more."""
        self._server.stop(timeout=0)

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        live = self._shown()
        state = ("", False) if live is None else (live.run_id, not live.under_way)
        try:
            answer = self._app(environ, start_response)
        except Exception:
            logger.exception("a scrape failed")
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"the scrape failed: see the load tester's log\n"]
        return _Answer(answer, lambda: self._was_read(state)) if environ["REQUEST_METHOD"] == "GET" else answer

    def _was_read(self, state: tuple[str, bool]) -> None:
        self._read = state
        self._sent.set()


class _Answer(list[bytes]):
    """A response's body; the server closes it once it has been written, or could not be."""

    def __init__(self, body: Iterable[bytes], closed: Callable[[], None]) -> None:
        super().__init__(body)
        self.close = closed
