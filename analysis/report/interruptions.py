"""Barge-ins and false alarms: how fast the assistant falls silent when it should, and whether it goes on when it should not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.document import Block, Chart, Section, Table, Text
from analysis.report import charts, tables
from analysis.report.facts import Facts, cell
from analysis.statistics import survival
from metrics.catalog import METRICS
from metrics.records import BargeInClass, Outcome, TurnKind
from metrics.windows import FALSE_STOP_S, FALSE_STOP_WINDOW_S, RESUME_WINDOW_S, YIELD_WINDOW_S

_PARTS = ("bargein_detection", "playback_stop", "server_cancel", "buffer_flush", "barge_in_latency")
_CLOCKS = (("stop_by_event", "stop_event_ns", "violet"), ("stop_by_byte", "stop_byte_ns", "blue"), ("stop_by_ear", "stop_ear_ns", "orange"))
_ALARMS = ("false_alarm_resume", "false_stop_rate", "resume_rate", "resume_time", "spurious_response")

_LEAST = 3
"""Stops that a curve needs."""
_POINTS = 80
"""Points that it is drawn through, at most."""


def barge_ins(facts: Facts) -> Section:
    """B1 to B4, the three stop clocks, and the curve of those that had stopped by a time."""
    n = facts.aggregate.turns(TurnKind.BARGE_IN)
    if not n:
        wanted = facts.scenario["conversation"]["barge_in"]
        why = facts.absent("bargein_detection")
        return Section("Barge-in", "barge-in", [Text(f"Nothing was measured: {why}.")] if any(wanted.values()) else [])
    blocks: list[Block] = [
        tables.metrics(facts, _PARTS, "From the talker's first sound to a silent speaker: B1 to B4"),
        tables.metrics(
            facts,
            [name for name, *_ in _CLOCKS],
            "Three clocks of the assistant's stop",
            "By event: it says that it stopped; by byte: it sends no more; by ear: a caller who does not silence the speaker hears no "
            "more.",
        ),
        *_curve(facts),
        tables.metrics(facts, ("server_detection", "talked_over", "yield_rate", "interruption_success"), "What came of it"),
        _classes(facts, n),
    ]
    return Section("Barge-in", "barge-in", blocks)


def stop_times(facts: Facts, column: str) -> pd.DataFrame:
    """Of the barge-ins into a response still being generated: `waited_s`, seconds from the onset to the stop by a clock; `stopped`, 1 where
    it did stop; `session`.

    One that was never yielded to was waited for until the response ended by itself: it talked over the caller for `talked_over_s`. A
    response that was cancelled and brought no audio after the onset stopped at once, as in `yield_rate`.
    """
    turns = facts.turns
    asked = turns[(turns["kind"] == "barge_in") & turns["barge_in_class"].notna() & (turns["barge_in_class"] != BargeInClass.GENERATED)]
    never = (asked["barge_in_class"] == BargeInClass.NO_REACTION).to_numpy()
    after = (asked[column].astype(float) - asked["speech_onset_ns"].astype(float)).to_numpy() / 1e9
    waited = np.maximum(np.nan_to_num(np.where(never, asked["talked_over_s"].to_numpy(float), after)), 0.0)
    return pd.DataFrame({"waited_s": waited, "stopped": (~never).astype(float), "session": asked["session"].to_numpy(np.int64)})


def _curve(facts: Facts) -> list[Block]:
    """Kaplan-Meier: the share of barge-ins after which the assistant has stopped, by the time since the onset."""
    data, n, censored = [], 0, 0
    for name, column, colour in _CLOCKS:
        found = stop_times(facts, column)
        if found["stopped"].sum() < _LEAST:
            continue
        steps = np.unique(found.loc[found["stopped"] > 0, "waited_s"])
        drawn_at = np.quantile(steps, np.linspace(0.0, 1.0, min(_POINTS, len(steps))), method="nearest")
        at = np.unique(np.r_[0.0, drawn_at, found["waited_s"].max()])
        waited, stopped, units = (found[column].to_numpy() for column in ("waited_s", "stopped", "session"))
        reached = survival.curve(waited, stopped, units, at)
        n, censored = reached.n, reached.censored
        x, percent = at * 1000.0, [None if e.value is None else e.value * 100.0 for e in reached.happened]
        if name == "stop_by_byte":
            low, high = ([None if v is None else v * 100.0 for v in (getattr(e, end) for e in reached.happened)] for end in ("low", "high"))
            data += charts.band(x.tolist(), low, high, colour, "hv")
        drawn = charts.line(x, percent, METRICS[name].title.lower(), colour, mode="lines", hovertemplate="%{y:.1f} % by %{x:.0f} ms")
        drawn["line"]["shape"] = "hv"
        data.append(drawn)
        facts.step()
    if not data:
        return [
            Text("The share stopped by a time needs three barge-ins that the assistant reacted to, into a response still being generated.")
        ]
    most = max([YIELD_WINDOW_S * 1000.0, *(float(np.max(trace["x"])) for trace in data if len(trace["x"]))])
    axes = {"xaxis": {"range": [0, most * 1.05]}, "yaxis": {"range": [0, 102]}}
    marks = [charts.mark(YIELD_WINDOW_S * 1000.0, f"{YIELD_WINDOW_S:g} s")]
    figure = charts.figure(data, "ms after the talker's first sound", "% stopped", shapes=marks, **axes)
    says = (
        f"Kaplan-Meier estimate over {n} barge-ins into a response still being generated; {censored} never stopped and are censored when "
        "their response ended by itself. The band is the 95 % interval of stop by byte, with the session as the sampling unit. Beyond "
        f"{YIELD_WINDOW_S:g} s it does not count as yielding."
    )
    return [Chart(f"Share of barge-ins after which the assistant had stopped (%), n {n}", figure, says)]


def _classes(facts: Facts, n: int) -> Table:
    rows = []
    for which in BargeInClass:
        name = f"barge_in_{which.value}"
        found = facts.estimate(name, "value")
        rows.append((which.value.replace("_", " "), str(round((found.value or 0.0) * found.n)), cell(found, METRICS[name])))
    return Table(("how the assistant met it", "count", "share"), rows, f"Classes of barge-ins, n {n}", tables.INTERVALS, frozenset({1, 2}))


def false_alarms(facts: Facts) -> Section:
    """What mm-hm, coughs and noise did to the assistant."""
    n = facts.aggregate.turns(TurnKind.FALSE_ALARM)
    if not n:
        asked = facts.scenario["conversation"]["false_alarms"]
        wanted = asked["per_second"] or asked["share"]
        return Section(
            "False alarms", "false-alarms", [Text(f"Nothing was measured: {facts.absent('false_alarm_resume')}.")] if wanted else []
        )
    note = (
        f"A false stop: inaudible for more than {FALSE_STOP_S:g} s, beginning within {FALSE_STOP_WINDOW_S:g} s of the false alarm's "
        "end; resumed: "
        f"audible again within {RESUME_WINDOW_S:g} s of it."
    )
    rows = []
    for outcome in (
        Outcome.CONTINUED,
        Outcome.RESUMED,
        Outcome.NOT_RESUMED,
        Outcome.ANSWERED,
        Outcome.CONNECTION_LOST,
        Outcome.CUT_BY_RUN_END,
    ):
        count = facts.aggregate.turns(TurnKind.FALSE_ALARM, outcome)
        if count:
            rows.append((outcome.value, str(count), f"{count / n * 100:.1f} %"))
    blocks: list[Block] = [
        tables.metrics(facts, _ALARMS, "After a false alarm the assistant must go on", note),
        Table(("outcome", "count", "share"), rows, f"What came of false alarms, n {n}", numeric=frozenset({1, 2})),
    ]
    return Section("False alarms", "false-alarms", blocks)
