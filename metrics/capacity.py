"""What a search for the capacity has found: plain data in `run.json`, and its words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metrics.criteria import Verdict
from metrics.grid import markdown


def step(stage: str, talkers: int, judged: Sequence[Verdict], span_s: tuple[float, float]) -> dict[str, Any]:
    """One step of a search, as `run.json` has it under `capacity.steps`. `span_s`: from when to when it was measured, in seconds of the
    run; turns belong to the step in which they ended."""
    criteria = [{"criterion": v.criterion.text, "measured": v.measured, "count": v.count, "holds": v.holds} for v in judged]
    span = {"begins_s": span_s[0], "ends_s": span_s[1]}
    return {"stage": stage, "talkers": talkers, **span, "holds": all(v.holds for v in judged), "criteria": criteria}


def found(holds: int, fails: int | None, complete: bool, steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a search has found so far, as `run.json` has it under `capacity`: the most talkers that hold, the fewest that do not (None: none
    were found), whether it has nothing left to try, and the criteria that those missed."""
    missed = {v["criterion"]: None for tried in steps if tried["talkers"] == fails for v in tried["criteria"] if not v["holds"]}
    return {"holds": holds, "fails": fails, "complete": complete, "missed": list(missed), "steps": list(steps)}


def short(run: dict[str, Any]) -> bool:
    """Whether a search has found less than `load.search.wanted`; False where the run is no search. Without a wish, one talker is enough."""
    search = run["scenario"]["load"]["search"]
    return search is not None and (run["capacity"] or {"holds": 0})["holds"] < search["wanted"]


def verdict(run: dict[str, Any]) -> str:
    """The search's verdict in a line."""
    wanted, known = run["scenario"]["load"]["search"]["wanted"], run["capacity"]
    if known is None:
        return "FAILED: the search had no time for a step (load.duration_s)."
    beyond = f"{known['fails']} do not" if known["fails"] else "more were not tried"
    limits = f" (missed: {'; '.join(known['missed'])})" if known["missed"] else ""
    cut = "" if known["complete"] else " The search was not finished: the interval is wider than asked for."
    told = f"{known['holds']} talkers keep all criteria, {beyond}{limits}.{cut}"
    return f"FAILED: fewer than {wanted} talkers wanted: {told}" if short(run) else f"PASSED: {told}"


def section(run: dict[str, Any]) -> str:
    """What was tried, as Markdown; empty where the run was no search."""
    if run["capacity"] is None:
        return ""
    rows = []
    for number, tried in enumerate(run["capacity"]["steps"], 1):
        missed = [f"{v['criterion']} ({v['measured']})" for v in tried["criteria"] if not v["holds"]]
        rows.append((str(number), str(tried["talkers"]), "holds" if tried["holds"] else "MISSED", "; ".join(missed)))
    return "## Capacity\n\n" + markdown(("step", "talkers", "verdict", "missed"), rows)
