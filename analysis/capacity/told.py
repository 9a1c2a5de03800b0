"""What a run says of the target's capacity, as a document."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis import shown
from analysis.capacity import little
from analysis.capacity.bottleneck import Signature, signature
from analysis.capacity.measured import Pooled, judged
from analysis.document import Block, Chart, Document, Section, Table, Text
from analysis.load import Loaded
from analysis.statistics.curve import Curve
from analysis.statistics.estimate import Estimate, Floats
from analysis.statistics.knee import LEAST_BINS, Knee, Limit, crossings, limit
from metrics import capacity
from metrics.catalog import METRICS
from metrics.criteria import Criterion
from metrics.health import LOOP_LAG_LIMIT_S
from metrics.metric import Unit, show

SPREAD = 1.5
"""Where the most callers are fewer than so many times the fewest, a run says little of what more of them do."""
_FEWER = (
    "Fewer than were counted: callers are on the line without turns that end (they connect, wait between calls, or are never answered), or "
    "records are missing."
)
_MORE = "More than were counted: the load was not steady yet, or the clocks of workers differ."
CURVES = (("e2e_latency", "p50"), ("e2e_latency", "p95"), ("success", "value"))


@dataclass(frozen=True, slots=True)
class Holds:
    """Up to how many callers each criterion is kept (None: nothing was measured), and all of them together."""

    criteria: Sequence[tuple[Criterion, Limit | None]]
    together: Limit | None


def holds(pooled: Pooled, criteria: Sequence[Criterion]) -> Holds:
    """Each resample of the sessions holds as many as the first of its criteria to be missed lets it."""
    found: list[tuple[Criterion, Limit | None]] = []
    crossed: list[Floats] = []
    for criterion in criteria:
        curve = pooled.curve(criterion.metric, criterion.aggregate)
        if curve is None:
            found.append((criterion, None))
            continue
        crossed.append(crossings(curve, criterion.op, criterion.bound))
        found.append((criterion, limit(crossed[-1])))
    return Holds(found, limit(np.min(crossed, axis=0)) if crossed and len(crossed) == len(criteria) else None)


def document(pooled: Pooled, left_out: Sequence[str] = ()) -> Document:
    """The whole of it. `left_out`: why runs that were named are not in it."""
    run = pooled.runs[0]
    criteria, unfit, own = judged(run)
    found, signed = holds(pooled, criteria), signature(pooled)
    names = ", ".join(one.name for one in pooled.runs)
    lead: list[Block] = []
    invalid = [f"{one.name}: {'; '.join(one.info['faults'])}" for one in pooled.runs if not one.info["valid"]]
    if invalid:
        lead.append(Text("**INVALID: the tester was not fit to measure; decide nothing by these numbers.**", tuple(invalid), "bad"))
    if left_out:
        lead.append(Text("Left out:", tuple(left_out), "warning"))
    lead.append(
        Text(f"{names}: {pooled.turns} turns of {len(pooled.drawn.names)} calls, {pooled.least} to {pooled.most} callers at a time.")
    )
    lead.append(Text("", (_held(found, pooled), _bent(signed, pooled), f"Bottleneck: {signed.verdict}")))
    sections = [
        Section("How many callers it holds", "holds", _criteria(found, unfit, own, pooled)),
        Section("Against concurrency", "curves", _curves(pooled, signed)),
        Section("The search", "search", [block for one in pooled.runs for block in _search(one)]),
        Section("What gives in first", "bottleneck", _signs(signed)),
        Section("Little's law", "little", [block for one in pooled.runs for block in _little(one)]),
    ]
    return Document(f"Capacity: {run.info['scenario']['name']}", lead, sections)


def _held(found: Holds, pooled: Pooled) -> str:
    if found.together is None:
        return "How many it holds is not known: a criterion has no value."
    together = found.together
    words = _callers(together, pooled)
    if pooled.most < SPREAD * pooled.least:
        words += f" There were never fewer than {pooled.least}: what more would do, this run cannot say (scenario `capacity` searches it)."
    return words


def _callers(found: Limit, pooled: Pooled) -> str:
    if found.at == math.inf:
        low = "" if found.low == math.inf else f" (95 %: {_end(found.low, pooled)} or more)"
        return f"Holds all that were tried, {pooled.most} callers{low}."
    if found.at == -math.inf:
        return f"Does not hold even {pooled.least} callers, the fewest that were there ({_range(found, pooled)})."
    return f"Holds **{math.floor(found.at)} callers** ({_range(found, pooled)})."


def _end(end: float, pooled: Pooled) -> str:
    if end == math.inf:
        return f"more than the {pooled.most} that were tried"
    return f"fewer than {pooled.least}" if end == -math.inf else str(math.floor(end))


def _range(found: Limit, pooled: Pooled) -> str:
    low, high = _end(found.low, pooled), _end(found.high, pooled)
    return f"95 %: {low}" if low == high else f"95 %: {low} to {high}"


def _bent(signed: Signature, pooled: Pooled) -> str:
    parts = []
    for name, bend in (("latency", signed.latency), ("failures", signed.failures)):
        if bend is not None:
            parts.append(f"{name} at {bend.at:.0f} callers (95 %: {bend.low:.0f} to {bend.high:.0f})")
    if parts:
        return f"Knee: {' and '.join(parts)}."
    return f"Knee: none was found; neither latency nor failures bend upwards up to {pooled.most} callers."


def _criteria(found: Holds, unfit: Sequence[str], own: bool, pooled: Pooled) -> list[Block]:
    rows = []
    for criterion, kept in found.criteria:
        if kept is None:
            rows.append((criterion.text, "-", METRICS[criterion.metric].absent))
            continue
        at = f"all {pooled.most}" if kept.at == math.inf else "none" if kept.at == -math.inf else str(math.floor(kept.at))
        rows.append((criterion.text, at, _range(kept, pooled).removeprefix("95 %: ")))
    note = (
        "Callers: sessions that are open at the turn's onset. More load is taken to make nothing better; between bins the line is straight."
    )
    whose = "the run's criteria" if own else "the catalogue's targets, as the run has no criteria that could be"
    blocks: list[Block] = [Table(("criterion", "kept up to", "95 %"), rows, f"Held against {whose}", note, frozenset({1}))]
    if unfit:
        blocks.append(Text("Not held against concurrency, as they are not of single turns or of one stage only:", tuple(unfit)))
    return blocks


def _curves(pooled: Pooled, signed: Signature) -> list[Block]:
    blocks: list[Block] = []
    curves = {f"{name} {which}": curve for name, which in CURVES if (curve := pooled.curve(name, which)) is not None}
    latencies = {key: curve for key, curve in curves.items() if key != "success value"}
    if latencies:
        blocks.append(_chart("End-to-end latency against callers at a time (ms)", latencies, signed.latency, 1000.0, "ms"))
    if "success value" in curves:
        blocks.append(_chart("Success against callers at a time (%)", {"success": curves["success value"]}, signed.failures, 100.0, "%"))
    for key, curve in curves.items():
        name, _, which = key.partition(" ")
        metric = METRICS[name]
        rows = []
        for at in range(len(curve.x)):
            ends = curve.interval(at)
            whole = Estimate(float(curve.y[at]), *(ends or (None, None)), int(curve.n[at]), int(curve.sessions[at]))
            few = " (few)" if whole.n < metric.min_count else ""
            rows.append((f"{curve.x[at]:.1f}", str(whole.n), shown.value(whole, metric.unit) + few, shown.interval(whole, metric.unit)))
        title = metric.title if which == "value" else f"{metric.title} {which}"
        blocks.append(Table(("callers", "n", title, "95 %"), rows, title, numeric=frozenset({0, 1, 2, 3})))
    if any(len(curve.x) < LEAST_BINS for curve in curves.values()):
        blocks.append(
            Text(f"A knee is looked for where there are {LEAST_BINS} different loads at least, of 20 turns each.", mood="warning")
        )
    return blocks


def _chart(title: str, curves: dict[str, Curve], bend: Knee | None, scale: float, unit: str) -> Chart:
    data: list[dict[str, Any]] = []
    for key, curve in curves.items():
        ends = [curve.interval(at) or (curve.y[at], curve.y[at]) for at in range(len(curve.x))]
        low, high = (scale * (curve.y - [e[0] for e in ends]), scale * ([e[1] for e in ends] - curve.y))
        bars = {"type": "data", "symmetric": False, "array": high.tolist(), "arrayminus": low.tolist()}
        line = {"type": "scatter", "mode": "lines+markers", "name": key, "x": curve.x.tolist(), "y": (scale * curve.y).tolist()}
        data.append(
            {
                **line,
                "error_y": bars,
                "customdata": curve.n.tolist(),
                "hovertemplate": f"%{{x:.1f}} callers: %{{y:.1f}} {unit}, n %{{customdata}}",
            }
        )
    layout: dict[str, Any] = {"xaxis": {"title": {"text": "callers at a time"}}, "yaxis": {"title": {"text": unit}}}
    turns = sum(int(curve.n.sum()) for curve in list(curves.values())[:1])
    says = f"{turns} turns in {max(len(curve.x) for curve in curves.values())} bins, with 95 % intervals"
    if bend is not None:
        layout["shapes"] = [{"type": "line", "x0": bend.at, "x1": bend.at, "yref": "paper", "y0": 0, "y1": 1, "line": {"dash": "dot"}}]
        says += f"; the knee is at {bend.at:.0f} callers ({bend.low:.0f} to {bend.high:.0f})"
    return Chart(title, {"data": data, "layout": layout}, says + ".")


def _search(run: Loaded) -> list[Block]:
    known = run.info["capacity"]
    if known is None:
        return []
    rows, moods = [], {}
    for number, tried in enumerate(known["steps"]):
        missed = [f"{v['criterion']} ({v['measured']}, n {v['count']})" for v in tried["criteria"] if not v["holds"]]
        when = f"{tried['begins_s']:.0f} to {tried['ends_s']:.0f} s" if "begins_s" in tried else "-"
        counts = " / ".join(str(v["count"]) for v in tried["criteria"])
        rows.append((str(number + 1), str(tried["talkers"]), when, counts, "holds" if tried["holds"] else "MISSED", "; ".join(missed)))
        moods[number] = "good" if tried["holds"] else "bad"
    note = "A search judges each step by itself. Its interval is between two numbers that were tried; that above is of all turns together."
    header = ("step", "talkers", "when", "n of each criterion", "verdict", "missed")
    return [Text(f"{run.name}: {capacity.verdict(run.info)}"), Table(header, rows, note=note, numeric=frozenset({0, 1}), moods=moods)]


def _signs(signed: Signature) -> list[Block]:
    blocks: list[Block] = [Text(signed.verdict)]
    rows = [
        (
            METRICS[g.metric].title,
            show(g.calm, Unit.SECONDS),
            show(g.crowded, Unit.SECONDS),
            _per_ten(g.per_caller),
            str(g.per_caller.n),
            "grows" if g.grows else "",
        )
        for g in signed.growths
    ]
    note = "Least squares over turns, sessions as units; the intervals hold for all stages at once. Grows: beyond chance, by a tenth."
    header = ("stage", "with few callers", "with many", "per 10 callers more (95 %)", "n", "")
    blocks.append(Table(header, rows, "Queueing: which stage grows with the callers", note, frozenset({1, 2, 4})))
    failed = [
        (f.kind, str(f.count), f"{f.of_all:.0%}", shown.value(f.share, Unit.SHARE), shown.interval(f.share, Unit.SHARE), str(f.begins))
        for f in signed.kinds
    ]
    header = ("failures", "count", "of all failures", "of all turns", "95 %", "from callers")
    blocks.append(
        Table(header, failed, "Failures by kind", numeric=frozenset({1, 2, 3, 5})) if failed else Text("No turn failed.", mood="good")
    )
    count, whole, first = signed.refused
    blocks.append(Text(f"Sessions refused: {count} of {whole}" + (f", from {first} callers on." if count else ".")))
    if signed.tester is None:
        blocks.append(Text("Of the tester itself nothing was told.", mood="warning"))
        return blocks
    own = signed.tester
    of_tester = [
        ("send lateness p99", *(show(v, Unit.SECONDS) for v in own.lateness_s), f"{own.limit_s * 1000:g} ms"),
        ("loop lag p99", *(show(v, Unit.SECONDS) for v in own.lag_s), f"{LOOP_LAG_LIMIT_S * 1000:g} ms"),
        ("CPU, of a core", *(show(v, Unit.SHARE) for v in own.cpu_share), f"{own.workers} workers"),
    ]
    note = f"Medians over seconds, n {own.seconds}." + (" It is at its limit." if own.busy else " It is not what limits.")
    blocks.append(
        Table(("the tester", "with few callers", "with many", "limit"), of_tester, "The tester itself", note, frozenset({1, 2, 3}))
    )
    return blocks


def _per_ten(per_caller: Estimate) -> str:
    if per_caller.value is None:
        return f"- ({per_caller.why})"
    ends = "" if per_caller.low is None or per_caller.high is None else f" ({per_caller.low * 1e4:+.1f} to {per_caller.high * 1e4:+.1f})"
    return f"{per_caller.value * 1e4:+.1f} ms{ends}"


def _little(run: Loaded) -> list[Block]:
    checks = little.check(run)
    if not checks:
        return [Text(f"{run.name}: the number of callers was never the same for {little.LEAST_S:.0f} s, so that it cannot be checked.")]
    rows = [
        (
            c.what,
            f"{c.begins_s:.0f} to {c.ends_s:.0f} s",
            f"{c.counted:.1f}",
            f"{c.rate_per_s:.2f} /s",
            shown.full(c.stay, Unit.SECONDS),
            f"{c.derived:.1f}",
            f"{c.deviation:+.1%}",
        )
        for c in checks
    ]
    off = [c for c in checks if abs(c.deviation) > little.TOLERATED]
    header = ("of", "steady part", "counted", "came", "stayed", "must have been", "deviation")
    blocks: list[Block] = [Table(header, rows, f"{run.name}: those there = rate x time that each stays", numeric=frozenset({2, 3, 5, 6}))]
    low, high = any(c.deviation < 0 for c in off), any(c.deviation > 0 for c in off)
    if low:
        blocks.append(
            Text(
                _FEWER,
                mood="warning",
            )
        )
    if high:
        blocks.append(Text(_MORE, mood="warning"))
    if not off:
        blocks.append(Text("Both ways agree: the part is steady, and no caller or record is missing.", mood="good"))
    return blocks
