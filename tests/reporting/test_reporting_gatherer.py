"""The gatherer: its batches add up to what it was given, and each holds what came since the one before."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting_local import Player
from reporting_records import FACTS, TYPES, any_record, session, token, turn

from metrics.aggregate import Aggregate
from metrics.health import Health
from metrics.records import ErrorKind, Record, SessionRecord
from reporting.batch import Batch
from reporting.live import LATEST
from reporting.tables import RECORDS, schema


def rows(batch: Batch, name: str) -> list[dict[str, Any]]:
    found = [pa.ipc.read_record_batch(pa.py_buffer(message), schema(RECORDS[name])) for message in batch.tables.get(name, [])]
    return [row for part in found for row in part.to_pylist()]


Second = tuple[list[Record], list[float], int]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.lists(any_record(), max_size=4), st.lists(st.floats(0, 10), max_size=3), st.integers(0, 9)), max_size=4))
def test_batches_add_up_to_what_was_given(seconds: list[Second]) -> None:
    player = Player("w-1")
    whole, merged, known = Aggregate(), Aggregate(), Health()
    for i, (records, lateness, talkers) in enumerate(seconds):
        player.talkers, player.state.cpu_s, player.state.wall_s = talkers, 0.25 * i, float(i)
        for record in records:
            player.gatherer.on_record(record)
            whole.add(record)
        for value in lateness:
            player.state.send_lateness.add(value)
            player.state.loop_lag.add(value / 2)
        batch = player.gatherer.batch()
        assert (batch.seq, batch.talkers, batch.last) == (i + 1, talkers, False)
        assert batch.health.send_lateness.count == batch.health.loop_lag.count == len(lateness)
        assert {name: len(rows(batch, name)) for name in RECORDS} == {
            name: sum(isinstance(record, kind) for record in records) for name, kind in RECORDS.items()
        }
        assert all(row["worker"] == "w-1" for name in RECORDS for row in rows(batch, name))
        merged.merge(batch.aggregate)
        known.advance(batch.health)
    assert merged.to_plain() == whole.to_plain()
    assert known.send_lateness == player.state.send_lateness
    assert known.loop_lag == player.state.loop_lag
    assert (known.cpu_s, known.wall_s) == (player.state.cpu_s, player.state.wall_s)
    dropped = sum(record.frames_dropped for records, _, _ in seconds for record in records if isinstance(record, SessionRecord))
    assert known.frames_dropped == dropped


def test_the_last_has_no_talkers() -> None:
    player = Player()
    player.talkers = 5
    assert player.gatherer.batch().talkers == 5
    last = player.gatherer.batch(last=True)
    assert (last.talkers, last.last, last.seq, last.tables) == (0, True, 2, {})


def test_a_record_that_cannot_be_kept_is_counted_as_lost(caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        """No record that there is."""

    player = Player()
    player.gatherer.on_record(Odd())  # type: ignore[arg-type]  # as a listener of an event may be given
    player.gatherer.on_record(session(silence_duration_ms=2**70))
    player.gatherer.on_record(session(frames_dropped=2))
    batch = player.gatherer.batch()
    assert "could not be kept" in caplog.text
    assert (batch.health.records_lost, batch.health.frames_dropped) == (2, 2)
    assert len(rows(batch, "sessions")) == 1
    assert player.gatherer.batch().health.records_lost == 2, "of the run so far"
    assert player.state.records_lost == 0, "what it was told of is left as it was"


def test_failures_are_those_since_the_last_batch_and_the_latest_of_them() -> None:
    t_s = 0.0
    player = Player("w-1", lambda: FACTS.started_ns + round(t_s * 1e9))
    for number in range(LATEST + 5):
        t_s = number / 10
        player.gatherer.add(turn(None, talker=number, error_kind=ErrorKind.TIMEOUT))
        player.gatherer.add(turn(0.5))
    told = player.gatherer.batch().failures
    assert [failure.talker for failure in told] == list(range(5, LATEST + 5))
    assert (told[-1].t_s, told[-1].worker, told[-1].kind) == (t_s, "w-1", "timeout")
    player.gatherer.add(token(error=ErrorKind.RATE_LIMITED))
    assert [failure.kind for failure in player.gatherer.batch().failures] == ["rate_limited"]
    assert player.gatherer.batch().failures == []


def test_the_clock_is_the_last_turns() -> None:
    player = Player()
    assert player.gatherer.batch().clock is None
    player.gatherer.add(turn(clock="user"))
    player.gatherer.add(turn(clock="kernel"))
    player.gatherer.add(session(clock="user"))
    assert [player.gatherer.batch().clock for _ in range(2)] == ["kernel", "kernel"]


def test_every_record_has_a_table() -> None:
    assert set(RECORDS.values()) == set(TYPES)
