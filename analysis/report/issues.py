"""The findings as a section: problem, impact, evidence, what to look at, priority."""

from __future__ import annotations

from analysis import shown
from analysis.document import Block, Part, Section, Text
from analysis.report.facts import Facts
from analysis.report.finding import Finding
from analysis.report.findings import RULES, find
from analysis.statistics.sampled import MIN_UNITS
from metrics.catalog import METRICS

_PRIORITIES = {"P0": "critical", "P1": "high", "P2": "to know"}
_MOODS = {"P0": "bad", "P1": "bad", "P2": "warning"}


def section(facts: Facts) -> Section:
    """An issue each, the most urgent first; where there is none, that."""
    found = find(facts)
    if not facts.aggregate.turns():
        return Section("Critical issues", "issues", [Text("No turn was measured: nothing can be found.", mood="warning")])
    if not found:
        turns, sessions = shown.counted(facts.aggregate.turns(), "turn"), int(facts.turns["session"].nunique())
        least = METRICS["success"].min_count
        if sessions < MIN_UNITS or facts.aggregate.turns() < least:
            told = (
                f"None found, which says little: of {turns} in {shown.counted(sessions, 'session')} no interval can be told, and most of "
            )
            told += f"the {len(RULES)} rules need one. Run longer, or with more talkers: {least} turns and {MIN_UNITS} sessions at least."
            return Section("Critical issues", "issues", [Text(told, mood="warning")])
        told = f"None found: {len(RULES)} rules looked at {turns}, and nothing is amiss by more than chance."
        return Section("Critical issues", "issues", [Text(told, mood="good")])
    blocks: list[Block] = []
    if facts.info["capacity"]:
        blocks.append(Text("This run searched for the capacity: its steps beyond that were meant to fail, and are among these numbers."))
    blocks += [_issue(number, finding, bool(facts.info["valid"])) for number, finding in enumerate(found, 1)]
    return Section("Critical issues", "issues", blocks)


def _issue(number: int, finding: Finding, valid: bool) -> Part:
    blocks: list[Block] = [
        Text(f"**Priority**: {finding.priority}, {_PRIORITIES[finding.priority]}"),
        Text(f"**Problem**: {finding.problem}"),
        Text(f"**Impact**: {finding.impact}"),
        Text("**Evidence**" + (":" if valid else ", from an invalid run:"), finding.evidence),
        Text(f"**Look at**: {finding.look} [More](#{finding.part})."),
    ]
    return Part(f"Issue {number}: {finding.title}", blocks, _MOODS[finding.priority])
