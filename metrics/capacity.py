"""What a search for the capacity has found: plain data in `run.json`, and its words."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from metrics.criteria import Verdict
from metrics.grid import markdown


class Held(StrEnum):
    """What a step of a search says of its talkers."""

    HOLDS = "holds"
    """Each criterion holds, on enough values."""
    MISSED = "missed"
    """One does not, on enough values."""
    FEW = "few"
    """Neither can be said: of a metric fewer values were measured than it takes (`Metric.min_count`)."""
    NOTHING = "nothing"
    """No criterion has a value."""


def held(judged: Sequence[Verdict]) -> Held:
    """What a step says whose criteria were judged so. A count rests on no values: it is one."""
    if all(v.value is None for v in judged):
        return Held.NOTHING
    enough = [v for v in judged if v.criterion.aggregate == "count" or not v.few]
    if any(not v.holds for v in enough):
        return Held.MISSED
    return Held.HOLDS if len(enough) == len(judged) else Held.FEW


def step(stage: str, talkers: int, judged: Sequence[Verdict], span_s: tuple[float, float]) -> dict[str, Any]:
    """One step of a search, as `run.json` has it under `capacity.steps`; `holds` is None where it rests on too few values to say. `span_s`:
    from when to when it was measured, in seconds of the run; turns belong to the step in which they ended."""
    criteria = [{"criterion": v.criterion.text, "measured": v.measured, "count": v.count, "holds": v.holds} for v in judged]
    said = held(judged)
    holds = None if said is Held.FEW else said is Held.HOLDS
    return {"stage": stage, "talkers": talkers, "begins_s": span_s[0], "ends_s": span_s[1], "holds": holds, "criteria": criteria}


def found(holds: int, fails: int | None, complete: bool, steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a search has found so far, as `run.json` has it under `capacity`: the most talkers that hold, the fewest that do not (None: none
    were found), whether it has nothing left to try, the criteria that those missed, and with how many talkers it ended undecided (None: it
    did not)."""
    undecided = steps[-1]["talkers"] if steps and steps[-1]["holds"] is None else None
    missed = {v["criterion"]: None for tried in steps if tried["talkers"] == fails for v in tried["criteria"] if not v["holds"]}
    return {"holds": holds, "fails": fails, "complete": complete, "missed": list(missed), "undecided": undecided, "steps": list(steps)}


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
    undecided = known.get("undecided")  # an earlier version decided each step
    few = f" With {undecided} too little was measured to say (load.search.measure_s, load.duration_s)." if undecided else ""
    told = f"{known['holds']} talkers keep all criteria, {beyond}{limits}.{cut}{few}"
    return f"FAILED: fewer than {wanted} talkers wanted: {told}" if short(run) else f"PASSED: {told}"


def section(run: dict[str, Any]) -> str:
    """What was tried, as Markdown; empty where the run was no search."""
    if run["capacity"] is None:
        return ""
    rows = []
    for number, tried in enumerate(run["capacity"]["steps"], 1):
        missed = [f"{v['criterion']} ({v['measured']})" for v in tried["criteria"] if not v["holds"]]
        said = "undecided" if tried["holds"] is None else "holds" if tried["holds"] else "MISSED"
        rows.append((str(number), str(tried["talkers"]), said, "; ".join(missed)))
    return "## Capacity\n\n" + markdown(("step", "talkers", "verdict", "missed"), rows)
