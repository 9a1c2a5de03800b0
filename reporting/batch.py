"""What a worker reports: all that ended since its last report, and how it is itself. Numbered, so that it is counted once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from metrics.aggregate import Aggregate
from metrics.faults import FaultRecord, fault_from
from metrics.health import Health
from reporting.live import Failure


@dataclass(frozen=True, slots=True)
class Batch:
    """One report. `seq` counts a worker's reports from 1; `tables`: its records as Arrow's messages, by the name of their table;
    `aggregate` of the same records; `health`: histograms of what came since the last report, all else of the run so far; `clock`: that of
    its last turn, None where it has none; `last`: nothing will follow, its talkers are gone; `faults`: what was done to its talkers since
    the last report."""

    seq: int
    talkers: int
    tables: dict[str, list[bytes]]
    aggregate: Aggregate
    health: Health
    failures: list[Failure]
    clock: str | None
    last: bool
    faults: list[FaultRecord] = field(default_factory=list)

    def to_plain(self) -> dict[str, Any]:
        """Plain data that msgpack carries."""
        return {
            "seq": self.seq,
            "talkers": self.talkers,
            "tables": self.tables,
            "aggregate": self.aggregate.to_plain(),
            "health": self.health.to_plain(),
            "failures": [asdict(failure) for failure in self.failures],
            "clock": self.clock,
            "last": self.last,
            "faults": [asdict(fault) for fault in self.faults],
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Batch:
        """The batch that `to_plain` wrote. Raises ValueError, KeyError or TypeError for anything else."""
        made = {name: plain[name] for name in ("seq", "talkers", "tables", "clock", "last")}
        return cls(
            aggregate=Aggregate.from_plain(plain["aggregate"]),
            health=Health.from_plain(plain["health"]),
            failures=[Failure(**failure) for failure in plain["failures"]],
            faults=[fault_from(fault) for fault in plain["faults"]],
            **made,
        )
