"""What a headless run prints: a progress line every few seconds, the summary at its end."""

from __future__ import annotations

import sys
from typing import Any

import gevent

from metrics.histogram import Histogram
from metrics.metric import Unit, show
from reporting.collector import Collector, Finished

PERIOD_S = 5.0


def progress_line(collector: Collector, talkers: int) -> str:
    """Elapsed time, talkers, turns, end-to-end latency and errors so far."""
    aggregate = collector.aggregate
    e2e: Histogram = aggregate.histogram("e2e_latency")
    errors = aggregate.errors()
    told = ", ".join(f"{n} {kind}" for kind, n in errors.items()) or "no errors"
    return (
        f"{collector.elapsed_s:5.0f} s  {talkers:4d} talkers  {aggregate.turns():5d} turns  "
        f"E2E p50 {show(e2e.quantile(0.5), Unit.SECONDS)}  p95 {show(e2e.quantile(0.95), Unit.SECONDS)}  {told}"
    )


def print_progress(collector: Collector, talkers: Any) -> None:
    """Print the line every PERIOD_S seconds, until killed. `talkers()` tells how many there are."""
    while True:
        gevent.sleep(PERIOD_S)
        print(progress_line(collector, talkers()), flush=True)


def print_finished(finished: Finished) -> None:
    """Print the summary, where the run folder is, and the verdict once more, where the eye is."""
    print(f"\n{finished.summary}\nRun folder: {finished.path}\n{finished.verdict}", flush=True)
    sys.stdout.flush()
