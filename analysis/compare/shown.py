"""How differences are shown: `+2366 ms`, `+31.9 pp`, with their interval."""

from __future__ import annotations

from analysis.compare.judge import Row, Verdict
from metrics.metric import Metric, Unit, show

_WORDS = {Unit.SECONDS: ("slower", "faster"), Unit.SHARE: ("higher", "lower")}
_ELSE = ("more", "less")


def amount(value: float | None, unit: Unit) -> str:
    """A difference with its sign, shares in percentage points; a dash where there is none."""
    if value is None:
        return "-"
    sign = "+" if value > 0 else "-" if value < 0 else "±"
    if unit is Unit.SHARE:
        return f"{sign}{abs(value) * 100:.1f} pp"
    return sign + show(abs(value), unit)


def interval(low: float | None, high: float | None, unit: Unit) -> str:
    """`+2281 ms to +2450 ms`; a dash where there is none."""
    return "-" if low is None or high is None else f"{amount(low, unit)} to {amount(high, unit)}"


def percent(row: Row) -> str:
    """A difference as a share of A with its interval: `+1487 % (1350 to 1640)`; empty for shares, and where A is not above 0."""
    told = row.difference
    if row.metric.unit is Unit.SHARE or told.part is None or told.part_low is None or told.part_high is None:
        return ""
    if max(abs(told.part_low), abs(told.part_high)) > 99.0:
        return f"{told.part * 100:+.0f} %"
    digits = 0 if abs(told.part) >= 1.0 else 1
    return f"{told.part * 100:+.{digits}f} % ({told.part_low * 100:+.{digits}f} to {told.part_high * 100:+.{digits}f})"


def least(row: Row) -> str:
    """The smallest effect that would have been seen: of A's value where that is above 0, `14 %`; of shares in percentage points."""
    seen, value = row.least, row.difference.a.value
    if seen is None:
        return "-"
    if row.metric.unit is Unit.SHARE:
        return f"{seen * 100:.1f} pp"
    return f"{seen / value * 100:.1f} %" if value is not None and value > 0.0 else show(seen, row.metric.unit)


def verdict(row: Row) -> str:
    """`worse`, `better (within tolerance)`, `cannot tell (few: n 3 in A)`."""
    if row.why and row.verdict is Verdict.CANNOT:
        return f"{row.verdict.value} ({row.why})"
    within = row.differs and not row.matters and row.verdict in (Verdict.WORSE, Verdict.BETTER)
    return f"{row.verdict.value} (within tolerance)" if within else row.verdict.value


def moved(row: Row) -> str:
    """`p50 159 ms → 2525 ms, +2366 ms (95 %: +2281 ms to +2450 ms; n 147 and 122)`."""
    unit, told = row.metric.unit, row.difference
    values = f"{row.aggregate} {show(told.a.value, unit)} → {show(told.b.value, unit)}".removeprefix("value ")
    return f"{values}, {amount(told.value, unit)} (95 %: {interval(told.low, told.high, unit)}; n {told.a.n} and {told.b.n})"


def title(metric: Metric) -> str:
    """`LLM time to first token (L5)`."""
    return f"{metric.title} ({metric.code})" if metric.code else metric.title


def way(row: Row) -> str:
    """`2366 ms slower`, `20.0 pp lower`."""
    effect = row.difference.value or 0.0
    up, down = _WORDS.get(row.metric.unit, _ELSE) if row.metric.table != "streaming" else _ELSE
    return f"{amount(abs(effect), row.metric.unit).lstrip('+')} {up if effect > 0 else down}"
