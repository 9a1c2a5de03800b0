"""How estimates are shown, on pages, in Markdown and in a terminal."""

from __future__ import annotations

from analysis.statistics.estimate import Estimate
from metrics.metric import Unit, show


def value(estimate: Estimate, unit: Unit) -> str:
    """`612 ms`; a dash where there is no value."""
    return show(estimate.value, unit)


def part(share: float, digits: int = 0, sign: str = "") -> str:
    """A share in per cent: `33 %`; with `sign` "+" also where it is more: `+13 %`."""
    return f"{share * 100:{sign}.{digits}f} %"


def counted(number: int, what: str) -> str:
    """`1 turn`, `2 turns`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def interval(estimate: Estimate, unit: Unit) -> str:
    """`590 to 640 ms`; a dash where there is none."""
    if estimate.low is None or estimate.high is None:
        return "-"
    low, high = show(estimate.low, unit), show(estimate.high, unit)
    number, _, word = low.partition(" ")
    return f"{number} to {high}" if high.endswith(f" {word}") else f"{low} to {high}"


def full(estimate: Estimate, unit: Unit) -> str:
    """`612 ms (590 to 640 ms, n 430)`: for running text."""
    return f"{value(estimate, unit)} ({interval(estimate, unit)}, n {estimate.n})" if estimate.value is not None else "-"
