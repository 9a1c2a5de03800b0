"""What a master takes to merge the reports of many workers: CPU of a core, and whether its memory grows.

`python -m benchmarks.merging [--workers 1000] [--seconds 3600]` prints one JSON object. Each worker reports once a second what a hundred
talkers measure in it; reports come as bytes, as from the network, and are unpacked, written to the run's journal, merged and
acknowledged, by the product's own collector. The clock of the run is the benchmark's: a second of the run takes as long as merging takes,
and `core` is that CPU time over the seconds of the run. Baseline, in the same rounds: the same bytes unpacked, and nothing done with
them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import msgpack
import psutil

from benchmarks.turn_cost import FACTS, SECOND_NS, events
from metrics.health import Health
from metrics.records import TurnKind, TurnRecord
from metrics.stages import Stages
from metrics.tracker import Limits, Tracker
from metrics.utterance import Utterance
from reporting.collector import Collector
from reporting.facts import RunFacts
from reporting.gatherer import Gatherer, Watched
from reporting.run_folder import REPORTED
from reporting.workers import WorkerFacts

TURNS = 17
"""Turns of a hundred talkers in a second, of some six seconds each."""
_KINDS = 20
"""Different reports; each worker sends them in turn."""
_LOOKS = 6
_EMPTIED_S = 30
"""Seconds of the run after which its journal is cut off: how large it grows is the disk's affair, not the master's."""
_SCENARIO = {"name": "merging", "criteria": [], "load": {"stages": [], "search": None}, "abort": {"unless": [], "grace_s": 0.0}}
_FACTS = RunFacts(_SCENARIO, 1, "openai-realtime", 40.0, "http://127.0.0.1:8000", 1_800_000_000.0, 0)


def turns(count: int) -> list[TurnRecord]:
    """Turns that are answered after random times."""
    rng, made = random.Random(1), list[TurnRecord]()
    tracker = Tracker(FACTS, Limits(), made.append, 0)
    for number in range(count):
        start_ns, slower = number * 10 * SECOND_NS, rng.lognormvariate(0.0, 0.4)
        tracker.speak(Utterance(TurnKind.UTTERANCE, 0, number, "clip", "voice", "hello", start_ns, start_ns + SECOND_NS))
        for t_s, event in events(number):
            tracker.event(start_ns + round((t_s if t_s < 1 else 1 + (t_s - 1) * slower) * SECOND_NS), event)
        tracker.poll(start_ns + 9 * SECOND_NS)
    return made


def reports() -> list[dict[str, Any]]:
    """Reports of a worker, as plain data."""
    rng, health = random.Random(1), Health()
    made = turns(_KINDS * TURNS)
    gatherer = Gatherer("worker", Watched(lambda: 100, lambda: health, 0, Stages()), lambda: 0)
    found = []
    for kind in range(_KINDS):
        for record in made[kind * TURNS : (kind + 1) * TURNS]:
            gatherer.add(record)
        health.send_lateness.add_all([rng.lognormvariate(-9, 0.7) for _ in range(2500)])
        health.loop_lag.add_all([rng.lognormvariate(-9, 0.7) for _ in range(50)])
        health.wall_s += 1.0
        health.cpu_s += 0.1
        found.append(gatherer.batch().to_plain())
    return found


class Master:
    """A run of so many workers, a second at a time."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._now_s = 0.0
        self.collector = Collector(folder, _FACTS, lambda: workers * 100, lambda: round(self._now_s * 1e9))
        self._names = [f"worker-{n}" for n in range(workers)]
        for name in self._names:
            self.collector.join(WorkerFacts(name, "host", 1, True, 0, 0.0))
        self._kinds = reports()
        self._second = 0

    def messages(self) -> list[bytes]:
        """What all workers send in the next second."""
        self._second += 1
        self._now_s = float(self._second)
        packed = [msgpack.packb(kind | {"seq": self._second}) for kind in self._kinds]
        return [packed[(n + self._second) % _KINDS] for n in range(len(self._names))]

    def merge(self, messages: list[bytes]) -> None:
        """Take them, and end the second."""
        for name, message in zip(self._names, messages, strict=True):
            taken = self.collector.take(name, msgpack.unpackb(message))
            msgpack.packb({"key": "k", "seq": taken})
        self.collector._end_second()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=3600, help="seconds of the run")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        master = Master(Path(folder), asked.workers)
        taken: list[float] = []
        unpacked: list[float] = []
        memory: list[int] = []
        for second in range(asked.seconds):
            messages = master.messages()
            begun_s = time.process_time()
            for message in messages:
                msgpack.unpackb(message)
            between_s = time.process_time()
            master.merge(messages)
            taken.append(time.process_time() - between_s)
            unpacked.append(between_s - begun_s)
            if second % max(1, asked.seconds // _LOOKS) == 0:
                memory.append(psutil.Process().memory_info().rss)
            if second % _EMPTIED_S == 0:
                os.truncate(master.collector.folder.path / REPORTED, 0)
        memory.append(psutil.Process().memory_info().rss)
        told = {
            "workers": asked.workers,
            "seconds": asked.seconds,
            "turns": master.collector.aggregate.turns(),
            "bytes_per_report": median(len(message) for message in messages),
            "core": round(median(taken), 3),
            "core_unpacking_alone": round(median(unpacked), 3),
            "us_per_report": round(median(taken) / asked.workers * 1e6, 1),
            "mib": [round(used / 2**20) for used in memory],
        }
        print(json.dumps(told))


if __name__ == "__main__":
    main()
