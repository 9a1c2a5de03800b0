"""The summary of a run as Markdown that also reads well in a terminal: a pure function of `run.json` and the run's metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metrics import capacity
from metrics.aggregate import Aggregate
from metrics.catalog import METRICS, TABLES
from metrics.grid import markdown
from metrics.metric import Metric, Shape, Unit, Value, aggregate_of, show, show_interval, show_target, why_absent
from metrics.records import Outcome, TurnKind
from metrics.trend import Trend
from metrics.verdicts import verdict, verdicts

_STAGES = ("endpointing_delay", "asr_processing", "llm_ttft", "tts_processing", "audio_rendering", "speaker_output", "stage_residual")
_BY_STAGE = (("success", "value"), ("e2e_latency", "p50"), ("e2e_latency", "p95"), ("barge_in_latency", "p95"), ("underruns", "value"))
SNAPSHOT = (
    ("success", "value"),
    ("ttft", "mean"),
    ("e2e_latency", "p50"),
    ("e2e_latency", "p95"),
    ("barge_in_latency", "p95"),
    ("yield_rate", "value"),
    ("interruption_success", "value"),
    ("false_alarm_resume", "value"),
    ("underruns", "value"),
    ("continuity", "value"),
)
"""The numbers that tell most, by metric and aggregate, in the order in which screens show them."""


def summary(run: dict[str, Any], aggregate: Aggregate) -> str:
    """The whole summary. `run` is what `run.json` holds."""
    parts = [
        _head(run, aggregate),
        _snapshot(aggregate),
        _criteria(run, aggregate),
        capacity.section(run),
        _stages_of(run, aggregate),
        _chaos(run),
    ]
    parts += [_table(table, aggregate) for table in TABLES]
    parts += [_stages(aggregate), _outcomes(aggregate), _errors(aggregate), _tester(run), _absent(run, aggregate)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(run: dict[str, Any], aggregate: Aggregate) -> str:
    lines = [f"# {run['scenario']['name']}: {run['run_id']}", "", f"**{verdict(run, aggregate)}**"]
    if run["faults"]:
        lines += ["", *(f"- {fault}" for fault in run["faults"])]
    lines += [
        "",
        f"{run['talkers_max']} talkers for {run['duration_s']:.0f} s against {run['host']}, dialect {run['dialect']}, "
        f"{run['frame_ms']:g} ms frames, seed {run['seed']}: {aggregate.turns()} turns "
        f"({aggregate.turns(TurnKind.BARGE_IN)} barge-ins), {aggregate.turns(TurnKind.FALSE_ALARM)} false alarms.",
    ]
    calls = aggregate.ratio("calls_begun")
    if calls.numerator < calls.denominator:
        lines += [
            "",
            f"{calls.denominator - calls.numerator:.0f} of {calls.denominator:.0f} planned calls did not begin: the load was lower than "
            "planned; with more load.talkers fewer calls find theirs on the line.",
        ]
    return "\n".join(lines)


def _snapshot(aggregate: Aggregate) -> str:
    rows = []
    for name, which in SNAPSHOT:
        metric, value = METRICS[name], aggregate.values[name]
        measured = aggregate_of(value, which)
        target = next((t for t in metric.targets if t.aggregate == which and t.grade == "target"), None)
        mark = "-" if measured is None or target is None else ("✓" if target.met_by(measured) else "✗")
        title = metric.title if which == "value" else f"{metric.title} {which}"
        wanted = f"target {show_target(target, metric.unit)}".replace(f"{which} ", "") if target else ""
        rows.append((mark, title, show(measured, metric.unit), f"n {value.count}", wanted))
    return "## Snapshot\n\n```\n" + _columns(rows) + "\n```"


def _criteria(run: dict[str, Any], aggregate: Aggregate) -> str:
    judged = verdicts(run, aggregate)
    if not judged:
        return ""
    rows = []
    for v in judged:
        rows.append((v.criterion.text, v.measured, str(v.count), ("holds" if v.holds else "MISSED") + (" (few)" if v.few else "")))
    return "## Criteria\n\n" + markdown(("criterion", "measured", "n", "verdict"), rows)


def _stages_of(run: dict[str, Any], aggregate: Aggregate) -> str:
    """The stages beside one another."""
    rows = []
    for stage in run["scenario"]["load"]["stages"]:
        part = aggregate.stage(stage["name"])
        cells = [show(aggregate_of(part.values[name], which), METRICS[name].unit) for name, which in _BY_STAGE]
        reached = stage["talkers"] if stage["talkers"] is not None else stage["calls_per_s"]
        rows.append((stage["name"], "" if reached is None else f"{reached:g}", str(part.turns()), *cells))
    header = ("stage", "reaches", "turns", *(f"{name} {which}".removesuffix(" value") for name, which in _BY_STAGE))
    return "## Stages\n\n" + markdown(header, rows) if rows else ""


def _chaos(run: dict[str, Any]) -> str:
    """A row for each fault of the run."""
    if not run.get("chaos"):
        return ""
    rows = []
    for fault in run["chaos"]:
        back, share = fault["time_to_recover_s"], fault["share"]
        what = " ".join(
            part for part in (fault["what"], fault["detail"] or "", f"{fault['for_s']:.1f} s" if fault["for_s"] else "") if part
        )
        hit = f"{fault['hit']} of {fault['present']}" if fault["what"] != "command" else "-"
        rows.append((
            fault["fault"], f"{fault['t_s']:.1f} s", what, fault["by"], show(share, Unit.SHARE), hit,
            f"{fault['noticed']} ({show(fault['blast_radius'], Unit.SHARE)})", str(fault["sessions_lost"]), str(fault["turns_failed"]),
            "never" if back is None else show(back or None, Unit.SECONDS),
            show(fault["automatic_recovery_rate"], Unit.SHARE), show(fault["availability"], Unit.SHARE),
        ))  # fmt: skip
    header = (
        "fault",
        "at",
        "what",
        "by",
        "share",
        "hit",
        "noticed",
        "sessions lost",
        "turns failed",
        "time to recover",
        "came back",
        "availability",
    )
    return "## Chaos\n\n" + markdown(header, rows) + "\n\ndocs/chaos.md says how these are counted."


def _table(table: str, aggregate: Aggregate) -> str:
    rows = []
    for metric in METRICS.values():
        value = aggregate.values[metric.name]
        if metric.table == table and value.count:
            rows.append(_row(metric, value))
    if not rows:
        return ""
    header = ("metric", "", "n", "mean or share", "p50", "p95", "p99", "max", "targets")
    return f"## {table.capitalize()}\n\n" + markdown(header, rows)


def _row(metric: Metric, value: Value) -> tuple[str, ...]:
    many = metric.shape is Shape.DISTRIBUTION
    if isinstance(value, Trend):
        cells = [show_interval(value.slope, value.interval, metric.unit)]
    else:
        cells = [show(aggregate_of(value, "mean" if many else "value"), metric.unit)]
    for which in ("p50", "p95", "p99", "max"):
        cells.append(show(aggregate_of(value, which), metric.unit) if many else "")
    return (metric.name, metric.code, str(value.count), *cells, _judged_targets(metric, value))


def _judged_targets(metric: Metric, value: Value) -> str:
    told = []
    for target in metric.targets:
        measured = aggregate_of(value, target.aggregate)
        if measured is None:
            continue
        mark = "✓" if target.met_by(measured) else "✗"
        few = " (few)" if value.count < metric.min_count else ""
        grade = "" if target.grade == "target" else f"{target.grade} "
        told.append(f"{mark} {grade}{show_target(target, metric.unit)}{few}")
    return ", ".join(told)


def _stages(aggregate: Aggregate) -> str:
    e2e = aggregate.histogram("e2e_latency").mean
    if e2e is None:
        return ""
    rows = []
    for name in _STAGES:
        mean = aggregate.histogram(name).mean
        share = "" if mean is None or e2e <= 0 else f"{mean / e2e * 100:.0f} %"
        rows.append((METRICS[name].title, METRICS[name].code, show(mean, Unit.SECONDS), share))
    rows.append(("End-to-end latency", "E2E", show(e2e, Unit.SECONDS), ""))
    return (
        "## Where the time goes (means)\n\n"
        + markdown(("stage", "", "mean", "of E2E"), rows)
        + "\n\nThe endpointing delay holds microphone capture, processing and both network ways; the residual is playout delay, leading "
        "silence and waiting between stages. Each mean is over the turns that have the stage."
    )


def _outcomes(aggregate: Aggregate) -> str:
    rows = []
    for outcome in Outcome:
        counts = [aggregate.turns(kind, outcome) for kind in TurnKind]
        if any(counts):
            rows.append((outcome.value, *(str(n) for n in counts)))
    return "## Outcomes\n\n" + markdown(("outcome", "utterances", "barge-ins", "false alarms"), rows) if rows else ""


def _errors(aggregate: Aggregate) -> str:
    errors = aggregate.errors()
    if not errors:
        return "## Errors\n\nNone."
    total = sum(errors.values())
    rows = [(kind, str(n), f"{n / total * 100:.0f} %") for kind, n in errors.items()]
    return "## Errors\n\n" + markdown(("kind", "count", "share"), rows)


def _tester(run: dict[str, Any]) -> str:
    health = run["health"]
    cpu = f"{health['cpu_s'] / health['wall_s'] * 100:.0f} %" if health["wall_s"] else "-"
    late = {name: [show(health[name][which], Unit.SECONDS) for which in ("p50_s", "p99_s")] for name in ("send_lateness", "loop_lag")}
    told = [f"{name} p50 {p50}, p99 {p99}" for name, (p50, p99) in late.items()]
    return (
        f"## The tester itself\n\n{'Valid' if run['valid'] else 'INVALID'}: {'; '.join(told)}; CPU {cpu} of a core; "
        f"{health['frames_late']} frames more than a frame late, {health['frames_dropped']} dropped, "
        f"{health['missed_starts']} missed starts, at most {health['unsent_bytes_max'] / 1024:.0f} KiB unsent, "
        f"{health['records_lost']} records lost.\n\n{_error_bars(run)}"
    )


def _error_bars(run: dict[str, Any]) -> str:
    """How far the tester itself is off at this load, for the metrics that most depend on it."""
    bars = run["accuracy"]
    if not bars:
        return "How far it is off at this load is not known: no load as high was calibrated (make calibrate)."
    told = []
    for name in ("time_to_first_audio", "stop_by_byte"):
        bar = bars["metrics"].get(name)
        if bar:
            told.append(f"{name} by {show(bar['median_s'], Unit.SECONDS)} at the median, {show(bar['p99_s'], Unit.SECONDS)} at p99")
    where = "here" if bars["own"] else "on another machine"
    return (
        f"It is off, as calibrated {where} with {bars['talkers']} talkers, {bars['frame_ms']:g} ms frames and {bars['clock']} times: "
        f"{'; '.join(told) or 'see run.json'}."
    )


def _absent(run: dict[str, Any], aggregate: Aggregate) -> str:
    lines = [f"- {m.name}: {why_absent(m, run)}" for m in METRICS.values() if not aggregate.values[m.name].count]
    return "## Not applicable in this run\n\n" + "\n".join(lines) if lines else ""


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)
