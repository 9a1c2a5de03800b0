"""Faults from a worker to the run's files: what was told is kept, merged, and measured by the tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reporting_local import Player, collecting
from reporting_records import session, turn

from metrics.faults import FaultRecord
from metrics.records import ErrorKind, Outcome, SessionOutcome, SessionRecord
from reporting.live import WorkerState

S = 10**9


def fault(t_s: float, name: str = "0.0", **facts: Any) -> FaultRecord:
    return FaultRecord(**{"fault": name, "what": "drop", "by": "scenario", "t_s": t_s, "share": 0.5, **facts})


def lived(talker: int, started_s: float, closed_s: float, outcome: SessionOutcome, began_ns: int, **facts: Any) -> SessionRecord:
    at = {"started_ns": began_ns + round(started_s * S), "closed_ns": began_ns + round(closed_s * S)}
    return session(talker=talker, outcome=outcome, **{"ready_ns": at["started_ns"], "down_s": 0.0, **at, **facts})


def story(began_ns: int, first: int) -> list[SessionRecord]:
    """Two talkers of a worker whose clock read `began_ns` at the run's start: one is dropped at 5 s and back at 7 s, the other stays."""
    back = {"lost_ns": began_ns + 5 * S, "reconnect": True, "down_s": 2.0}
    return [
        lived(first, 0, 5, SessionOutcome.LOST, began_ns, error_kind=ErrorKind.CHAOS),
        lived(first, 7, 20, SessionOutcome.HUNG_UP, began_ns, **back),
        lived(first + 1, 0, 20, SessionOutcome.HUNG_UP, began_ns),
    ]


def test_a_run_of_two_workers(tmp_path: Path) -> None:
    """Their monotonic clocks have nothing in common; their wall clocks are read at the run's start."""
    with collecting(tmp_path, here=False) as (collector, world):
        workers = [Player("a"), Player("b")]
        for number, worker in enumerate(workers):
            collector.join(worker.facts)
            collector.clock(worker.facts.name, 0.25, 0.001)  # ahead by what the run started before them, so that both began with it
            records = story(worker.facts.started_ns, 2 * number)
            failed = turn(None, outcome=Outcome.CONNECTION_LOST, talker=2 * number, speech_onset_ns=5 + 4 * S, speech_offset_ns=5 + 4 * S)
            told = worker.plain(*records, failed, fault(5.0 + number / 1000, hit=1, present=2))
            assert collector.take(worker.facts.name, told) == 1
        assert [(f.fault, f.t_s, f.hit, f.present) for f in collector.chaos()] == [("0.0", 5.0, 2, 4)]
        collector.note_fault(fault(15.0, "1.0", what="command", share=None, detail="true: exit code 0"))
        for worker in workers:
            collector.take(worker.facts.name, worker.plain(last=True))
        world.second(25.0)
        done = collector.finish()
        assert {view.state for view in collector.workers()} == {WorkerState.LEFT}
    dropped, command = done.run["chaos"]
    assert (dropped["fault"], dropped["hit"], dropped["present"], dropped["noticed"], dropped["blast_radius"]) == ("0.0", 2, 4, 2, 0.5)
    assert (dropped["sessions_lost"], dropped["turns_failed"], dropped["recovered"]) == (2, 2, 2)
    assert dropped["time_to_recover_s"] == pytest.approx(2.0, abs=0.01)
    assert dropped["availability"] == pytest.approx(0.5, abs=0.01)
    assert (command["fault"], command["present"], command["noticed"], command["detail"]) == ("1.0", 4, 0, "true: exit code 0")
    assert json.loads((done.path / "run.json").read_text())["chaos"] == done.run["chaos"]
    section = done.summary[done.summary.index("## Chaos") : done.summary.index("docs/chaos.md")]
    assert "| 0.0   | 5.0 s  | drop " in section
    assert "| 2 of 4 | 2 (50.0 %) | 2             | 2            | 2000 ms " in section
    assert "command true: exit code 0" in section


def test_a_run_without_faults_says_nothing_of_them(tmp_path: Path) -> None:
    with collecting(tmp_path) as (_, world):
        world.add(session())
        world.second(1.0)
        done = world.finish()
    assert done.run["chaos"] == []
    assert "## Chaos" not in done.summary


def test_limits_of_the_scenario_tell_how_long_a_turn_was_waited_for(tmp_path: Path) -> None:
    """A stall from 10 to 12 s: a turn that was given up overlaps it by its wait."""
    with collecting(tmp_path) as (_, world):
        began_ns = world.facts.started_ns
        world.add(lived(0, 0, 30, SessionOutcome.HUNG_UP, began_ns))
        at = {"speech_onset_ns": began_ns + 1 * S, "speech_offset_ns": began_ns + 2 * S}
        world.add(turn(None, outcome=Outcome.NO_RESPONSE, talker=0, **at), turn(None, outcome=Outcome.TIMEOUT, talker=0, **at))
        world.add(fault(10.0, what="stall", for_s=2.0, hit=1, present=1))
        world.second(31.0)
        done = world.finish()
    (told,) = done.run["chaos"]
    assert (told["turns_failed"], told["noticed"], told["time_to_recover_s"]) == (1, 1, 0.0), "10 s for an answer, 6 s for one that stopped"
