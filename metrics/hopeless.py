"""Whether a run is hopeless: one of the criteria that it must keep all along does not hold."""

from __future__ import annotations

from typing import Any

from metrics.aggregate import Aggregate
from metrics.criteria import judge, parse
from metrics.stages import timetable


def hopeless(scenario: dict[str, Any], aggregate: Aggregate, t_s: float) -> str | None:
    """Why a run of `scenario`, as run.json holds it, is to be given up at `t_s` seconds: the criterion of `abort.unless` that does not
    hold; None where all do. One is looked at when `abort.grace_s` has passed since the start of the run or, where it names a stage, of
    that."""
    begins_s = {name: begun_s for begun_s, name in timetable(scenario)}
    for text in scenario["abort"]["unless"]:
        criterion = parse(text)
        since_s = max(begins_s.get(stage or "", 0.0) for stage in (criterion.stage, criterion.base))
        if t_s - since_s < scenario["abort"]["grace_s"]:
            continue
        verdict = judge(criterion, aggregate)
        if not verdict.holds:
            return f"{text} does not hold: {verdict.measured} after {t_s:.0f} s"
    return None
