"""What a run says of the target's capacity, as a document."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import shown
from analysis.capacity import holds, little
from analysis.capacity.bottleneck import BENT, Signature, signature, verdict
from analysis.capacity.curves import curves
from analysis.capacity.measured import Pooled, judged
from analysis.capacity.signs import signs
from analysis.document import Block, Document, Section, Table, Text
from analysis.load import Loaded
from analysis.statistics.curve import LEAST_TURNS
from analysis.statistics.knee import LEAST_BINS
from metrics import capacity
from metrics.metric import Unit

_FEWER = (
    "Fewer than were counted: callers are on the line without turns that end (they connect, wait between calls, or are never answered), or "
    "records are missing."
)
_MORE = "More than were counted: the load was not steady yet, or the clocks of workers differ."

_SAID = {True: "holds", False: "MISSED", None: "undecided"}
_MOODS = {True: "good", False: "bad", None: "warning"}


def document(pooled: Pooled, left_out: Sequence[str] = ()) -> Document:
    """The whole of it. `left_out`: why runs that were named are not in it."""
    run = pooled.runs[0]
    criteria, unfit, own = judged(run)
    found, signed = holds.holds(pooled, criteria), signature(pooled)
    names = run.name if len(pooled.runs) == 1 else f"{len(pooled.runs)} runs ({run.name} to {pooled.runs[-1].name})"
    lead: list[Block] = []
    invalid = [f"{one.name}: {'; '.join(one.info['faults'])}" for one in pooled.runs if not one.info["valid"]]
    if invalid:
        lead.append(Text("**INVALID: the tester was not fit to measure; decide nothing by these numbers.**", tuple(invalid), "bad"))
    if left_out:
        lead.append(Text("Left out:", tuple(left_out), "warning"))
    lead.append(
        Text(f"{names}: {pooled.turns} turns of {len(pooled.drawn.names)} calls, {pooled.least} to {pooled.most} callers at a time.")
    )
    lead.append(Text("", (holds.said(found, pooled), _bent(signed, pooled), f"Bottleneck: {verdict(signed, pooled.most)}")))
    sections = [
        Section("How many callers it holds", "holds", holds.table(found, unfit, own, pooled)),
        Section("Against concurrency", "curves", curves(pooled, signed)),
        Section("The search", "search", [block for one in pooled.runs for block in _search(one)]),
        Section("What gives in first", "bottleneck", signs(signed, pooled.most)),
        Section("Little's law", "little", [block for one in pooled.runs for block in _little(one)]),
    ]
    return Document(f"Capacity: {run.info['scenario']['name']}", lead, sections)


def _bent(signed: Signature, pooled: Pooled) -> str:
    parts = []
    for name, bend in (("latency", signed.latency), ("failures", signed.failures)):
        if bend is not None:
            parts.append(f"{name} at {bend.at:.0f} callers (95 %: {bend.low:.0f} to {bend.high:.0f})")
    if parts:
        return f"Knee: {' and '.join(parts)}."
    loads = [len(curve.x) for name, which in BENT if (curve := pooled.curve(name, which)) is not None]
    if max(loads, default=0) < LEAST_BINS:
        return f"Knee: not looked for; that takes {LEAST_BINS} different loads of {LEAST_TURNS} turns each."
    return f"Knee: none was found; neither latency nor failures bend upwards up to {pooled.most} callers."


def _search(run: Loaded) -> list[Block]:
    known = run.info["capacity"]
    if known is None:
        return []
    rows, moods = [], {}
    for number, tried in enumerate(known["steps"]):
        missed = [f"{v['criterion']} ({v['measured']}, n {v['count']})" for v in tried["criteria"] if not v["holds"]]
        when = f"{tried['begins_s']:.0f} to {tried['ends_s']:.0f} s" if "begins_s" in tried else "-"
        counts = " / ".join(str(v["count"]) for v in tried["criteria"])
        rows.append((str(number + 1), str(tried["talkers"]), when, counts, _SAID[tried["holds"]], "; ".join(missed)))
        moods[number] = _MOODS[tried["holds"]]
    note = "A search judges each step by itself. Its interval is between two numbers that were tried; that above is of all turns together."
    header = ("step", "talkers", "when", "n of each criterion", "verdict", "missed")
    whose = run.name if run.info["valid"] else f"{run.name} (invalid)"
    return [Text(f"{whose}: {capacity.verdict(run.info)}"), Table(header, rows, note=note, numeric=frozenset({0, 1}), moods=moods)]


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
            shown.part(c.deviation, 1, "+"),
        )
        for c in checks
    ]
    off = [c for c in checks if abs(c.deviation) > little.TOLERATED]
    header = ("of", "steady part", "counted", "came", "stayed", "must have been", "deviation")
    blocks: list[Block] = [Table(header, rows, f"{run.name}: those there = rate x time that each stays", numeric=frozenset({2, 3, 5, 6}))]
    low, high = any(c.deviation < 0 for c in off), any(c.deviation > 0 for c in off)
    if low:
        blocks.append(Text(_FEWER, mood="warning"))
    if high:
        blocks.append(Text(_MORE, mood="warning"))
    if not off:
        blocks.append(Text("Both ways agree: the part is steady, and no caller or record is missing.", mood="good"))
    return blocks
