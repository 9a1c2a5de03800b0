"""Which metric moved first, and which follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.compare.asked import above
from analysis.compare.judge import Row, Verdict
from metrics.catalog import METRICS
from metrics.metric import Metric


@dataclass(frozen=True, slots=True)
class Cause:
    """A metric that moved though nothing that it is made of did; `row`: its aggregate that is told; `follow`: the metrics that moved the
    same way and span it."""

    row: Row
    follow: tuple[Metric, ...]

    @property
    def verdict(self) -> Verdict:
        """Worse or better."""
        return self.row.verdict


def causes(rows: Sequence[Row]) -> list[Cause]:
    """Those that moved beyond the tolerance, worse before better, each in the catalogue's order of what follows from most."""
    found = []
    for way in (Verdict.WORSE, Verdict.BETTER):
        moved: dict[str, Row] = {}
        for row in rows:
            if row.verdict is way and row.matters:
                moved.setdefault(row.metric.name, row)
        first = [name for name in moved if not above(name) & moved.keys()]
        made = [Cause(moved[name], tuple(METRICS[other] for other in moved if name in above(other))) for name in first]
        found += sorted(made, key=lambda cause: -len(cause.follow))
    return found
