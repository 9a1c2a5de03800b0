"""What a headless run prints: a progress line every few seconds, the summary at its end."""

from __future__ import annotations

import sys
from pathlib import Path

import gevent

from metrics.histogram import Histogram
from metrics.metric import Unit, show
from reporting.collector import Collector, Finished

PERIOD_S = 5.0


def progress_line(collector: Collector) -> str:
    """Elapsed time, talkers, turns, end-to-end latency and errors so far, and how the tester itself is: share of a core, p99 of how late it
    sends, of the run so far."""
    aggregate = collector.aggregate
    e2e: Histogram = aggregate.histogram("e2e_latency")
    errors = aggregate.errors()
    told = ", ".join(f"{n} {kind}" for kind, n in errors.items()) or "no errors"
    health = collector.health()
    cpu = f"{health.cpu_s / health.wall_s * 100:.0f} %" if health.wall_s else "-"
    return (
        f"{collector.elapsed_s:5.0f} s  {collector.talkers:4d} talkers  {aggregate.turns():5d} turns  "
        f"E2E p50 {show(e2e.quantile(0.5), Unit.SECONDS)}  p95 {show(e2e.quantile(0.95), Unit.SECONDS)}  {told}  "
        f"tester: {cpu} of a core, sends late p99 {show(health.send_lateness.quantile(0.99), Unit.SECONDS)}"
    )


def print_progress(collector: Collector) -> None:
    """Print the line every PERIOD_S seconds, and below it why the run is invalid so far, until killed."""
    while True:
        gevent.sleep(PERIOD_S)
        print(progress_line(collector), flush=True)
        for fault in collector.faults():
            print(f"         INVALID so far: {fault}", flush=True)


def print_finished(finished: Finished, report: Path | None = None) -> None:
    """Print the summary, where the run folder and its report are, and the verdict once more, where the eye is."""
    where = f"Run folder: {finished.path}\n" + (f"Report: {report}\n" if report else "")
    print(f"\n{finished.summary}\n{where}{finished.verdict}", flush=True)
    sys.stdout.flush()
