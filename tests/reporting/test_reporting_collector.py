"""The collector: the aggregate is that of the records, and the timeline's seconds add up to the totals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import gevent
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting_disks import full_disk
from reporting_local import collecting, timeline
from reporting_records import FACTS, IN_STAGES, SEARCH, any_record, session, token, turn

from metrics.aggregate import Aggregate
from metrics.records import (
    SELF_MADE,
    SUCCESSES,
    UNDECIDED,
    ErrorKind,
    Outcome,
    Record,
    SampleRecord,
    SessionRecord,
    TokenRecord,
    TurnKind,
    TurnRecord,
)
from reporting.console import print_finished, print_progress, progress_line
from reporting.readings import Latency, Reading
from reporting.tables import SAMPLED
from reporting.target import Look
from scenarios import Scenario


@settings(max_examples=15)
@given(st.lists(st.lists(any_record(), max_size=4), max_size=4))
def test_seconds_add_up_to_totals(tmp_path_factory: pytest.TempPathFactory, seconds: list[list[Record]]) -> None:
    with collecting(tmp_path_factory.mktemp("runs")) as (collector, world):
        for i, records in enumerate(seconds):
            world.add(*records)
            world.second(i + 1.0)
        done = world.finish()
    flat = [r for records in seconds for r in records]
    rows = timeline(done)
    whole = Aggregate()
    for record in [*flat, *(SampleRecord(t_s=row["t_s"], **{name: row[name] for name in SAMPLED}) for row in rows)]:
        whole.add(record)
    assert collector.aggregate.to_plain() == whole.to_plain()
    assert len(rows) == len(seconds) + 1
    turns = [r for r in flat if isinstance(r, TurnRecord)]
    owed = [r for r in turns if r.kind is not TurnKind.FALSE_ALARM]
    counted = ("turns", "failures", "barge_ins", "false_alarms", "sessions_ended", "tokens", "errors", "underruns")
    totals = {name: sum(row[name] for row in rows) for name in counted}
    assert totals["turns"] == len(owed)
    assert totals["failures"] == len([r for r in owed if r.outcome not in SUCCESSES | UNDECIDED and r.error_kind not in SELF_MADE])
    assert totals["barge_ins"] == len([r for r in turns if r.kind is TurnKind.BARGE_IN])
    assert totals["false_alarms"] == len(turns) - len(owed)
    assert totals["sessions_ended"] == len([r for r in flat if isinstance(r, SessionRecord)])
    assert totals["tokens"] == len([r for r in flat if isinstance(r, TokenRecord)])
    assert totals["errors"] == len([r for r in flat if r.error_kind is not None])
    assert totals["underruns"] == sum(r.underruns for r in owed)
    assert done.run["totals"]["turns"] == len(owed)
    assert done.run["health"]["frames_dropped"] == sum(r.frames_dropped for r in flat if isinstance(r, SessionRecord))
    assert json.loads((done.path / "run.json").read_text()) == json.loads(json.dumps(done.run))


def test_a_row_is_what_ended_in_its_second(tmp_path: Path) -> None:
    with collecting(tmp_path) as (_, world):
        world.talkers = 3
        for e2e_s in (0.3, 0.5, 0.7):
            world.add(turn(e2e_s))
        world.state.cpu_s = 0.25
        world.second(1.0)
        world.talkers = 2
        world.add(turn(None, outcome=Outcome.NO_RESPONSE, error_kind=ErrorKind.TIMEOUT))
        world.state.cpu_s = 1.25
        world.second(3.0)
        world.state.send_lateness.add(0.004)
        world.state.cpu_s = 1.5
        world.t_s = 3.5
        done = world.finish()
    first, late, last = timeline(done)
    assert [first["t_s"], late["t_s"], last["t_s"]] == pytest.approx([1.0, 3.0, 3.5])
    assert (first["talkers"], first["turns"], first["failures"], first["errors"]) == (3, 3, 0, 0)
    assert first["e2e_latency_p50_s"] == pytest.approx(0.5, rel=0.02)
    assert first["barge_in_latency_p95_s"] is None
    assert first["send_lateness_p99_s"] is None
    assert (late["talkers"], late["turns"], late["failures"], late["errors"]) == (2, 1, 1, 1)
    assert late["e2e_latency_p50_s"] is None
    assert last["send_lateness_p99_s"] == pytest.approx(0.004, rel=0.02)
    shares = [first["cpu_share"], late["cpu_share"], last["cpu_share"]]
    assert shares == pytest.approx([0.25, 0.5, 0.5]), "of a core, over the time that the row covers"
    assert done.run["talkers_max"] == 3
    assert done.run["duration_s"] == pytest.approx(3.5)


def test_time_passes_by_itself(tmp_path: Path) -> None:
    with collecting(tmp_path) as (collector, world):
        world.t_s = 1.0
        world.add(turn(0.4))
        with gevent.Timeout(20):
            while not collector.timeline:
                gevent.sleep(0.01)
        assert timeline(world.finish())[0]["turns"] == 1


def test_a_record_that_cannot_be_kept_makes_the_run_invalid(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        """No record that the run folder knows."""

    with collecting(tmp_path) as (_, world):
        world.add(turn(0.4))
        world.add(Odd())
        done = world.finish()
    assert not done.run["valid"]
    assert not done.passed
    assert done.run["faults"] == ["1 record(s) lost between worker and run files"]
    assert done.run["totals"]["turns"] == 1
    assert "could not be kept" in caplog.text


def test_a_value_that_fits_no_column_makes_the_run_invalid_and_costs_no_other_record(tmp_path: Path) -> None:
    with collecting(tmp_path) as (_, world):
        world.add(session(silence_duration_ms=2**70))
        world.add(session())
        world.second(1.0)
        done = world.finish()
    assert done.run["faults"] == ["1 record(s) lost between worker and run files"]
    assert pq.read_table(done.path / "sessions.parquet").num_rows == 1


def test_a_full_disk_is_told_once_and_records_wait_until_there_is_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with collecting(tmp_path) as (collector, world):
        with full_disk(collector.folder._journal):
            for t_s in (1.0, 2.0):
                world.add(turn(0.4))
                world.second(t_s)
            assert (world.shipper.waiting, collector.aggregate.turns()) == (2, 0)
        world.add(turn(0.4))
        world.second(3.0)
        done = world.finish()
    assert caplog.text.count("cannot be written to: No space left on device; records wait in memory until it can") == 1
    assert pq.read_table(done.path / "turns.parquet").num_rows == done.run["totals"]["turns"] == 3
    assert (done.run["valid"], done.run["faults"]) == (True, [])
    assert [row["t_s"] for row in timeline(done)] == [1.0, 2.0, 3.0, 3.0]
    assert sum(row["turns"] for row in timeline(done)) == 3


@pytest.mark.parametrize(("e2e_s", "passed"), [(0.5, True), (0.9, False), (None, False)])
def test_passed_means_that_all_criteria_hold(tmp_path: Path, e2e_s: float | None, passed: bool) -> None:
    with collecting(tmp_path) as (_, world):
        for _i in range(20):
            world.add(turn(e2e_s, outcome=Outcome.COMPLETED if e2e_s else Outcome.NO_RESPONSE))
        assert world.finish().passed is passed


def test_a_run_that_is_invalid_says_so_while_it_runs(tmp_path: Path) -> None:
    with collecting(tmp_path) as (collector, world):
        assert collector.faults() == []
        world.state.loop_lag.add(0.5)
        world.state.send_lateness.add(FACTS.frame_ms / 1000)
        world.report()
        lateness, lag = collector.faults()
        assert lateness.startswith("send_lateness p99 20.0 ms is over half a frame (10 ms): use more workers or longer frames")
        assert lag.startswith("loop_lag p99 500.0 ms is over 20 ms: use more workers")


def test_the_testers_health_second_by_second(tmp_path: Path) -> None:
    with collecting(tmp_path) as (_, world):
        world.state.missed_starts, world.state.unsent_bytes = 2, 4096
        world.add(session(frames_dropped=5))
        world.state.send_lateness.add(0.030)
        world.second(1.0)
        world.state.missed_starts, world.state.unsent_bytes = 3, 0
        world.state.send_lateness.add(0.002)
        world.second(2.0)
        rows = timeline(world.finish())
        told = [(row["frames_dropped"], row["missed_starts"], row["unsent_bytes"]) for row in rows[:2]]
        assert told == [(5, 2, 4096), (5, 3, 0)]
        assert [row["send_lateness_p99_s"] for row in rows] == [pytest.approx(0.030, rel=0.01), pytest.approx(0.002, rel=0.01), None]


def test_the_progress_line(tmp_path: Path) -> None:
    with collecting(tmp_path) as (collector, world):
        world.t_s = 65.4
        nothing = "   65 s     0 talkers      0 turns  E2E p50 -  p95 -  no errors  tester: - of a core, sends late p99 -"
        assert progress_line(collector) == nothing
        world.talkers = 12
        for _ in range(3):
            world.add(turn(0.5))
            world.add(turn(None, outcome=Outcome.NO_RESPONSE, error_kind=ErrorKind.TIMEOUT))
        world.add(session(ready_ns=None, error_kind=ErrorKind.RATE_LIMITED))
        world.add(token(error=ErrorKind.RATE_LIMITED))
        world.second(65.4)
        line = progress_line(collector)
        assert line.startswith("   65 s    12 talkers      6 turns  E2E p50 ")
        assert "3 timeout, 2 rate_limited  tester: " in line
        world.state.cpu_s = 32.7
        world.state.send_lateness.add(0.0015)
        world.report()
        assert progress_line(collector).endswith("tester: 50 % of a core, sends late p99 1.5 ms")
        assert "\n" not in line


def test_progress_is_printed_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("reporting.console.PERIOD_S", 0.01)
    with collecting(tmp_path) as (collector, world):
        world.talkers = 4
        world.report()
        printing = gevent.spawn(print_progress, collector)
        gevent.sleep(0.2)
        printing.kill()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 2
    assert all("   4 talkers" in line for line in lines)


def test_the_end_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with collecting(tmp_path) as (_, world):
        done = world.finish()
    print_finished(done)
    out = capsys.readouterr().out
    assert done.summary in out
    assert out.endswith(f"Run folder: {done.path}\n{done.verdict}\n")
    print_finished(done, done.path / "report.html")
    assert capsys.readouterr().out.endswith(f"Run folder: {done.path}\nReport: {done.path / 'report.html'}\n{done.verdict}\n")


def test_the_stage_that_is_under_way(tmp_path: Path) -> None:
    with collecting(tmp_path, IN_STAGES) as (collector, world):
        for t_s, name in ((0.0, "few"), (9.99, "few"), (10.0, "many"), (19.0, "many")):
            world.t_s = t_s
            assert collector.stage == name
        world.finish()
        assert collector.stage == "", "it is over"


def test_a_step_of_a_search_is_a_stage_while_it_is_measured(tmp_path: Path) -> None:
    with collecting(tmp_path, SEARCH) as (collector, world):
        assert collector.stage == ""
        world.second(2.0)
        collector.begin_stage("step-1")
        world.state.memory_bytes = 5 * 10**6
        world.second(3.0)
        assert collector.stage == "step-1"
        collector.begin_stage("")
        world.second(4.0)
        assert collector.stage == ""
        assert collector.aggregate.trend("tester_memory_growth").count == 0


LOOKS = [
    Look(True, Reading(200e6, 0.5, 4.0, {"asr": Latency(0.1, 0.2)})),
    None,
    Look(False, Reading(), "it is gone"),
    Look(True, Reading(210e6, None, 0.0, {"asr": Latency(None, None)})),
]


def test_each_second_has_its_look_at_the_target(tmp_path: Path) -> None:
    looks = iter(LOOKS)
    facts = replace(FACTS, settle_s=2.0, latencies=("asr",))
    with collecting(tmp_path, facts) as (collector, world):
        collector._look = lambda: next(looks, None)
        world.talkers = 4
        for t_s, memory in ((1.0, 0), (2.0, 90 * 10**6), (3.0, 91 * 10**6), (4.0, 92 * 10**6)):
            world.state.memory_bytes = memory
            world.second(t_s)
        world.t_s = 5.0
        rows = timeline(world.finish())
    assert [row["target_up"] for row in rows] == [True, None, False, True, None]
    assert [row["target_memory_bytes"] for row in rows] == [200_000_000, None, None, 210_000_000, None]
    assert [row["target_cpu_share"] for row in rows] == [0.5, None, None, None, None]
    assert [row["target_sessions"] for row in rows] == [4, None, None, 0, None]
    assert [row["target_memory_per_session_bytes"] for row in rows] == [50e6, None, None, None, None]
    assert [(row["target_asr_s"], row["target_asr_p95_s"]) for row in rows] == [(0.1, 0.2), *[(None, None)] * 4]
    assert [row["tester_memory_bytes"] for row in rows] == [None, 90_000_000, 91_000_000, 92_000_000, 92_000_000]
    assert [row["settled"] for row in rows] == [False, False, True, True, True], "two seconds after the fourth talker came"
    whole = collector.aggregate
    assert (whole.ratio("target_availability").value, whole.ratio("target_availability").count) == (pytest.approx(2 / 3), 3)
    assert whole.histogram("target_memory").count == 2
    assert whole.trend("target_memory_growth").count == 1, "what was sampled before the load had settled does not count"
    assert whole.trend("tester_memory_growth").count == 3


def test_calls_that_were_due_and_those_that_began(tmp_path: Path) -> None:
    with collecting(tmp_path) as (collector, world):
        collector._due = lambda t_s: int(t_s * 4)
        for t_s, begun in ((1.0, 2), (2.0, 7), (3.0, 12)):
            world.state.calls_begun = begun
            world.second(t_s)
        collector.end_load()
        world.state.calls_begun = 13
        world.second(4.0)
        collector.end_load()
        world.t_s = 5.0
        done = world.finish()
    rows = timeline(done)
    assert [row["calls_due"] for row in rows] == [4, 4, 4, 0, 0], "none when the load has ended"
    assert [row["calls_begun"] for row in rows] == [2, 5, 5, 0, 0], "no more than were due until then"
    calls = collector.aggregate.ratio("calls_begun")
    assert (calls.numerator, calls.denominator, calls.count) == (12, 12, 3)


def test_no_call_is_due_where_arrivals_are_not_open(tmp_path: Path) -> None:
    with collecting(tmp_path) as (collector, world):
        world.second(1.0)
        rows = timeline(world.finish())
    assert [(row["calls_due"], row["calls_begun"]) for row in rows] == [(None, None)] * 2
    assert collector.aggregate.ratio("calls_begun").count == 0


HOPELESS = replace(
    FACTS,
    scenario=Scenario.model_validate({"name": "x", "abort": {"unless": ["success > 50 %"], "grace_s": 2}}).model_dump(mode="json"),
)


@pytest.mark.parametrize("load_ended", [False, True])
def test_a_run_is_given_up_while_its_load_goes_on(tmp_path: Path, load_ended: bool) -> None:
    given_up: list[float] = []
    with collecting(tmp_path, HOPELESS) as (collector, world):
        collector._give_up = lambda: given_up.append(world.t_s)
        world.add(turn(None, outcome=Outcome.NO_RESPONSE, error_kind=ErrorKind.TIMEOUT))
        world.second(1.0)
        if load_ended:
            collector.end_load()
        world.second(2.0)
        world.second(3.0)
        done = world.finish()
    assert given_up == ([] if load_ended else [2.0])
    assert done.run["ended"] == ("complete" if load_ended else "aborted")


def test_turns_that_the_tester_broke_itself_have_not_failed_in_their_second(tmp_path: Path) -> None:
    broken = [turn(None, outcome=Outcome.CONNECTION_LOST, error_kind=kind) for kind in (ErrorKind.CHAOS, ErrorKind.NETWORK)]
    with collecting(tmp_path) as (_, world):
        world.add(turn(), *broken, turn(None, outcome=Outcome.CONNECTION_LOST, error_kind=ErrorKind.REMOTE_CLOSE))
        world.second(1.0)
        first, _ = timeline(world.finish())
    assert (first["turns"], first["failures"], first["errors"]) == (4, 1, 3)


def test_the_load_has_settled_when_it_has_not_been_higher_for_a_while(tmp_path: Path) -> None:
    with collecting(tmp_path, replace(FACTS, settle_s=2.0)) as (_, world):
        for t_s, talkers in enumerate((0, 2, 2, 2, 3, 1, 3, 3), 1):
            world.talkers = talkers
            world.second(float(t_s))
        rows = timeline(world.finish())
    assert [row["settled"] for row in rows[:8]] == [False, False, False, True, False, False, True, True]
