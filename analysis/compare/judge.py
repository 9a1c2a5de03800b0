"""What a difference comes to: worse, better, no difference seen, or that it cannot be told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from analysis.compare.asked import judged
from analysis.compare.tolerance import Tolerance, beyond
from analysis.statistics.difference import Difference, Side, difference
from analysis.statistics.estimate import CONFIDENCE
from analysis.statistics.several import holm
from metrics.metric import Metric

LEAST_SESSIONS = 5
"""With fewer sessions on a side there is no verdict: their variance is anybody's guess (benchmarks/comparing.py begins there)."""
LEAST_BEYOND = 5
"""Values that must lie beyond a percentile on both of its sides: p95 is judged from 100 values on."""


class Verdict(StrEnum):
    """What B is, against A."""

    WORSE = "worse"
    BETTER = "better"
    NONE = "no difference seen"
    CANNOT = "cannot tell"
    TOLD = "told"
    """A difference of what is neither good nor bad, or of the talkers themselves."""


@dataclass(frozen=True, slots=True)
class Row:
    """An aggregate of a metric on both sides. `p`: with all others of its table corrected for; None where it is not judged. `differs`:
    the difference is no chance; `matters`: and it is beyond what is tolerated. `why`: why it cannot be told, else empty."""

    metric: Metric
    aggregate: str
    a: Side
    b: Side
    difference: Difference
    p: float | None = None
    differs: bool = False
    matters: bool = False
    verdict: Verdict = Verdict.CANNOT
    why: str = ""

    @property
    def regressed(self) -> bool:
        """Worse by more than is tolerated."""
        return self.matters and self.verdict is Verdict.WORSE


def rows(measured: Iterable[tuple[Metric, str, Side, Side]], paired: bool, tolerance: Tolerance, only: Sequence[str] = ()) -> list[Row]:
    """A row for each aggregate that was measured on a side at least. `only`: the metrics that are judged; none: all that can be.

    Each of the catalogue's tables is a question of its own (is it slower, does it handle interruptions worse, ...), and within one p values
    are corrected for their number (Holm).
    """
    known = [one for one in measured if one[2].n or one[3].n]
    why = [_why(metric, aggregate, a, b) for metric, aggregate, a, b in known]
    asks = [judged(one[0]) and (not only or one[0].name in only) for one in known]
    made: list[Row] = []
    for (metric, aggregate, a, b), reason, asking in zip(known, why, asks, strict=True):
        tests = sum(1 for one, r, ask in zip(known, why, asks, strict=True) if ask and not r and one[0].table == metric.table)
        told = difference(a, b, paired, tests if asking and not reason else 1)
        made.append(Row(metric, aggregate, a, b, told, why=reason, verdict=Verdict.CANNOT if asking else Verdict.TOLD))
    for table in {row.metric.table for row in made}:
        at = [i for i, row in enumerate(made) if row.metric.table == table and row.verdict is Verdict.CANNOT and not row.why]
        for i, p in zip(at, holm([p if (p := made[i].difference.p) is not None else 1.0 for i in at]), strict=True):
            made[i] = _judge(replace(made[i], p=p), tolerance)
    return [_tell(row, tolerance) if row.verdict is Verdict.TOLD else row for row in made]


def _why(metric: Metric, aggregate: str, a: Side, b: Side) -> str:
    """Why there is no verdict; empty where there can be one."""
    for name, side in (("A", a), ("B", b)):
        if side.value is None:
            return f"not measured in {name}: {metric.absent}"
        if side.n < metric.min_count:
            return f"few: n {side.n} in {name}"
        if aggregate[0] == "p" and side.n * min(share := float(aggregate[1:]) / 100.0, 1.0 - share) < LEAST_BEYOND - 1e-9:
            return f"few for {aggregate}: n {side.n} in {name}"
        if side.sessions < LEAST_SESSIONS:
            return f"few: {side.sessions} sessions in {name}"
    return ""


def _judge(row: Row, tolerance: Tolerance) -> Row:
    effect, value = row.difference.effect, row.a.value
    if effect is None or value is None or row.p is None or row.p >= 1.0 - CONFIDENCE:
        return replace(row, verdict=Verdict.NONE)
    worse = effect > 0.0 if row.metric.better == "lower" else effect < 0.0
    matters = beyond(effect, tolerance.allowed(row.metric, value))
    return replace(row, differs=True, matters=matters, verdict=Verdict.WORSE if worse else Verdict.BETTER)


def _tell(row: Row, tolerance: Tolerance) -> Row:
    """What is not judged has no correction either."""
    told, value = row.difference, row.a.value
    if row.why or told.effect is None or told.p is None or value is None:
        return row
    return replace(row, differs=told.p < 1.0 - CONFIDENCE, matters=beyond(told.effect, tolerance.allowed(row.metric, value)))
