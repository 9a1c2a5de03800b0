"""Which metric moved first, and which follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.compare.asked import OWN, above
from analysis.compare.judge import Row, Verdict
from metrics.catalog import METRICS
from metrics.metric import Metric

_PART = 0.1
"""Of a cause's difference: what is smaller beside it is not told."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A metric that moved though nothing that it is made of did; `row`: its aggregate that is told; `follow`: the metrics that moved the
    same way and span it; `unasked`: what else these are made of, and was not judged though it differs by more than its interval."""

    row: Row
    follow: tuple[Metric, ...]
    unasked: tuple[Metric, ...] = ()

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
        made = [_cause(moved, name, rows) for name in first]
        found += sorted(made, key=lambda cause: -len(cause.follow))
    return found


def _cause(moved: dict[str, Row], name: str, rows: Sequence[Row]) -> Cause:
    follow = tuple(METRICS[other] for other in moved if name in above(other))
    apart = set().union(*(above(metric.name) for metric in follow)) - above(name) - OWN - {name, *(metric.name for metric in follow)}
    parts = {one for one in apart if name not in above(one)}
    unasked = {row.metric.name for row in rows if row.metric.name in parts and row.verdict is Verdict.TOLD and _alike(row, moved[name])}
    return Cause(moved[name], follow, tuple(METRICS[one] for one in METRICS if one in unasked and not above(one) & unasked))


def _alike(row: Row, cause: Row) -> bool:
    """Whether it differs by more than its interval, the same way as the cause, and by a tenth of that at least."""
    low, high, value, other = row.difference.low, row.difference.high, row.difference.value, cause.difference.value
    if low is None or high is None or value is None or other is None or low <= 0.0 <= high or row.metric.unit is not cause.metric.unit:
        return False
    return (value > 0.0) == (other > 0.0) and abs(value) >= _PART * abs(other)
