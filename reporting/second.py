"""A second of a run: what its workers reported in it, and the row of the timeline that this makes."""

from __future__ import annotations

from typing import Any

from metrics.aggregate import Aggregate
from metrics.health import Health
from metrics.histogram import Histogram
from metrics.records import SampleRecord, TurnKind
from reporting.batch import Batch
from reporting.readings import Reading
from reporting.tables import PER_SESSION, SAMPLED, latency_columns
from reporting.target import Look


class Second:
    """Adds up the batches that come in it. `aggregate`: theirs."""

    def __init__(self) -> None:
        self.aggregate = Aggregate()
        self._lateness, self._lag = Histogram(), Histogram()
        self._cpu_s: float = 0.0
        self._wall_s: float = 0.0

    def add(self, batch: Batch, cpu_s: float, wall_s: float) -> None:
        """A batch, and what its worker took of the CPU since the one before, in how long."""
        self.aggregate.merge(batch.aggregate)
        self._lateness.merge(batch.health.send_lateness)
        self._lag.merge(batch.health.loop_lag)
        self._cpu_s += cpu_s
        self._wall_s += wall_s

    def row(self, t_s: float, talkers: int, workers: int, health: Health) -> dict[str, Any]:
        """Its row but for the sample's columns. `health`: that of the run so far."""
        done = self.aggregate
        success = done.ratio("success")
        return {
            "t_s": t_s,
            "talkers": talkers,
            "turns": done.turns(),
            "failures": round(success.denominator - success.numerator),
            "barge_ins": done.turns(TurnKind.BARGE_IN),
            "false_alarms": done.turns(TurnKind.FALSE_ALARM),
            "sessions_ended": sum(n for k, n in done.counts.items() if k.startswith("sessions.")),
            "tokens": done.counts["tokens"],
            "errors": sum(done.errors().values()),
            "underruns": round(done.ratio("underruns").numerator),
            "frames_dropped": health.frames_dropped,
            "missed_starts": health.missed_starts,
            "unsent_bytes": health.unsent_bytes,
            "workers": workers,
            "e2e_latency_p50_s": done.histogram("e2e_latency").quantile(0.5),
            "e2e_latency_p95_s": done.histogram("e2e_latency").quantile(0.95),
            "barge_in_latency_p95_s": done.histogram("barge_in_latency").quantile(0.95),
            "send_lateness_p99_s": self._lateness.quantile(0.99),
            "loop_lag_p99_s": self._lag.quantile(0.99),
            "cpu_share": self._cpu_s / self._wall_s if self._wall_s > 0 else None,
        }


def sample(t_s: float, settled: bool, look: Look | None, health: Health, calls: tuple[int | None, int | None]) -> SampleRecord:
    """The sample of the second that ends at `t_s`. `look` None: the target was not looked at in it; `calls`: due and begun in it."""
    reading = look.reading if look else Reading()
    return SampleRecord(
        t_s=t_s,
        settled=settled,
        target_up=look.up if look else None,
        target_memory_bytes=_whole(reading.memory_bytes),
        target_cpu_share=reading.cpu_share,
        target_sessions=_whole(reading.sessions),
        tester_memory_bytes=health.memory_bytes or None,
        calls_due=calls[0],
        calls_begun=calls[1],
    )


def sample_columns(record: SampleRecord, measured: dict[str, Any], look: Look | None, latencies: tuple[str, ...]) -> dict[str, Any]:
    """The sample as columns of the row. `measured`: its metrics; `latencies`: names of those that the scenario reads off the target."""
    reading = look.reading if look else Reading()
    row: dict[str, Any] = {name: getattr(record, name) for name in SAMPLED}
    row[PER_SESSION] = measured.get("target_memory_per_session")
    for name in latencies:
        latency = reading.latencies.get(name)
        row |= zip(latency_columns(name), (latency.mean_s, latency.p95_s) if latency else (None, None), strict=True)
    return row


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
