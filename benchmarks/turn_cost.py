"""What a turn costs besides its audio: the product's own path from the assistant's events to a row of the run files.

`python -m benchmarks.turn_cost` prints one JSON object: `us_per_turn`, CPU time in microseconds, the median of several batches.

Counted are the tracker's work on the events of a turn that is answered with one audio message, the record it makes, the record's metrics,
counting them, and a row of the run files, its share of writing included. The other audio messages of a reply are streaming: they are in
the CPU per talker.
"""

from __future__ import annotations

import json
import math
import time
from array import array
from collections.abc import Callable
from statistics import median

from metrics.assemble import SessionFacts
from metrics.health import Health
from metrics.records import TurnKind, TurnRecord
from metrics.stages import Stages
from metrics.tracker import Limits, Tracker
from metrics.utterance import Utterance
from protocol.events import (
    AudioDelta,
    Committed,
    Event,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
)
from reporting.gatherer import Gatherer, Watched

SECOND_NS = 1_000_000_000
_RATE = 24000
_CHUNK = array("h", (round(8000 * math.sin(n / 8)) for n in range(_RATE // 5))).tobytes()
FACTS = SessionFacts(talker=0, session_id="bench", clock="kernel", rate=_RATE, playout_delay_s=0.06, speaker_output_s=0.01)
_BATCH, _BATCHES = 1000, 7
_PER_REPORT = 200
"""Turns of a second, with a thousand talkers."""


def events(number: int) -> list[tuple[float, Event]]:
    """What the assistant tells of a turn, at seconds after the talker began to speak; the talker speaks for a second."""
    reply, item = f"r{number}", f"u{number}"
    return [
        (0.02, SpeechStarted(item, 0)),
        (1.22, SpeechStopped(item, 1200)),
        (1.22, Committed(item)),
        (1.25, Transcribed(item, "hello")),
        (1.27, ResponseCreated(reply)),
        (1.30, TextDelta(reply, item, "hello")),
        (1.32, AudioDelta(reply, item, 0, len(_CHUNK) // 2, _CHUNK)),
        (1.36, ResponseDone(reply, "completed", None, None)),
    ]


class Desk:
    """Takes turns one after the other, each 10 s after the one before, and everything a run does with their records."""

    def __init__(self) -> None:
        self._gatherer = Gatherer("local", Watched(lambda: 1, Health, 0, Stages()), lambda: 0)
        self._tracker = Tracker(FACTS, Limits(), self._keep, 0)
        self._number = 0

    def turn(self) -> None:
        """One turn, from its first sample to its row."""
        number, start_ns = self._number, self._number * 10 * SECOND_NS
        said = Utterance(TurnKind.UTTERANCE, 0, number, "clip", "voice", "hello", start_ns, start_ns + SECOND_NS)
        self._tracker.speak(said)
        for t_s, event in events(number):
            self._tracker.event(start_ns + round(t_s * SECOND_NS), event)
        self._tracker.poll(start_ns + 9 * SECOND_NS)
        self._number += 1

    def _keep(self, record: TurnRecord) -> None:
        self._gatherer.add(record)
        if self._number % _PER_REPORT == 0:
            self._gatherer.batch().to_plain()


def us_per_call(act: Callable[[], None], calls: int, batches: int) -> float:
    """CPU time of one call in microseconds: the median of the batches, one more of which warms up."""
    taken = []
    for _ in range(batches + 1):
        begun_ns = time.process_time_ns()
        for _ in range(calls):
            act()
        taken.append((time.process_time_ns() - begun_ns) / 1000 / calls)
    return median(taken[1:])


def main() -> None:
    """Measure and print."""
    desk = Desk()
    print(json.dumps({"us_per_turn": us_per_call(desk.turn, _BATCH, _BATCHES)}))


if __name__ == "__main__":
    main()
