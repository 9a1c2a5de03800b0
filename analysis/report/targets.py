"""What was wanted against what was measured: targets, the latency guide's grades, and what stands before production."""

from __future__ import annotations

from analysis.document import Block, Section, Table, Text
from analysis.report import tables
from analysis.report.facts import MOODS, Facts, Standing, cell, told
from metrics.catalog import METRICS
from metrics.metric import show_target

_GRADES = ("excellent", "good")
WANTED_TALKERS = 50
"""Concurrent callers that the voice-bot summary wants held."""
_SOURCES = "SD system design, MG monitoring guide, VB voice-bot summary, LX LivekitexAgent baselines, LG latency guide."


def section(facts: Facts) -> Section:
    """Every target of the catalogue, and the grades."""
    rows: list[tuple[str, ...]] = []
    moods: dict[int, str] = {}
    for metric in METRICS.values():
        for target in metric.targets:
            if target.grade != "target":
                continue
            found, stands = facts.estimate(metric.name, target.aggregate), facts.stands(metric.name, target)
            moods[len(rows)] = MOODS[stands]
            reason = f": {facts.absent(metric.name)}" if stands is Standing.UNKNOWN else ""
            rows.append(
                (
                    tables.titled(metric),
                    show_target(target, metric.unit),
                    target.source,
                    cell(found, metric),
                    str(found.n),
                    f"{stands}{reason}",
                )
            )
    header = ("metric", "target", "source", "measured", "n", "result")
    blocks: list[Block] = [
        Table(header, rows, "Targets against results", f"{tables.INTERVALS} {_SOURCES}", frozenset({3, 4}), moods),
        _grades(facts),
    ]
    return Section("Targets", "targets", blocks)


def _grades(facts: Facts) -> Table:
    rows: list[tuple[str, ...]] = []
    moods: dict[int, str] = {}
    for metric in METRICS.values():
        graded = [t for t in metric.targets if t.grade in _GRADES]
        if not graded:
            continue
        graded.sort(key=lambda t: _GRADES.index(t.grade))
        found = facts.estimate(metric.name, graded[0].aggregate)
        reached = next((t for t in graded if found.value is not None and t.met_by(found.value)), None)
        few = " (few)" if 0 < found.n < metric.min_count else ""
        grade = "not measured" if found.value is None else (reached.grade if reached else f"below {graded[-1].grade}") + few
        if reached and facts.stands(metric.name, reached) in (Standing.LIKELY_MET, Standing.ALONE_MET):
            grade += f",{facts.stands(metric.name, reached).partition(',')[2]}"
        moods[len(rows)] = "good" if reached else "warning" if found.value is not None else "plain"
        bounds = {t.grade: show_target(t, metric.unit) for t in graded}
        rows.append(
            (tables.titled(metric), bounds.get("excellent", "-"), bounds.get("good", "-"), cell(found, metric), str(found.n), grade)
        )
    header = ("metric", "excellent", "good", "measured", "n", "grade")
    return Table(header, rows, "Grades of the latency guide (LG)", tables.INTERVALS, frozenset({3, 4}), moods)


def readiness(facts: Facts) -> Section:
    """What must be so before production, and whether this run shows it."""
    checks = [
        _of("Conversations work: turns get their answer", facts, "success", "value"),
        _of("It answers in time, at the median", facts, "e2e_latency", "p50"),
        _of("It answers in time, for 95 of 100 turns", facts, "e2e_latency", "p95"),
        _of("It can be interrupted", facts, "interruption_success", "value"),
        _of("It goes on after mm-hm, coughs and noise", facts, "false_alarm_resume", "value"),
        _of("Its audio does not stutter", facts, "continuity", "value"),
        _limits(facts),
        _of("Lost sessions come back", facts, "automatic_recovery_rate", "value"),
        _chaos(facts),
        _capacity(facts),
        _memory(facts),
        _monitoring(facts),
    ]
    if not facts.info["valid"]:
        checks = [(what, by, "invalid run" if state == "checked" else state) for what, by, state in checks]
    moods = {
        at: {"checked": "good", "NOT READY": "bad", "not measured": "plain"}.get(state, "warning")
        for at, (_, _, state) in enumerate(checks)
    }
    missing = sum(state != "checked" for *_, state in checks)
    text = "All of it is checked." if not missing else f"{missing} of {len(checks)} are not shown by this run."
    table = Table(("what", "shown by", "state"), checks, f"Production readiness, {len(checks)} checks", "", frozenset(), moods)
    return Section("Production readiness", "readiness", [Text(text, mood="plain" if missing else "good"), table])


def _of(what: str, facts: Facts, name: str, aggregate: str) -> tuple[str, str, str]:
    target, found = facts.target(name, aggregate), facts.estimate(name, aggregate)
    if target is None or found.value is None:
        return what, facts.absent(name), "not measured"
    stands = facts.stands(name, target)
    state = {
        Standing.MET: "checked",
        Standing.LIKELY_MET: "may be chance",
        Standing.LIKELY_MISSED: "may be chance",
        Standing.ALONE_MET: "no interval",
        Standing.FEW: "too few",
    }.get(stands, "NOT READY")
    return what, f"{told(name, found, aggregate)}; target {show_target(target, METRICS[name].unit)}", state


def _limits(facts: Facts) -> tuple[str, str, str]:
    n, count = facts.aggregate.turns(), facts.aggregate.errors().get("rate_limited", 0)
    what = f"No rate limit is met at {facts.info['talkers_max']} talkers"
    return what, f"{count} refused, n {n} turns", "not measured" if not n else "NOT READY" if count else "checked"


def _chaos(facts: Facts) -> tuple[str, str, str]:
    faults = facts.info.get("chaos") or []
    if not faults:
        return "It survives faults", "nothing was broken in this run: run the scenario `chaos`", "not measured"
    never = sum(fault["time_to_recover_s"] is None for fault in faults)
    return "It survives faults", f"{len(faults)} faults, {never} not recovered from", "NOT READY" if never else "checked"


def _capacity(facts: Facts) -> tuple[str, str, str]:
    what, known = f"It holds {WANTED_TALKERS} concurrent callers (VB)", facts.info["capacity"]
    if known is None:
        most = facts.info["talkers_max"]
        state = (
            "checked"
            if most >= WANTED_TALKERS and all(v["holds"] for v in facts.info["criteria"]) and facts.info["criteria"]
            else "not measured"
        )
        return (
            what,
            f"{most} talkers at most in this run: run the scenario `capacity`"
            if state != "checked"
            else f"{most} talkers keep all criteria",
            state,
        )
    fails = f", {known['fails']} do not" if known["fails"] else ""
    return (
        what,
        f"{known['holds']} keep all criteria{fails}",
        "checked" if known["holds"] >= WANTED_TALKERS else "NOT READY" if known["fails"] else "not measured",
    )


def _memory(facts: Facts) -> tuple[str, str, str]:
    found = facts.estimate("target_memory_growth", "value")
    if found.value is None or found.low is None:
        return "Its memory does not grow", found.why or facts.absent("target_memory_growth"), "not measured"
    return "Its memory does not grow", told("target_memory_growth", found), "NOT READY" if found.low > 0 else "checked"


def _monitoring(facts: Facts) -> tuple[str, str, str]:
    url = facts.scenario["target"]["metrics_url"]
    if not url:
        return "It can be monitored", "the scenario names no metrics_url of the target's", "not measured"
    up = facts.estimate("target_availability", "value")
    return (
        "It can be monitored",
        f"its metrics were read: {told('target_availability', up)}",
        "checked" if (up.value or 0.0) > 0.0 else "NOT READY",
    )
