"""The aggregate of a stream of records: merging, travelling, counting, columns."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_script import record, session, token, turn

from metrics.aggregate import Aggregate, metric_columns
from metrics.catalog import METRICS, of
from metrics.records import BargeInClass, ErrorKind, Outcome, Record, SessionOutcome, SessionRecord, TokenRecord, TurnKind, TurnRecord

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(0, 9),
    "float": st.floats(0, 20),
    "bool": st.booleans(),
    "str": st.just("x"),
    "TurnKind": st.sampled_from(TurnKind),
    "Outcome": st.sampled_from(Outcome),
    "SessionOutcome": st.sampled_from(SessionOutcome),
    "BargeInClass": st.sampled_from(BargeInClass),
    "ErrorKind": st.sampled_from(ErrorKind),
}


def field_of(name: str, kind: str) -> st.SearchStrategy[Any]:
    base, _, optional = kind.partition(" | ")
    strategy = st.integers(0, 40_000_000_000) if name.endswith("_ns") else VALUES[base]
    return st.none() | strategy if optional else strategy


def records_of(record_type: type) -> st.SearchStrategy[Record]:
    return st.builds(record_type, **{f.name: field_of(f.name, str(f.type)) for f in fields(record_type)})


STREAMS = st.lists(st.one_of(records_of(TurnRecord), records_of(SessionRecord), records_of(TokenRecord)), max_size=8)


def added(records: list[Record]) -> Aggregate:
    made = Aggregate()
    for one in records:
        made.add(one)
    return made


def same(a: Aggregate, b: Aggregate) -> None:
    assert +a.counts == +b.counts
    for name in METRICS:
        assert a.values[name] == b.values[name], name


@settings(max_examples=60, deadline=None)
@given(STREAMS, STREAMS)
def test_merging_equals_adding_all_records(a: list[Record], b: list[Record]) -> None:
    merged = added(a)
    merged.merge(added(b))
    same(merged, added(a + b))


@settings(max_examples=40, deadline=None)
@given(STREAMS)
def test_a_round_trip_keeps_everything(records: list[Record]) -> None:
    whole = added(records)
    same(Aggregate.from_plain(json.loads(json.dumps(whole.to_plain()))), whole)
    same(Aggregate.from_plain(msgpack.unpackb(msgpack.packb(whole.to_plain()))), whole)


def test_metrics_of_another_catalogue_are_refused() -> None:
    with pytest.raises(ValueError, match="catalogue version 0; this is version"):
        Aggregate.from_plain({**Aggregate().to_plain(), "catalog_version": 0})


def test_counts() -> None:
    whole = added(
        [
            turn(outcome=Outcome.COMPLETED),
            turn(outcome=Outcome.NO_RESPONSE, error_kind=ErrorKind.TIMEOUT),
            turn(TurnKind.BARGE_IN, Outcome.COMPLETED),
            turn(TurnKind.FALSE_ALARM, Outcome.CONTINUED),
            session(SessionOutcome.LOST, error_kind=ErrorKind.REMOTE_CLOSE),
            token(error_kind=ErrorKind.AUTH),
            token(error_kind=ErrorKind.REMOTE_CLOSE),
        ]
    )
    assert whole.turns() == 3, "a false alarm is owed no answer"
    assert whole.turns(TurnKind.FALSE_ALARM) == 1
    assert whole.turns(outcome=Outcome.COMPLETED) == 2
    assert whole.turns(TurnKind.BARGE_IN, Outcome.NO_RESPONSE) == 0
    assert whole.counts["tokens"] == 2
    assert whole.counts["sessions.connection_lost"] == 1
    assert list(whole.errors().items()) == [("remote_close", 2), ("auth", 1), ("timeout", 1)]


def test_histogram_and_ratio_by_name() -> None:
    empty = Aggregate()
    assert empty.histogram("e2e_latency").count == empty.ratio("success").count == 0
    with pytest.raises(TypeError, match="success is a ratio"):
        empty.histogram("success")
    with pytest.raises(TypeError, match="e2e_latency is a distribution"):
        empty.ratio("e2e_latency")
    with pytest.raises(KeyError):
        empty.histogram("unheard_of")


@pytest.mark.parametrize("record_type", [TurnRecord, SessionRecord, TokenRecord])
def test_columns_of_a_run_file(record_type: type) -> None:
    """Every metric that one record can tell has a column of its own or is a field of the record; seconds say so in their name."""
    kind = {"kind": TurnKind.UTTERANCE, "outcome": Outcome.COMPLETED} if record_type is TurnRecord else {}
    columns = metric_columns(record(record_type, **kind))
    known = {f.name for f in fields(record_type)}
    assert not set(columns) & known
    told = {m.name + "_s" * (m.unit == "s") for m in of(record_type) if not m.summed}
    assert told - known == set(columns)


def test_values_of_columns() -> None:
    answered = metric_columns(turn(speech_offset=1.0, first_audible=1.6, chunks=1, audio_s=3.0, underrun_s=1.0))
    assert answered["e2e_latency_s"] == pytest.approx(0.6)
    assert (answered["success"], answered["continuity"], answered["yield_rate"]) == (1.0, 0.75, None)
    reconnected = metric_columns(session(reconnect=True, lost_ns=0, ready_ns=10**9, closed_ns=1_801_000_000_000, down_s=1.0))
    assert "reconnects_per_hour" not in reconnected
    assert (reconnected["automatic_recovery_rate"], reconnected["availability"]) == (1.0, pytest.approx(1800 / 1801))
