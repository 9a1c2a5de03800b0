"""What is known of a run before it starts, and of its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run before it starts. `scenario` as resolved, in plain data; nothing here is secret. `lost_workers_allowed`: so
    many workers may be lost before the run is invalid. `settle_s`: how long after its highest number of talkers so far memory is not yet
    taken for growth; `latencies`: names of the target's own that are sampled; `untold`: metrics that its wire cannot tell, and why."""

    scenario: dict[str, Any]
    seed: int
    dialect: str
    frame_ms: float
    host: str
    started_epoch_s: float
    started_ns: int
    options: dict[str, Any] = field(default_factory=dict)
    lost_workers_allowed: int = 0
    settle_s: float = 20.0
    latencies: tuple[str, ...] = ()
    untold: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended (`metrics.verdicts`' COMPLETE, INTERRUPTED, ABORTED or KILLED), after how long, the most talkers at a time, and the
    clock of its last turn; None where it had none. `told`: what else `run.json` is to say of how it went, by key."""

    ended: str
    duration_s: float
    talkers_max: int
    clock: str | None
    told: dict[str, Any] = field(default_factory=dict)
