"""The signature of a bottleneck, as tables."""

from __future__ import annotations

from analysis import shown
from analysis.capacity.bottleneck import BUSY, OwnHealth, Signature, verdict
from analysis.document import Block, Table, Text
from analysis.statistics.estimate import Estimate
from metrics.catalog import METRICS
from metrics.health import LOOP_LAG_LIMIT_S
from metrics.metric import Unit, show


def signs(signed: Signature, most_callers: int) -> list[Block]:
    """The verdict, and what it rests on."""
    blocks: list[Block] = [Text(verdict(signed, most_callers))]
    rows = []
    for growth in signed.growths:
        metric, per = METRICS[growth.metric], growth.per_caller
        means = show(growth.calm, Unit.SECONDS), show(growth.crowded, Unit.SECONDS)
        rows.append((metric.title, *means, _per_ten(per), str(per.n), "grows" if growth.grows else ""))
    note = "Least squares over turns, sessions as units; the intervals hold for all stages at once. Grows: beyond chance, by a tenth."
    header = ("stage", "with few callers", "with many", "per 10 callers more (95 %)", "n", "verdict")
    blocks.append(Table(header, rows, "Queueing: which stage grows with the callers", note, frozenset({1, 2, 4})))
    failed = []
    for kind in signed.kinds:
        share = shown.value(kind.share, Unit.SHARE), shown.interval(kind.share, Unit.SHARE)
        failed.append((kind.kind, str(kind.count), shown.part(kind.of_all), *share, str(kind.begins)))
    header = ("failures", "count", "of all failures", "of all turns", "95 %", "from callers")
    numeric = frozenset({1, 2, 3, 5})
    blocks.append(Table(header, failed, "Failures by kind", numeric=numeric) if failed else Text("No turn failed.", mood="good"))
    count, whole, first = signed.refused
    blocks.append(Text(f"Sessions refused: {count} of {whole}" + (f", from {first} callers on." if count else ".")))
    blocks.append(_tester(signed.tester))
    return blocks


def _tester(own: OwnHealth | None) -> Block:
    if own is None:
        return Text("Of the tester itself nothing was told.", mood="warning")
    rows = [
        ("send lateness p99", *(show(v, Unit.SECONDS) for v in own.lateness_s), f"{own.limit_s * 1000:g} ms"),
        ("loop lag p99", *(show(v, Unit.SECONDS) for v in own.lag_s), f"{LOOP_LAG_LIMIT_S * 1000:g} ms"),
        ("CPU, of a core", *(show(v, Unit.SHARE) for v in own.cpu_share), show(BUSY * own.workers, Unit.SHARE)),
    ]
    note = f"Medians over seconds, n {own.seconds}." + (" It is at its limit." if own.busy else " It is not what limits.")
    return Table(("the tester", "with few callers", "with many", "limit"), rows, "The tester itself", note, frozenset({1, 2, 3}))


def _per_ten(per_caller: Estimate) -> str:
    if per_caller.value is None:
        return f"- ({per_caller.why})"
    ends = "" if per_caller.low is None or per_caller.high is None else f" ({per_caller.low * 1e4:+.1f} to {per_caller.high * 1e4:+.1f})"
    return f"{per_caller.value * 1e4:+.1f} ms{ends}"
