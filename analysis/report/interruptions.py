"""Barge-ins and false alarms: how fast the assistant falls silent when it should, and whether it goes on when it should not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.document import Block, Chart, Section, Table, Text
from analysis.report import charts, tables
from analysis.report.facts import Facts, cell
from metrics.catalog import METRICS
from metrics.records import BargeInClass, Outcome, TurnKind
from metrics.windows import FALSE_STOP_S, FALSE_STOP_WINDOW_S, RESUME_WINDOW_S, YIELD_WINDOW_S

_PARTS = ("bargein_detection", "playback_stop", "server_cancel", "buffer_flush", "barge_in_latency")
_CLOCKS = (("stop_by_event", "stop_event_ns", "violet"), ("stop_by_byte", "stop_byte_ns", "blue"), ("stop_by_ear", "stop_ear_ns", "orange"))
_ALARMS = ("false_alarm_resume", "false_stop_rate", "resume_rate", "resume_time", "spurious_response")


def barge_ins(facts: Facts) -> Section:
    """B1 to B4, the three stop clocks, and the curve of those that had stopped by a time."""
    n = facts.aggregate.turns(TurnKind.BARGE_IN)
    if not n:
        wanted = facts.scenario["conversation"]["barge_in"]
        why = METRICS["bargein_detection"].absent
        return Section("Barge-in", "barge-in", [Text(f"Nothing was measured: {why}.")] if any(wanted.values()) else [])
    blocks: list[Block] = [
        tables.metrics(facts, _PARTS, "From the talker's first sound to a silent speaker: B1 to B4"),
        tables.metrics(
            facts,
            [name for name, *_ in _CLOCKS],
            "Three clocks of the assistant's stop",
            "By event: it says that it stopped; by byte: it sends no more; by ear: a caller who does not silence the speaker hears no more.",
        ),
        *_curve(facts),
        tables.metrics(facts, ("server_detection", "talked_over", "yield_rate", "interruption_success"), "What came of it"),
        _classes(facts, n),
    ]
    return Section("Barge-in", "barge-in", blocks)


def stop_times(facts: Facts, column: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Seconds from the onset to the stop by a clock, and whether each did stop, of the barge-ins into a response still being generated.

    One that was never yielded to is seen until the response ended by itself: it talked over the caller for `talked_over_s`, and was not going
    to stop until then. A response that was cancelled and brought no audio after the onset stopped at once, as in `yield_rate`.
    """
    turns = facts.turns
    asked = turns[(turns["kind"] == "barge_in") & turns["barge_in_class"].notna() & (turns["barge_in_class"] != BargeInClass.GENERATED)]
    never = (asked["barge_in_class"] == BargeInClass.NO_REACTION).to_numpy()
    after = (asked[column].astype(float) - asked["speech_onset_ns"].astype(float)).to_numpy() / 1e9
    stopped = ~never
    seen = np.where(never, np.nan_to_num(asked["talked_over_s"].to_numpy(float)), np.nan_to_num(after))
    return np.maximum(seen, 0.0), stopped


def _curve(facts: Facts) -> list[Block]:
    """Kaplan-Meier: the share of barge-ins after which the assistant has stopped, by the time since the onset."""
    data, n, never = [], 0, 0
    for name, column, colour in _CLOCKS:
        seen, stopped = stop_times(facts, column)
        if stopped.sum() < 3:
            continue
        n, never = len(seen), int((~stopped).sum())
        curve = stats.ecdf(stats.CensoredData.right_censored(seen, ~stopped))
        x = np.concatenate([[0.0], curve.cdf.quantiles * 1000.0])
        y = np.concatenate([[0.0], curve.cdf.probabilities * 100.0])
        if name == "stop_by_byte" and len(x) > 3:
            low, high = (np.concatenate([[0.0], end.probabilities * 100.0]) for end in curve.cdf.confidence_interval(method="log-log"))
            data += charts.band(x.tolist(), low.tolist(), high.tolist(), colour, "hv")
        drawn = charts.line(x, y, METRICS[name].title.lower(), colour, mode="lines", hovertemplate="%{y:.1f} % by %{x:.0f} ms")
        drawn["line"]["shape"] = "hv"
        data.append(drawn)
    if not data:
        return [
            Text(
                "The curve of the share stopped needs three barge-ins that the assistant reacted to, into a response still being generated."
            )
        ]
    figure = charts.figure(data, "ms after the talker's first sound", "% stopped", yaxis={"range": [0, 102]},
                           shapes=[charts.mark(YIELD_WINDOW_S * 1000.0, f"{YIELD_WINDOW_S:g} s")])  # fmt: skip
    says = (
        f"Kaplan-Meier estimate over {n} barge-ins into a response still being generated; {never} never stopped and count as censored when their "
        f"response ended by itself. The band is the 95 % interval of stop by byte (Greenwood, log-log). Beyond {YIELD_WINDOW_S:g} s it does not count as yielding."
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
            "False alarms", "false-alarms", [Text(f"Nothing was measured: {METRICS['false_alarm_resume'].absent}.")] if wanted else []
        )
    note = (
        f"A false stop: inaudible for more than {FALSE_STOP_S:g} s, beginning within {FALSE_STOP_WINDOW_S:g} s of the false alarm's end; resumed: "
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
            rows.append((outcome.value, str(count), f"{count / n * 100:.0f} %"))
    blocks: list[Block] = [
        tables.metrics(facts, _ALARMS, "After a false alarm the assistant must go on", note),
        Table(("outcome", "count", "share"), rows, f"What came of false alarms, n {n}", numeric=frozenset({1, 2})),
    ]
    return Section("False alarms", "false-alarms", blocks)
