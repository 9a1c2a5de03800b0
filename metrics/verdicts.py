"""Whether a run passed, and its verdict in a line: pure functions of `run.json` and the run's metrics."""

from __future__ import annotations

from typing import Any

from metrics import capacity
from metrics.aggregate import Aggregate
from metrics.criteria import Verdict, judge, parse

CLOSED = "closed"
"""`load.arrivals` of a scenario whose callers call again when they have hung up: no call is planned to begin at an instant."""
COMPLETE, INTERRUPTED, ABORTED, KILLED = "complete", "interrupted", "aborted", "killed"
"""How a run ended: by itself; by somebody, before its time; given up, as one of `abort.unless` did not hold; its process did, without a
word."""


OFFERED = "calls_begun > 95 %"
"""Holds of every run with open arrivals whose scenario has no criterion on it: one in which callers were turned away by the tester itself
says little of the load that was planned."""


def verdicts(run: dict[str, Any], aggregate: Aggregate) -> list[Verdict]:
    """What became of each criterion of the run's scenario, in their order, and of OFFERED. In a search for the capacity they are each
    step's; none is the run's."""
    scenario = run["scenario"]
    if scenario["load"]["search"]:
        return []
    criteria = [parse(text) for text in scenario["criteria"]]
    offered = parse(OFFERED)
    if scenario["load"]["arrivals"] != CLOSED and all(criterion.metric != offered.metric for criterion in criteria):
        criteria.append(offered)
    return [judge(criterion, aggregate) for criterion in criteria]


def passed(run: dict[str, Any], aggregate: Aggregate) -> bool:
    """Whether the run may end with exit code 0: not cut off, valid, at least one turn measured, and every criterion holds."""
    fine = run["ended"] == COMPLETE and bool(run["valid"]) and aggregate.turns() > 0
    return fine and not capacity.short(run) and all(v.holds for v in verdicts(run, aggregate))


def verdict(run: dict[str, Any], aggregate: Aggregate) -> str:
    """The run's verdict in a line."""
    judged = verdicts(run, aggregate)
    failed = [v for v in judged if not v.holds]
    if not run["valid"]:
        return "INVALID: the tester was not fit to measure; do not use these numbers."
    if run["ended"] == INTERRUPTED:
        return f"INTERRUPTED: the run was cut off after {run['duration_s']:.0f} s; what was measured until then is below."
    if run["ended"] == KILLED:
        return f"KILLED: the load tester's process was ended after {run['duration_s']:.0f} s; what it had measured until then is below."
    if run["ended"] == ABORTED:
        return f"ABORTED after {run['duration_s']:.0f} s: {run['aborted']}."
    if not aggregate.turns():
        return "FAILED: no turn was measured."
    if run["scenario"]["load"]["search"]:
        return capacity.verdict(run)
    if failed:
        return f"FAILED: {len(failed)} of {len(judged)} criteria missed: {'; '.join(v.criterion.text for v in failed)}"
    return f"PASSED: all {len(judged)} criteria hold." if judged else "No criteria were set."
