"""What is wrong with the assistant, and what with the run: a table of rules, each of which reads the facts and may find something.

A rule speaks only of what is sure: where the whole 95 % interval lies beyond a target, or of what was counted. What may be chance is in the
tables.
"""

from __future__ import annotations

from analysis.report.facts import Facts
from analysis.report.finding import Finding, Rule
from analysis.report.found_failures import failures, lost_sessions, memory, own_limits, rate_limits
from analysis.report.found_slow import rises, slow
from analysis.report.found_talk import interrupted, stuck, stutter

RULES: tuple[Rule, ...] = (own_limits, slow, rate_limits, stuck, interrupted, failures, stutter, memory, lost_sessions, rises)
"""In the order in which equals are shown."""


def find(facts: Facts) -> list[Finding]:
    """All that the rules find, the most urgent first."""
    if not facts.aggregate.turns():
        return []
    found = [finding for rule in RULES for finding in rule(facts)]
    return sorted(found, key=lambda finding: finding.priority)
