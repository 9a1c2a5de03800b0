"""The tester's own health: whether what it measured can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from metrics.histogram import Histogram

LATE_START_S = 0.100
"""A call or a token request that begins later than this after its instant has missed its start."""
LOOP_LAG_LIMIT_S = 0.020
"""Above this at p99 a worker is too busy to tell arrival times (metrics design, 'A run is invalid')."""


@dataclass(slots=True)
class Health:
    """Of one worker, or merged over many. `send_lateness`: frame due to frame handed to the kernel; `loop_lag`: lateness of the event
    loop's own timer; both in seconds. `cpu_s` of CPU in `wall_s` of time. `missed_starts`: calls and token requests that began more than
    LATE_START_S after their instant; `calls_begun`: calls of open arrivals that did not; `unsent_bytes`, `unsent_bytes_max`: what waited
    for the kernel to take it, last and at most; `memory_bytes`: resident memory, last, 0 before it was read."""

    send_lateness: Histogram = field(default_factory=Histogram)
    loop_lag: Histogram = field(default_factory=Histogram)
    cpu_s: float = 0.0
    wall_s: float = 0.0
    frames_dropped: int = 0
    missed_starts: int = 0
    calls_begun: int = 0
    unsent_bytes: int = 0
    unsent_bytes_max: int = 0
    memory_bytes: int = 0
    workers_lost: int = 0
    records_lost: int = 0
    local_faults: int = 0

    def merge(self, other: Health) -> None:
        """Count all that `other` has counted."""
        self.send_lateness.merge(other.send_lateness)
        self.loop_lag.merge(other.loop_lag)
        self.cpu_s += other.cpu_s
        self.wall_s += other.wall_s
        self.frames_dropped += other.frames_dropped
        self.missed_starts += other.missed_starts
        self.calls_begun += other.calls_begun
        self.unsent_bytes += other.unsent_bytes
        self.unsent_bytes_max = max(self.unsent_bytes_max, other.unsent_bytes_max)
        self.memory_bytes += other.memory_bytes
        self.workers_lost += other.workers_lost
        self.records_lost += other.records_lost
        self.local_faults += other.local_faults

    def advance(self, later: Health) -> None:
        """Become what `later` says of the same worker: its histograms hold what came since, all else is of the run so far."""
        self.send_lateness.merge(later.send_lateness)
        self.loop_lag.merge(later.loop_lag)
        for f in fields(self):
            if f.name not in ("send_lateness", "loop_lag"):
                setattr(self, f.name, getattr(later, f.name))

    def faults(self, frame_s: float) -> list[str]:
        """Why a run with such a worker is invalid, a line each with what to do; empty where it is valid. `frame_s`: frame duration."""
        found = []
        lateness, lag = self.send_lateness.quantile(0.99), self.loop_lag.quantile(0.99)
        if lateness is not None and lateness > frame_s / 2:
            found.append(
                f"send_lateness p99 {lateness * 1000:.1f} ms is over half a frame ({frame_s * 500:g} ms): "
                "use more workers or longer frames (--frame-ms)"
            )
        if lag is not None and lag > LOOP_LAG_LIMIT_S:
            found.append(f"loop_lag p99 {lag * 1000:.1f} ms is over {LOOP_LAG_LIMIT_S * 1000:g} ms: use more workers or a quieter machine")
        if self.records_lost:
            found.append(f"{self.records_lost} record(s) lost between worker and run files")
        if self.local_faults:
            found.append(f"{self.local_faults} fault(s) of the load tester itself: see its log, and report them")
        return found

    def told(self, frame_s: float) -> dict[str, Any]:
        """What `run.json` says of it: quantiles in seconds (None where nothing was measured), and the counts.

        `frames_late`: frames that went out more than a frame duration (`frame_s`) late, when the next was due already.
        """
        plain = {**self.to_plain(), "frames_late": self.send_lateness.count_above(frame_s)}
        for name, values in (("send_lateness", self.send_lateness), ("loop_lag", self.loop_lag)):
            plain[name] = {"count": values.count, "p50_s": values.quantile(0.5), "p99_s": values.quantile(0.99), "max_s": values.high}
        return plain

    def to_plain(self) -> dict[str, Any]:
        """Plain data that JSON and msgpack carry."""
        histograms = {"send_lateness": self.send_lateness.to_plain(), "loop_lag": self.loop_lag.to_plain()}
        return {**histograms, **{f.name: getattr(self, f.name) for f in fields(self) if f.name not in histograms}}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Health:
        """The health that `to_plain` wrote."""
        kept = dict(plain)
        made = cls(Histogram.from_plain(kept.pop("send_lateness")), Histogram.from_plain(kept.pop("loop_lag")))
        for name, value in kept.items():
            setattr(made, name, value)
        return made
