"""What a difference comes to: worse, better, no difference seen, or that it cannot be told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from scipy.special import ndtri

from analysis.compare.asked import judged
from analysis.compare.sides import pairs
from analysis.compare.tolerance import Tolerance, beyond
from analysis.statistics.difference import POWER, Difference, between
from analysis.statistics.sampled import Sampled
from analysis.statistics.several import holm
from analysis.statistics.units import CONFIDENCE
from metrics.metric import Metric


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
    """An aggregate of a metric on both sides. `p`: with all others of its table corrected for; None where it is not judged. `least`: the
    smallest effect that such runs show, beside those others, with a probability of 80 %, in the metric's unit; None where it is not known.
    `differs`: the difference is no chance; `matters`: it is beyond what is tolerated. `why`: why it cannot be told, else empty."""

    metric: Metric
    aggregate: str
    difference: Difference
    p: float | None = None
    least: float | None = None
    differs: bool = False
    matters: bool = False
    verdict: Verdict = Verdict.CANNOT
    why: str = ""

    @property
    def regressed(self) -> bool:
        """Worse by more than is tolerated."""
        return self.matters and self.verdict is Verdict.WORSE


def rows(
    measured: Iterable[tuple[Metric, str, Sampled, Sampled]], paired: bool, tolerance: Tolerance, only: Sequence[str] = ()
) -> list[Row]:
    """A row for each aggregate that was measured on a side at least. `only`: the metrics that are judged; none: all that can be.

    Each of the catalogue's tables is a question of its own (is it slower, does it handle interruptions worse, ...), and within one p values
    are corrected for their number (Holm).
    """
    made = []
    for metric, aggregate, a, b in measured:
        if a.estimate.n or b.estimate.n:
            told = between(a, b, paired and pairs(metric))
            asking = judged(metric) and (not only or metric.name in only)
            made.append(Row(metric, aggregate, told, why=_why(metric, told), verdict=Verdict.CANNOT if asking else Verdict.TOLD))
    for table in {row.metric.table for row in made}:
        at = [i for i, row in enumerate(made) if row.metric.table == table and row.verdict is Verdict.CANNOT and not row.why]
        for i, p in zip(at, holm([made[i].difference.p or 0.0 for i in at]), strict=True):
            made[i] = _judge(replace(made[i], p=p, least=_least(made[i].difference, len(at))), tolerance)
    return [_tell(row, tolerance) if row.verdict is Verdict.TOLD else row for row in made]


def _why(metric: Metric, told: Difference) -> str:
    """Why there is no verdict; empty where there can be one."""
    for name, side in (("A", told.a), ("B", told.b)):
        if side.value is None:
            return f"not measured in {name}: {metric.absent}"
        if side.n < metric.min_count:
            return f"few: n {side.n} in {name}"
        if side.low is None:
            return f"{side.why}, in {name}"
    return ""


def _least(told: Difference, tests: int) -> float | None:
    """The smallest effect that is seen beside so many others (Bonferroni), by normal quantiles."""
    if told.least is None:
        return None
    alone, among, power = (float(ndtri(q)) for q in ((1.0 + CONFIDENCE) / 2.0, 1.0 - (1.0 - CONFIDENCE) / 2.0 / tests, POWER))
    return told.least * (among + power) / (alone + power)


def _judge(row: Row, tolerance: Tolerance) -> Row:
    effect, value = row.difference.value, row.difference.a.value
    if effect is None or value is None or row.p is None or row.p >= 1.0 - CONFIDENCE:
        return replace(row, verdict=Verdict.NONE)
    worse = effect > 0.0 if row.metric.better == "lower" else effect < 0.0
    matters = beyond(effect, tolerance.allowed(row.metric, value))
    return replace(row, differs=True, matters=matters, verdict=Verdict.WORSE if worse else Verdict.BETTER)


def _tell(row: Row, tolerance: Tolerance) -> Row:
    """What is not judged has no correction either."""
    told = row.difference
    if row.why or told.value is None or told.p is None or told.a.value is None:
        return row
    matters = beyond(told.value, tolerance.allowed(row.metric, told.a.value))
    return replace(row, differs=told.p < 1.0 - CONFIDENCE, matters=matters, least=told.least)
