"""The worst turns, drawn: who spoke when, what was heard, and which events came."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.document import Block, Chart, Part, Section, Text
from analysis.report import charts
from analysis.report.facts import Facts
from metrics.metric import Unit, show
from metrics.records import SELF_MADE, SUCCESSES, UNDECIDED, BargeInClass, Outcome, TurnKind

MOST = 5
_EVENTS = (
    ("speech_started_ns", "assistant: speech started", "green"), ("detected_ns", "talker's own detection", "violet"), ("silenced_ns",
    "speaker silenced", "violet"),
    ("cancel_sent_ns", "cancel sent", "violet"), ("stop_byte_ns", "last audio byte of the interrupted answer", "orange"), ("stop_event_ns",
    "interrupted answer closed", "orange"),
    ("stop_ear_ns", "silent for a caller who does nothing", "orange"), ("false_stop_ns", "false stop", "bad"), ("resumed_ns",
    "audible again", "green"),
    ("speech_stopped_ns", "assistant: speech stopped", "green"), ("committed_ns", "turn committed", "green"), ("transcribed_ns",
    "transcribed", "green"),
    ("response_created_ns", "response created", "blue"), ("first_token_ns", "first token", "blue"), ("first_audio_ns", "first audio",
    "blue"),
    ("first_audible_ns", "first audible", "blue"), ("last_audio_ns", "last audio", "blue"), ("response_done_ns", "response done", "blue"),
    ("playout_end_ns", "played out", "blue"),
)  # fmt: skip
"""Instants of a turn, their words, and the colour that they are drawn in."""
_KINDS = {TurnKind.UTTERANCE: "Utterance", TurnKind.BARGE_IN: "Barge-in", TurnKind.FALSE_ALARM: "False alarm"}
_LANES = ("events", "assistant heard", "assistant sends", "talker speaks")


def section(facts: Facts) -> Section:
    """A chart and the instants of each."""
    chosen = worst(facts.run.turns)
    if not chosen:
        return Section("Worst turns", "worst-turns", [Text("No turn was measured.")])
    by_response = facts.run.turns.dropna(subset=["response_id"]).drop_duplicates("response_id").set_index("response_id")
    blocks: list[Block] = [
        Text(
            f"{len(chosen)} of n {len(facts.run.turns)} turns and false alarms: failures first, then what took longest. 0 is the end of "
            "the talker's speech."
        )
    ]
    for at, why in chosen:
        row = facts.run.turns.loc[at]
        host = by_response.loc[row["host_response_id"]] if row["host_response_id"] in by_response.index else None
        blocks.append(_drawn(row, host, why))
    return Section("Worst turns", "worst-turns", blocks)


def worst(turns: pd.DataFrame, most: int = MOST) -> list[tuple[Any, str]]:
    """Which turns, by their index, and why: up to two that failed, a false alarm that did harm, a barge-in that nobody yielded to, and the
    slowest to answer."""
    fine = {*SUCCESSES, *UNDECIDED, Outcome.CONTINUED, Outcome.RESUMED}
    own = turns["error_kind"].isin([kind.value for kind in SELF_MADE])
    alarm = turns["kind"] == "false_alarm"
    failed = turns[~turns["outcome"].isin([o.value for o in fine]) & ~own & ~alarm]
    harm = turns[alarm & turns["outcome"].isin([Outcome.NOT_RESUMED.value, Outcome.ANSWERED.value])]
    unheard = turns[turns["barge_in_class"] == BargeInClass.NO_REACTION.value].sort_values("talked_over_s", ascending=False)
    slow = turns[turns["e2e_latency_s"].notna()].sort_values("e2e_latency_s", ascending=False)
    chosen: dict[Any, str] = {}
    for rows, number, why in (
        (failed, 2, "a failure"),
        (harm, 1, "the assistant did not go on"),
        (unheard, 1, "talked over"),
        (slow, most, "slow to answer"),
    ):
        for at in rows.index[:number]:
            if len(chosen) < most:
                chosen.setdefault(at, why)
    return list(chosen.items())


def _drawn(row: pd.Series, host: pd.Series | None, why: str) -> Part:
    zero = float(row["speech_offset_ns"])

    def ms(instant: Any) -> float | None:
        return None if pd.isna(instant) else (float(instant) - zero) / 1e6

    bars: list[tuple[str, Any, Any, str, str]] = [
        ("talker speaks", row["speech_onset_ns"], row["speech_offset_ns"], "orange", str(row["spoken"]) or str(row["clip"]))
    ]
    if host is not None:
        heard_until = row["silenced_ns"] if pd.notna(row["silenced_ns"]) else host["playout_end_ns"]
        sent_until = row["stop_byte_ns"] if pd.notna(row["stop_byte_ns"]) else host["last_audio_ns"]
        bars += [("assistant heard", host["first_audible_ns"], heard_until, "grey", "the answer it fell into, as heard"),
                 ("assistant sends", host["first_audio_ns"], sent_until, "grey", "the answer it fell into, as sent")]  # fmt: skip
    bars += [("assistant sends", row["first_audio_ns"], row["last_audio_ns"], "blue", "its answer, as sent"),
             ("assistant heard", row["first_audible_ns"], row["playout_end_ns"], "blue", "its answer, as heard")]  # fmt: skip
    data: list[dict[str, Any]] = []
    for lane, begin, end, colour, name in bars:
        a, b = ms(begin), ms(end)
        if a is not None and b is not None and b > a:
            data.append({"type": "bar", "orientation": "h", "y": [lane], "base": [a], "x": [b - a], "width": 0.55,
                     "marker": {"color": f"--{colour}"}, "name": name,
                         "showlegend": False, "hovertemplate": f"%{{base:.0f}} to {b:.0f} ms", "text": [name[:60]],
                         "textposition": "inside", "insidetextanchor": "start", "insidetextfont": {"color": "--sheet", "size": 11},
                         "constraintext": "inside"})  # fmt: skip
    told = [(ms(row[column]), name, colour) for column, name, colour in _EVENTS if pd.notna(row[column])]
    told.sort(key=lambda event: event[0] or 0.0)
    data.append({"type": "scatter", "mode": "markers", "x": [at for at, *_ in told], "y": ["events"] * len(told), "showlegend": False,
             "name": "events",
                 "marker": {"symbol": "line-ns-open", "size": 18, "line": {"width": 2}, "color": [f"--{colour}" for *_, colour in told]},
                 "text": [name for _, name, _ in told], "hovertemplate": "%{text}: %{x:.0f} ms"})  # fmt: skip
    figure = charts.figure(data, "ms after the end of speech", "", barmode="overlay", uniformtext={"minsize": 10,
             "mode": "hide"},
                           yaxis={"categoryorder": "array", "categoryarray": list(_LANES)}, shapes=[charts.mark(0.0, "", "text",
                                    "solid")])  # fmt: skip
    latency = "no answer heard" if pd.isna(row["e2e_latency_s"]) else f"answered after {show(float(row['e2e_latency_s']), Unit.SECONDS)}"
    where = f"talker {row['talker']}, call {row['call']}, turn {row['turn']}, at {row['t_s']:.1f} s with {row['concurrency']} sessions open"
    fault = "" if pd.isna(row["error"]) else f" ({row['error']})"
    kind, outcome = _KINDS[TurnKind(row["kind"])], str(row["outcome"]).replace("_", " ")
    owed = "" if row["kind"] == "false_alarm" else f"; {latency}"
    says = f"{kind}, outcome: {outcome}{fault}{owed}; {where}. Said: “{row['spoken'] or row['clip']}”"
    rows = [(name, f"{at:.0f} ms") for at, name, _ in told if at is not None]
    title = f"{kind}, {outcome}: {why}"
    return Part(title, [Chart("Timeline (ms), n 1 turn", figure, says, 250), _instants(rows)])


def _instants(rows: list[tuple[str, str]]) -> Text:
    """One after the other."""
    return Text("Events: " + "; ".join(f"{name} {at}" for name, at in rows) + "." if rows else "No event of it was seen.")
