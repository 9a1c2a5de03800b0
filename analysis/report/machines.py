"""The machines: what the target took, and whether the tester was fit to measure."""

from __future__ import annotations

import pandas as pd

from analysis.document import Block, Chart, Section, Table, Text
from analysis.report import charts, tables
from analysis.report.facts import Facts
from metrics.accuracy import COUNTED
from metrics.catalog import METRICS
from metrics.health import LOOP_LAG_LIMIT_S
from metrics.metric import Unit, show

_TARGET = [m.name for m in METRICS.values() if m.table == "target" and m.name != "tester_memory_growth"]
_POINTS = 300
_STATES = {"left": "reported all"}
"""A worker that has left is one that has told everything."""


def target(facts: Facts) -> Section:
    """Memory, CPU and sessions of the target."""
    if not any(facts.count(name) for name in _TARGET):
        return Section(
            "The target's resources",
            "target",
            [Text(f"Nothing is known of them: {facts.absent('target_memory')}. docs/target.md says how to tell.")],
        )
    seconds = facts.run.timeline
    drawn = (("target_memory_bytes", "Memory of the target", "MB", 1e-6, "blue"), ("target_cpu_share", "CPU of the target", "% of a core",
             100.0, "green"),
             ("target_sessions", "Sessions that the target has open", "sessions", 1.0, "violet"))  # fmt: skip
    blocks: list[Block] = [tables.metrics(facts, _TARGET, "The target")]
    for column, title, unit, scale, colour in drawn:
        if column in seconds and seconds[column].notna().sum() > 1:
            blocks.append(_line(seconds, column, title, unit, scale, colour))
    return Section("The target's resources", "target", blocks)


def tester(facts: Facts) -> Section:
    """Whether the numbers are to be believed, and how far they may be off."""
    info, health = facts.info, facts.info["health"]
    if info["valid"]:
        blocks: list[Block] = [Text("Valid: the tester kept its timetable, and nothing of the run was lost.", mood="good")]
    else:
        blocks = [Text("**Invalid.** The tester was not fit to measure:", tuple(info["faults"]), "bad")]
    late, lag = health["send_lateness"], health["loop_lag"]
    limit_s = info["frame_ms"] / 2000.0
    rows = [(w["name"], w["host"], _STATES.get(w["state"], w["state"]), str(w["talkers_max"]), str(w["turns"]), _cpu(w["health"]),
             *_late(w["health"]["send_lateness"]),
             *_late(w["health"]["loop_lag"]), str(w["health"]["missed_starts"]), str(w["health"]["frames_dropped"]),
             str(w["health"]["records_lost"]))
            for w in info["workers"]]  # fmt: skip
    header = (
        "worker",
        "host",
        "state",
        "talkers",
        "turns",
        "CPU of a core",
        "sends late p50",
        "p99",
        "loop lag p50",
        "p99",
        "missed starts",
        "frames dropped",
        "records lost",
    )
    note = (
        f"n {late['count']} frames and {lag['count']} looks at the event loop. The run is invalid where sends are late by more than "
        f"{limit_s * 1000:g} ms "
        f"(half a frame) or the loop by more than {LOOP_LAG_LIMIT_S * 1000:g} ms at p99 on any worker."
    )
    blocks.append(Table(header, rows, "Workers", note, frozenset(range(3, 13))))
    seconds = facts.run.timeline
    if seconds["send_lateness_p99_s"].notna().sum() > 1:
        blocks.append(_lateness(seconds, limit_s))
    return Section("The tester itself", "tester", [*blocks, *_error_bars(facts)])


def _cpu(health: dict[str, float]) -> str:
    return f"{health['cpu_s'] / health['wall_s'] * 100:.0f} %" if health["wall_s"] else "-"


def _late(told: dict[str, float | None]) -> tuple[str, str]:
    return show(told["p50_s"], Unit.SECONDS), show(told["p99_s"], Unit.SECONDS)


def _error_bars(facts: Facts) -> list[Block]:
    bars = facts.info["accuracy"]
    if not bars:
        return [
            Text(
                "How far the tester itself is off at this load is not known: no load as high was calibrated (`make calibrate`).",
                mood="warning",
            )
        ]
    rows = []
    for name, bar in bars["metrics"].items():
        title = METRICS[name].title if name in METRICS else name.capitalize()
        if name in COUNTED:
            rows.append((title, str(bar["count"]), *(f"{bar[which]:g}" for which in ("median", "p99", "max"))))
        else:
            rows.append((title, str(bar["count"]), *(show(bar[f"{which}_s"], Unit.SECONDS) for which in ("median", "p99", "max"))))
    where = "on this machine" if bars["own"] else "on another machine"
    note = (
        f"Calibrated {where} with {bars['talkers']} talkers, {bars['frame_ms']:g} ms frames and {bars['clock']} times against an "
        "assistant whose delays "
        "are known. These come on top of the intervals, which are about the callers that were not measured."
    )
    return [
        Table(
            ("metric", "n", "off at the median", "at p99", "at most"),
            rows,
            "Error bars: how far the tester is off",
            note,
            frozenset(range(1, 5)),
        )
    ]


def _lateness(seconds: pd.DataFrame, limit_s: float) -> Chart:
    points = _points(seconds)
    x = points["t_s"].to_numpy(float)
    names = (("send_lateness_p99_s", "sends late p99", "blue"), ("loop_lag_p99_s", "loop lag p99", "orange"))
    data = [charts.line(x, points[column].to_numpy(float) * 1000.0, name, colour) for column, name, colour in names]
    most = float(points[[column for column, *_ in names]].max().max()) * 1000.0
    sends, loop = limit_s * 1000.0, LOOP_LAG_LIMIT_S * 1000.0
    limits = [charts.limit(sends, "limit of both")] if sends == loop else [
        charts.limit(sends, "limit of sends", at="start"), charts.limit(loop, "limit of the loop")
    ]  # fmt: skip
    shapes = [one for one in limits if most > one["y0"] / 4]
    says = (
        f"Of each second (n {len(seconds)}); at most {most:.1f} ms. The limits are {limit_s * 1000:g} ms and "
        f"{LOOP_LAG_LIMIT_S * 1000:g} ms, over the whole run."
    )
    figure = charts.figure(data, "seconds of the run", "ms", shapes=shapes, yaxis={"rangemode": "tozero"})
    return Chart(f"The tester's lateness over time (ms), n {len(seconds)} seconds", figure, says, 260)


def _line(seconds: pd.DataFrame, column: str, title: str, unit: str, scale: float, colour: str) -> Chart:
    points = _points(seconds)
    values = seconds[column].dropna().astype(float) * scale
    data = [charts.line(points["t_s"].to_numpy(float), points[column].to_numpy(float) * scale, title, colour)]
    says = f"From {values.iloc[0]:.4g} to {values.iloc[-1]:.4g} {unit}, at most {values.max():.4g}; n {len(values)} seconds."
    figure = charts.figure(data, "seconds of the run", unit, yaxis={"rangemode": "tozero"}, showlegend=False)
    return Chart(f"{title} ({unit}), n {len(values)}", figure, says, 260)


def _points(seconds: pd.DataFrame) -> pd.DataFrame:
    """At most so many rows, each the highest of the seconds that it stands for."""
    size = -(-len(seconds) // _POINTS)
    numbers = seconds.select_dtypes("number").assign(group=range(len(seconds)))
    made: pd.DataFrame = numbers.groupby(numbers["group"] // max(size, 1)).max()
    return made
