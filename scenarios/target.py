"""The scenario's part about the target's side: where the target tells of itself, and which of its series mean what."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from scenarios.parts import NotNegative, Part, Period, Positive

OF_TARGET = {"target_cpu", "target_memory", "target_memory_per_session", "target_memory_growth"}
"""Metrics that take a `metrics_url`."""
GROWTHS = {"target_memory_growth", "tester_memory_growth"}
"""Metrics of what is there once the load has settled (`settle_s`)."""
AVAILABILITY = "target_availability"
"""The metric for which a `health_url` is enough."""


def _place(value: str) -> str:
    """An absolute URL, or a path below the host; it is shown in run files, so it holds no secret."""
    parts = urlsplit(value)
    whole = parts.scheme in ("http", "https") and parts.hostname is not None
    if not (whole or value.startswith("/")):
        raise ValueError("write a path such as /metrics, or a URL that begins with http:// or https://")
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in value:
        raise ValueError("run files show it: without user name, password or parameters")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("its port is none that can be called")
    return value


def _series(value: str) -> str:
    if not re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^{}\n]*\})?", value):
        raise ValueError('a series is written name or name{label="value"}')
    return value


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", value):
        raise ValueError("a name has lower-case letters, digits and '_', and begins with a letter: it becomes a column, target_<name>_s")
    return value


Place = Annotated[str, AfterValidator(_place)]
Series = Annotated[str, AfterValidator(_series)]
LatencyName = Annotated[str, AfterValidator(_name)]


class Target(Part):
    """Where the target tells of itself, and what is read off it."""

    metrics_url: Place | None = Field(
        None,
        description="where the target shows its metrics in Prometheus's text format: a URL, or a path such as /metrics below the host, "
        "whose own path is included",
    )
    health_url: Place | None = Field(None, description="page that answers with a 2xx status while the target is well: a URL, or a path")
    every_s: Period = Field(1.0, description="seconds between two looks at it")
    timeout_s: Positive = Field(2.0, description="time for an answer, after which the target counts as down")
    settle_s: NotNegative = Field(
        20.0, description="seconds since the number of talkers was last higher than ever before, from which on memory counts towards growth"
    )
    memory: tuple[Series, ...] = Field(
        ('process_memory_bytes{type="rss"}', "process_resident_memory_bytes"),
        description="series of its resident memory in bytes: the first that it has counts",
    )
    cpu: tuple[Series, ...] = Field(
        ("process_cpu_seconds_total", "process_cpu_percent"),
        description="series of its CPU: seconds where the name ends in `_total`, per cent of a core in `_percent`, else a share of a core",
    )
    sessions: tuple[Series, ...] = Field(("websocket_connections_active",), description="series of its open sessions")
    latencies: dict[LatencyName, Series] = Field(
        {}, description="its own latencies, name: series (a histogram, summary or gauge): columns `target_<name>_s`, `target_<name>_p95_s`"
    )

    def urls(self, host: str) -> tuple[str | None, str | None]:
        """The two URLs in full, of an assistant at `host`."""
        base = re.sub(r"^ws", "http", host.partition("?")[0], flags=re.IGNORECASE).rstrip("/")
        metrics, health = (base + place if place and place.startswith("/") else place for place in (self.metrics_url, self.health_url))
        return metrics, health

    def unmeasured(self, metric: str) -> str | None:
        """What is missing here for a metric of this name to be measured; None where nothing is."""
        if metric in OF_TARGET and self.metrics_url is None:
            return f"{metric} is measured only where target.metrics_url says where the target shows its metrics, such as /metrics"
        if metric == AVAILABILITY and self.metrics_url is None and self.health_url is None:
            return f"{metric} is measured only where target.health_url or target.metrics_url says whom to ask"
        return None
