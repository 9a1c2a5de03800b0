"""python e2e_dialects.py FILE SECONDS: talkers on every wire at once, in one process, against the assistant at LOCUST_HOST, for so long
and until there are TURNS of each. Their records go into FILE, by dialect. FILE's folder has the scenario and the corpus.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

from locust.env import Environment
from locust.event import Events

sys.path.insert(0, str(Path(__file__).parents[2]))

import gevent

from benchmarks.wires import below, names
from metrics.records import TurnRecord
from users import events
from users.run import Options, make_run
from users.talker import Talker

APART = 100
"""Between the numbers of talkers on two wires, so that the assistant's truth tells them apart."""
TURNS = 4
MOST_S = 40


def main(out: Path, seconds: float) -> None:
    found: dict[str, list[Any]] = {name: [] for name in names()}
    of: dict[int, str] = {}

    def kept(environment: Environment, record: Any, **_: Any) -> None:
        found[of[id(environment)]].append(record)

    events.turn.add_listener(kept)
    events.session.add_listener(kept)
    runners = []
    for number, name in enumerate(found):
        scenario, corpus = str(out.parent / "scenario.yml"), str(out.parent / "corpus")
        host = os.environ["LOCUST_HOST"] + below(name)
        run = make_run(Options(scenario=scenario, host=host, dialect=name, corpus=corpus, api_key_env="WIRES_KEY"))
        for _ in range(APART * number):
            run.roster.take()
        environment: Any = Environment(user_classes=[Talker], events=Events(), host=host, stop_timeout=0)
        environment.doubletalk = run
        of[id(environment)] = name
        runners.append(environment.create_local_runner())
    for runner in runners:
        runner.start(2, spawn_rate=100)
    gevent.sleep(seconds)
    with gevent.Timeout(MOST_S, False):
        while min(sum(isinstance(record, TurnRecord) and record.chunks > 0 for record in of) for of in found.values()) < TURNS:
            gevent.sleep(0.1)
    for runner in runners:
        runner.quit()
    faults = sum(runner.environment.doubletalk.faults.count + len(runner.exceptions) for runner in runners)
    out.write_bytes(pickle.dumps((faults, found)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
