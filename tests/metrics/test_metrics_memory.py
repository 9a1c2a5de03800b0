"""An hour's worth of turns in one session leaves nothing behind that grows."""

from __future__ import annotations

import tracemalloc

from metrics_script import FACTS

from metrics.aggregate import Aggregate, measure
from metrics.records import Outcome, TurnKind, TurnRecord
from metrics.tracker import Limits, Tracker
from metrics.utterance import Utterance
from protocol.events import AudioDelta, Committed, ResponseCreated, ResponseDone, SpeechStarted, SpeechStopped, TextDelta, Transcribed

MS = 1_000_000
TURN_NS = 8000 * MS
HOUR = 3600 // 8
CHUNK = "AAAA" * 640


def converse(tracker: Tracker, turns: range) -> None:
    """Turns of 8 s: two of speech, an answer of 100 pieces of 40 ms in real time, loud from the first."""
    loud = "AECAwACA" * 320
    for turn in turns:
        t_ns = turn * TURN_NS
        tracker.speak(Utterance(TurnKind.UTTERANCE, 0, turn, "clip", "slt", "hello", t_ns, t_ns + 2000 * MS))
        item, response = f"item{turn}", f"response{turn}"
        for at_ms, event in (
            (20, SpeechStarted(item, 0)),
            (2200, SpeechStopped(item, 2000)),
            (2200, Committed(item)),
            (2300, Transcribed(item, "hello")),
            (2350, ResponseCreated(response)),
            (2400, TextDelta(response, "said", "well")),
        ):
            tracker.event(t_ns + at_ms * MS, event)
        for piece in range(100):
            tracker.event(t_ns + (2450 + 40 * piece) * MS, AudioDelta(response, "said", 0, 960, loud if piece < 3 else CHUNK))
        tracker.event(t_ns + 6460 * MS, ResponseDone(response, "completed", None, {"input_tokens": 1, "output_tokens": 2}))
        tracker.poll(t_ns + 7000 * MS)


def held() -> int:
    """Bytes that lines of `metrics` have allocated and that are there still: other threads of the test process allocate, too."""
    ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/metrics/*.py")])
    return sum(trace.size for trace in ours.traces)


def test_no_growth_over_an_hour_of_turns() -> None:
    aggregate, outcomes = Aggregate(), dict.fromkeys(Outcome, 0)

    def emit(record: TurnRecord) -> None:
        outcomes[record.outcome] += 1
        aggregate.add(record, measure(record))

    tracker = Tracker(FACTS, Limits(), emit, 0)
    tracemalloc.start()
    try:
        converse(tracker, range(100))  # what is remembered for a while is full by now
        before = held()
        converse(tracker, range(100, 100 + HOUR))
        after = held()
    finally:
        tracemalloc.stop()
    assert outcomes[Outcome.COMPLETED] == 100 + HOUR == sum(outcomes.values())
    assert after - before < 4_500, "an hour of turns, ten bytes each at most"
