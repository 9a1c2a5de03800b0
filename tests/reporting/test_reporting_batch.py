"""A batch as a message carries it is the batch that was made."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting_local import Player, travelled
from reporting_records import any_record, turn

from metrics.records import ErrorKind, Record
from reporting.batch import Batch


@settings(max_examples=60)
@given(st.lists(any_record(), max_size=6), st.lists(st.floats(0, 10), max_size=4), st.integers(0, 10_000), st.booleans())
def test_it_travels_unchanged(records: list[Record], lateness: list[float], talkers: int, last: bool) -> None:
    player = Player("worker-3")
    player.talkers, player.state.cpu_s = talkers, 0.1
    for value in lateness:
        player.state.send_lateness.add(value)
    for record in records:
        player.gatherer.on_record(record)
    batch = player.gatherer.batch(last)
    back = Batch.from_plain(travelled(batch.to_plain()))
    assert back == batch
    assert back.to_plain() == batch.to_plain()


def test_what_it_tells() -> None:
    plain = Player("worker-3").plain(
        turn(None, talker=4, error_kind=ErrorKind.TIMEOUT, error="no answer", clock="user"), turn(clock="kernel")
    )
    assert (plain["seq"], plain["talkers"], plain["clock"], plain["last"]) == (1, 0, "kernel", False)
    assert plain["failures"] == [{"t_s": 0.0, "worker": "worker-3", "talker": 4, "kind": "timeout", "text": "no answer"}]
    assert list(plain["tables"]) == ["turns"]


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Batch)])
def test_one_that_lacks_something_is_refused(field: str) -> None:
    plain: dict[str, Any] = Player().plain(turn())
    del plain[field]
    with pytest.raises(KeyError, match=field):
        Batch.from_plain(plain)


def test_one_of_another_version_is_refused() -> None:
    plain = Player().plain(turn())
    plain["aggregate"]["catalog_version"] += 1
    with pytest.raises(ValueError, match="catalogue version"):
        Batch.from_plain(plain)
