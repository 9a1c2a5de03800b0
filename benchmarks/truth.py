"""What the talkers measured against what the scripted peer did: the error of each metric, turn by turn.

An error is measured minus injected. Measured is the catalogue's own function on the turn's record; injected (`sent.py`) is made of the
peer's truth file and the clip's labels, and of nothing that the talkers told. So the talkers' lateness in sending and the ways through the
kernel, there and back, are errors, and a wrong place of the speech within its frames would be one.

What is compared, and what is left out, turn by turn:

- A turn that the end of the run cut off is left out. Of all others everything is compared that either side has. One that has a value where
  the other has none is a problem, and so is a response that is measured twice or not at all, or with another number of audio messages.
- `e2e_latency`: not where the speaker still played an earlier response of the session when this one's first sound was due.
- `stop_by_byte`, `stop_by_event`: of barge-ins that the assistant gave way to and that the peer heard before it had ended the response.
  Where its last audio was sent, and had arrived, before the onset, there is no `stop_by_byte` on either side.
- `server_detection`: of barge-ins that got an answer: the peer's truth file tells of its hearing beside the answer.
- `underruns`: of responses that nobody interrupted. The peer counts a gap whether or not the talker had silenced the speaker before.
- `outcomes`: 1 for a turn whose outcome, or whose class of barge-in, is not what the peer did, else 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.sent import ANSWER, DETECTION, SECOND_NS, STOP, Fate, Sent, Spoken
from metrics.catalog import METRICS
from metrics.records import BargeInClass, Outcome, TurnKind, TurnRecord

COUNTS = ("underruns", "outcomes")
"""Metrics whose errors are counts, not milliseconds."""


@dataclass(slots=True)
class Comparison:
    """Errors in ms (of COUNTS: counts) by metric; how many values were left out, by reason; what is unaccounted for, a line each."""

    errors: dict[str, list[float]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


_OUTCOMES = {Fate.COMPLETED: Outcome.COMPLETED, Fate.EARLY_STOP: Outcome.CUT_SHORT, Fate.LOST: Outcome.CONNECTION_LOST}
_CLASSES: dict[Fate, set[BargeInClass | None]] = {
    Fate.INTERRUPTED: {BargeInClass.SERVER},
    Fate.EARLY_STOP: {BargeInClass.SERVER, BargeInClass.GENERATED},
    Fate.COMPLETED: {BargeInClass.GENERATED, BargeInClass.NO_REACTION},
    Fate.LOST: {BargeInClass.NO_REACTION, None},
}
"""Classes that a barge-in can rightly have, by the fate of the response that it fell into."""


def compare(records: Iterable[TurnRecord], truth: Mapping[str, Sent], clips: Mapping[str, Spoken], playout_delay_s: float) -> Comparison:
    """Every turn of a run beside what the peer did. `clips` by name; `playout_delay_s`: the scenario's."""
    turns = [record for record in records if record.kind is not TurnKind.FALSE_ALARM]
    interruptions = {r.host_response_id: r for r in turns if r.host_response_id is not None}
    made = Comparison()
    _account(made, turns, truth, interruptions)
    delay_ns = round(playout_delay_s * SECOND_NS)
    busy_ns = _busy_until(turns)
    for turn in turns:
        if turn.outcome is Outcome.CUT_BY_RUN_END:
            made.left_out["turns cut by the run's end"] += 1
            continue
        own, host, clip = truth.get(turn.response_id or ""), truth.get(turn.host_response_id or ""), clips[turn.clip]
        interrupted = turn.response_id in interruptions or (own is not None and own.onset_ns is not None)
        made.errors.setdefault("outcomes", []).append(float(not _agrees(turn, own, host, interrupted)))
        if own is not None:
            _compare_answer(made, turn, own, clip, delay_ns, busy_ns.get(own.response_id, 0))
            if interrupted:
                made.left_out["underruns of interrupted responses"] += 1
            else:
                made.errors.setdefault("underruns", []).append(float(turn.underruns - own.underruns))
        if host is not None:
            _compare_stop(made, turn, host, clip)
    return made


def rows(comparison: Comparison, talkers: int, frame_ms: float, clock: str) -> list[dict[str, Any]]:
    """The rows of calibration.json: one for each metric of which anything was compared.

    The median has its sign; p99 (by nearest rank) and the greatest error have none. Those of COUNTS are counts, in spite of the names; the
    greatest of `outcomes` is the number of turns that disagree.
    """
    found = []
    for metric in (*ANSWER, *DETECTION, *STOP, *COUNTS):
        errors = comparison.errors.get(metric)
        if not errors:
            continue
        sizes = sorted(abs(error) for error in errors)
        p99, most = sizes[math.ceil(0.99 * len(sizes)) - 1], sum(sizes) if metric == "outcomes" else sizes[-1]
        off = {"median_ms": round(median(errors), 4), "p99_ms": round(p99, 4), "max_ms": round(most, 4)}
        found.append({"talkers": talkers, "frame_ms": frame_ms, "metric": metric, "clock": clock, "count": len(errors), **off})
    return found


def _account(made: Comparison, turns: list[TurnRecord], truth: Mapping[str, Sent], interruptions: Mapping[str, TurnRecord]) -> None:
    """Every response that ended at the peer is that of one turn, and every turn's response was sent, with as many audio messages."""
    times = Counter(turn.response_id for turn in turns if turn.response_id is not None)
    made.problems += [f"{identity}: measured {n} times" for identity, n in times.items() if n > 1]
    made.problems += [f"{identity}: measured, and never sent" for identity in times if identity not in truth]
    missing = [sent for sent in truth.values() if sent.fate is not Fate.OPEN and sent.response_id not in times]
    made.problems += [f"{sent.response_id}: sent ({sent.fate}), and not measured" for sent in missing]
    for turn in turns:
        sent, after = truth.get(turn.response_id or ""), interruptions.get(turn.response_id or "")
        cut_off = Outcome.CUT_BY_RUN_END in (turn.outcome, after.outcome if after else None)
        if sent is not None and not cut_off and turn.chunks != sent.chunks:
            made.problems.append(f"{sent.response_id}: {turn.chunks} audio messages measured, {sent.chunks} sent ({sent.fate})")


def _busy_until(turns: list[TurnRecord]) -> dict[str, int]:
    """By response: the instant until which the speaker played earlier responses of its session, as the records have it."""
    busy: dict[str | None, int] = {}
    found = {}
    for turn in sorted((t for t in turns if t.first_audio_ns is not None), key=lambda t: t.first_audio_ns or 0):
        found[turn.response_id or ""] = busy.get(turn.session_id, 0)
        busy[turn.session_id] = max(busy.get(turn.session_id, 0), turn.playout_end_ns or 0)
    return found


def _agrees(turn: TurnRecord, own: Sent | None, host: Sent | None, interrupted: bool) -> bool:
    if own is None:
        expected = Outcome.CONNECTION_LOST if host is not None and host.fate is Fate.LOST else None
    else:
        expected = Outcome.INTERRUPTED if interrupted else _OUTCOMES.get(own.fate)
    rightly = host is None or host.fate is Fate.OPEN or turn.barge_in_class in _CLASSES[host.fate]
    return turn.outcome is expected and rightly


def _compare_answer(made: Comparison, turn: TurnRecord, own: Sent, clip: Spoken, delay_ns: int, busy_ns: int) -> None:
    for metric, injected in ANSWER.items():
        true_ns = injected(own, clip)
        if metric == "e2e_latency":
            if turn.first_audio_ns is not None and busy_ns > turn.first_audio_ns + delay_ns:
                made.left_out["e2e_latency while the speaker was busy"] += 1
                continue
            true_ns = None if true_ns is None else true_ns + delay_ns
        _note(made, metric, turn, true_ns)
    if turn.kind is TurnKind.BARGE_IN:
        for metric, injected in DETECTION.items():
            _note(made, metric, turn, injected(own, clip))


def _compare_stop(made: Comparison, turn: TurnRecord, host: Sent, clip: Spoken) -> None:
    if turn.barge_in_class is not BargeInClass.SERVER:
        made.left_out["stops of barge-ins that the assistant did not give way to"] += 1
    elif host.onset_ns is None:
        made.left_out["stops of responses that were over before the peer heard the barge-in"] += 1
    else:
        for metric, injected in STOP.items():
            none_came = host.last_audio_ns is not None and host.last_audio_ns <= turn.speech_onset_ns
            if metric == "stop_by_byte" and none_came and turn.stop_byte_ns is None:
                made.left_out["stop_by_byte where no audio came after the onset"] += 1
            else:
                _note(made, metric, turn, injected(host, clip))


def _note(made: Comparison, metric: str, turn: TurnRecord, true_ns: int | None) -> None:
    measured_s = METRICS[metric].measure(turn)
    if measured_s is not None and true_ns is not None:
        made.errors.setdefault(metric, []).append((measured_s * SECOND_NS - true_ns) / 1e6)
    elif measured_s is not None or true_ns is not None:
        which = "measured, and did not happen" if true_ns is None else "not measured"
        made.problems.append(f"{turn.host_response_id if metric in STOP else turn.response_id}: {metric} {which}")
