"""Records in Locust's own statistics: no time that was not measured, and names that cannot multiply."""

from __future__ import annotations

from typing import Any

from locust.env import Environment
from locust.event import Events

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting_records import any_record, session, token, turn

from metrics.records import ErrorKind, Outcome, Record, SessionOutcome, SessionRecord, TokenRecord, TurnKind, TurnRecord
from reporting import locust_stats

LISTENERS = {TurnRecord: locust_stats.on_turn, SessionRecord: locust_stats.on_session, TokenRecord: locust_stats.on_token}


def told(*records: Record) -> tuple[list[dict[str, Any]], Environment]:
    """What Locust was told of, and its environment with the statistics."""
    environment = Environment(events=Events())
    environment.create_local_runner()
    fired: list[dict[str, Any]] = []
    environment.events.request.add_listener(lambda **kw: fired.append(kw))
    for record in records:
        LISTENERS[type(record)](environment, record)
    return fired, environment


def test_an_answered_turn() -> None:
    (one,), environment = told(turn(0.5))
    assert (one["request_type"], one["name"], one["response_time"], one["response_length"]) == ("TURN", "utterance", 500.0, 3)
    assert one["exception"] is None
    entry = environment.stats.get("utterance", "TURN")
    assert (entry.num_requests, entry.num_failures, entry.min_response_time, entry.max_response_time) == (1, 0, 500.0, 500.0)


def test_an_answer_before_the_end_of_the_question() -> None:
    (one,), _ = told(turn(-0.12))
    assert one["response_time"] == pytest.approx(-120.0)


def test_a_turn_without_an_answer_has_no_time() -> None:
    (one,), environment = told(turn(None, outcome=Outcome.NO_RESPONSE))
    assert one["response_time"] is None
    entry = environment.stats.get("utterance", "TURN")
    assert (entry.num_requests, entry.num_failures, entry.num_none_requests) == (1, 1, 1)
    assert entry.min_response_time is None
    assert entry.total_response_time == 0


@pytest.mark.parametrize("outcome", [o for o in Outcome if o not in (Outcome.COMPLETED, Outcome.INTERRUPTED, Outcome.CUT_BY_RUN_END)])
def test_failures_are_counted_by_outcome(outcome: Outcome) -> None:
    fired, environment = told(*[turn(0.4, outcome=outcome, error=f"detail {i}") for i in range(5)])
    assert [repr(f["exception"]) for f in fired] == [outcome.value] * 5
    (error,) = environment.stats.errors.values()
    assert (repr(error.error), error.occurrences) == (outcome.value, 5)


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.INTERRUPTED])
@pytest.mark.parametrize("kind", [TurnKind.UTTERANCE, TurnKind.BARGE_IN])
def test_successes(outcome: Outcome, kind: TurnKind) -> None:
    (one,), _ = told(turn(0.4, outcome=outcome, kind=kind))
    assert (one["name"], one["exception"]) == (kind.value, None)


def test_what_is_owed_no_answer_is_not_told() -> None:
    assert told(turn(kind=TurnKind.FALSE_ALARM, outcome=Outcome.CONTINUED), turn(outcome=Outcome.CUT_BY_RUN_END))[0] == []


def test_sessions() -> None:
    (good,), _ = told(session())
    assert (good["request_type"], good["name"], good["response_time"], good["exception"]) == ("WS", "session", 250.0, None)
    (lost,), _ = told(session(outcome=SessionOutcome.LOST, error_kind=ErrorKind.REMOTE_CLOSE))
    assert (lost["response_time"], repr(lost["exception"])) == (250.0, "remote_close")
    (refused,), _ = told(session(ready_ns=None, outcome=SessionOutcome.REFUSED, error_kind=ErrorKind.CONNECT, error="some detail"))
    assert (refused["response_time"], repr(refused["exception"])) == (None, "connect")
    assert told(session(ready_ns=None, outcome=SessionOutcome.CUT_BY_RUN_END))[0] == []


def test_tokens() -> None:
    fired, _ = told(token(0.1), token(2.0, ErrorKind.RATE_LIMITED))
    assert [(f["request_type"], f["name"], f["response_time"]) for f in fired] == [("HTTP", "token", 100.0), ("HTTP", "token", 2000.0)]
    assert [f["exception"] and repr(f["exception"]) for f in fired] == [None, "rate_limited"]


@settings(max_examples=40)
@given(st.lists(any_record(), max_size=6))
def test_names_are_few_and_nothing_is_invented(records: list[Record]) -> None:
    fired, environment = told(*records)
    assert {(f["request_type"], f["name"]) for f in fired} <= {
        ("TURN", "utterance"),
        ("TURN", "barge_in"),
        ("WS", "session"),
        ("HTTP", "token"),
    }
    known = {o.value for o in Outcome} | {k.value for k in ErrorKind}
    for one in fired:
        assert one["exception"] is None or repr(one["exception"]) in known
        assert type(one["response_length"]) is int
    timed = [f["response_time"] for f in fired if f["response_time"] is not None]
    total = environment.stats.total
    assert total.num_requests == len(fired)
    assert total.num_none_requests == len(fired) - len(timed)
    assert total.total_response_time == pytest.approx(sum(timed))


@pytest.mark.parametrize(
    ("ms", "counted"),
    [(0.4, 0), (147.4, 147), (1234.6, 1235), (9_999.4, 9_999), (12_347.0, 12_350), (99_994.0, 99_990), (123_456.0, 123_500)],
)
def test_times_are_counted_to_the_millisecond(monkeypatch: pytest.MonkeyPatch, ms: float, counted: int) -> None:
    monkeypatch.setattr("locust.stats.bucket_response_time", None)
    locust_stats.count_milliseconds()
    _, environment = told(turn(ms / 1000))
    assert dict(environment.stats.get("utterance", "TURN").response_times) == {counted: 1}
