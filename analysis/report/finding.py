"""An issue that was found, and what proves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from analysis.report.facts import Facts, told, wanted
from metrics.metric import Target


@dataclass(frozen=True, slots=True)
class Finding:
    """An issue: what is wrong, what it does to callers, what shows it (each with its n), where to look. `priority`: P0 critical, P1 high,
    P2 to know. `part`: the section with more, by its anchor."""

    priority: str
    title: str
    problem: str
    impact: str
    evidence: tuple[str, ...]
    look: str
    part: str


Rule = Callable[[Facts], Iterator[Finding]]
"""Reads the facts, and may find something."""


def proof(facts: Facts, name: str, target: Target) -> str:
    """What was measured, with its interval and n, and what is wanted."""
    return f"{told(name, facts.estimate(name, target.aggregate), target.aggregate)}; target {wanted(name, target)}"
