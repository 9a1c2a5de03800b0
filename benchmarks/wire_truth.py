"""What talkers measured on any wire against what the reference assistant wrote down as true, turn by turn.

Ids of sessions and responses are not on every wire, so a turn is told by its talker, its clip and the instant of its onset, which both
sides know. An error is measured minus true.

- `e2e_latency`: true is the send of the answer's first audio, the playout delay, and the silence that the answer's clip begins with. Not
  compared where the speaker still played an earlier response.
- `stop_by_ear`: of barge-ins that the assistant gave way to. True is when all that it had sent was played or, on a wire that has the
  speaker emptied, when it said so, if that was before.
- `underruns`: of answers that were heard to their end without a false alarm.
- What barge-ins and false alarms came to is compared by class. A pause of which the listener heard no more than FALSE_STOP_S is no stop; so
  near to it that the two ends of the wire may differ, nothing is compared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metrics.catalog import METRICS
from metrics.records import SUCCESSES, BargeInClass, Outcome, TurnKind, TurnRecord
from metrics.windows import FALSE_STOP_S

SECOND_NS = 1_000_000_000
UNTOLD = "untold"
_NEAR_NS = SECOND_NS // 4
_NEAR_S = 0.02
_REACTIONS = {
    "cancelled": {BargeInClass.SERVER},
    "client_cancelled": {BargeInClass.CLIENT},
    "already_generated": {BargeInClass.GENERATED},
    "none": {BargeInClass.NO_REACTION},
}

Line = Mapping[str, Any]


@dataclass(slots=True)
class Compared:
    """`errors`: in ms, of `underruns` counts, by metric; `values`: measured and true seconds, by metric; `barge_ins`, `false_alarms`: how
    many there were, by what was true and what was measured; `left_out`: how many were not compared, by reason; `problems`: what is
    unaccounted for, a line each; `turns`, `answered`: of the talkers, and those with success."""

    errors: dict[str, list[float]] = field(default_factory=dict)
    values: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    barge_ins: Counter[tuple[str, str]] = field(default_factory=Counter)
    false_alarms: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    turns: int = 0
    answered: int = 0


class Truth:
    """The assistant's truth file. Raises OSError, ValueError."""

    def __init__(self, path: Path) -> None:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        self.delay_s = float(lines[0]["playout_delay_s"])
        self.chunk_s = lines[0]["profile"]["chunk_ms"] / 1000
        self.responses = {line["response_id"]: line for line in lines if line["kind"] == "response" and line["response_id"]}
        self._onsets: dict[tuple[str, str, str], list[tuple[int, Line]]] = {}
        for line in lines:
            onset = line.get("speech_onset_ns") if line["kind"] == "response" else line.get("onset_ns")
            if onset is not None:
                self._onsets.setdefault((line["kind"], line["client"], line["clip"]), []).append((onset, line))

    def of(self, kind: str, turn: TurnRecord) -> Line | None:
        """The line about this turn; None where there is none."""
        near = self._onsets.get((kind, f"talker-{turn.talker}", turn.clip), [])
        off_ns, line = min(((abs(onset - turn.speech_onset_ns), line) for onset, line in near), key=lambda one: one[0], default=(0, None))
        return line if off_ns < _NEAR_NS else None

    def playout_end_ns(self, response: Line) -> int:
        """When a listener has played all that was sent of a response that was broken off between two of its pieces."""
        played_s: float = self.delay_s + response["chunks"] * self.chunk_s + response["underrun_s"]
        begun_ns: int = response["first_audio_ns"]
        return begun_ns + round(played_s * SECOND_NS)


def compare(turns: Iterable[TurnRecord], truth: Truth, leads_s: Mapping[str, float], *, clears: bool, since_ns: int = 0) -> Compared:
    """A run beside its truth. `leads_s`: silence that each answer's clip begins with; `clears`: the wire has the speaker emptied;
    `since_ns`: turns that began before are left out."""
    made = Compared()
    calls: dict[tuple[int, int], list[TurnRecord]] = {}
    for turn in turns:
        calls.setdefault((turn.talker, turn.call), []).append(turn)
    for call in calls.values():
        call.sort(key=lambda turn: turn.speech_onset_ns)
        disturbed = {turn.turn for turn in call if turn.kind is TurnKind.FALSE_ALARM}
        busy_ns = 0
        for turn in call:
            if turn.speech_onset_ns < since_ns:
                made.left_out["turns of the first seconds"] += 1
            elif turn.kind is TurnKind.FALSE_ALARM:
                _false_alarm(made, turn, truth.of("false_alarm", turn))
            elif turn.outcome is Outcome.CUT_BY_RUN_END:
                made.left_out["turns cut by the run's end"] += 1
            else:
                _answer(made, turn, truth, leads_s, busy_ns, turn.turn in disturbed)
                if turn.kind is TurnKind.BARGE_IN:
                    _barge_in(made, turn, truth, clears)
                busy_ns = max(busy_ns, turn.playout_end_ns or 0)
    return made


def _answer(made: Compared, turn: TurnRecord, truth: Truth, leads_s: Mapping[str, float], busy_ns: int, disturbed: bool) -> None:
    made.turns += 1
    made.answered += turn.outcome in SUCCESSES
    true = truth.of("response", turn)
    sent_ns = true["first_audio_ns"] if true is not None else None
    if true is None or sent_ns is None or turn.first_audible_ns is None:
        if turn.first_audible_ns is not None:
            made.problems.append(f"talker {turn.talker}, turn {turn.turn}: an answer was heard, and none was sent")
        elif sent_ns is not None and turn.outcome not in (Outcome.INTERRUPTED, Outcome.CONNECTION_LOST):
            made.problems.append(f"talker {turn.talker}, turn {turn.turn}: {turn.outcome}, and an answer was sent")
        return
    audible_ns = sent_ns + round((truth.delay_s + leads_s[true["answer_clip"]]) * SECOND_NS)
    if busy_ns > sent_ns + truth.delay_s * SECOND_NS:
        made.left_out["e2e_latency while the speaker was busy"] += 1
    else:
        _note(made, "e2e_latency", turn.first_audible_ns - turn.speech_offset_ns, audible_ns - true["speech_offset_ns"])
    if turn.outcome is Outcome.COMPLETED and true["status"] == "completed" and not disturbed:
        made.errors.setdefault("underruns", []).append(float(turn.underruns - true["underruns"]))


def _barge_in(made: Compared, turn: TurnRecord, truth: Truth, clears: bool) -> None:
    true = truth.of("barge_in", turn)
    if true is None or turn.barge_in_class is None:
        made.left_out["barge-ins that the assistant took for none" if true is None else "barge-ins cut off"] += 1
        return
    right = turn.barge_in_class in _REACTIONS[true["reaction"]]
    made.barge_ins[true["reaction"], true["reaction"] if right else str(turn.barge_in_class)] += 1
    host = truth.responses.get(true["response_id"])
    measured_s = METRICS["stop_by_ear"].measure(turn)
    if true["reaction"] != "cancelled" or host is None or host["first_audio_ns"] is None or not isinstance(measured_s, float):
        made.left_out["stops of barge-ins that were not given way to"] += 1
        return
    end_ns = truth.playout_end_ns(host)
    stopped_ns = max(true["onset_ns"], min(end_ns, host["done_ns"]) if clears else end_ns)
    _note(made, "stop_by_ear", round(measured_s * SECOND_NS), stopped_ns - true["onset_ns"])


def _false_alarm(made: Compared, turn: TurnRecord, true: Line | None) -> None:
    if true is None:
        made.left_out["false alarms into no response"] += 1
        return
    silence_s = true["silence_s"] or 0.0
    if abs(silence_s - FALSE_STOP_S) < _NEAR_S:
        made.left_out["pauses at the bound of a false stop"] += 1
        return
    stopped = silence_s > FALSE_STOP_S
    expected = {"resumed": Outcome.RESUMED if stopped else Outcome.CONTINUED, "stuck": Outcome.NOT_RESUMED, "answered": Outcome.ANSWERED}
    wanted = expected.get(true["action"], Outcome.CONTINUED)
    if turn.windows_met or turn.outcome in (Outcome.CONTINUED, Outcome.RESUMED):
        made.false_alarms[str(wanted), str(turn.outcome) if turn.windows_met else UNTOLD] += 1
    else:
        made.left_out["false alarms cut off"] += 1


def _note(made: Compared, metric: str, measured_ns: int, true_ns: int) -> None:
    made.errors.setdefault(metric, []).append((measured_ns - true_ns) / 1e6)
    made.values.setdefault(metric, []).append((measured_ns / SECOND_NS, true_ns / SECOND_NS))
