"""What a network profile did is in the records, apart from what the assistant did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from users_assistants import Assistant, a_run, locust_running
from users_peers import Peer, served, until

from metrics.catalog import METRICS
from metrics.records import ErrorKind, Outcome, SessionOutcome, SessionRecord, TurnKind
from protocol import Grant
from scenarios.network import Network, fate
from users.clock import now_ns
from users.errors import RemoteError
from users.session import Session
from users.talker import Talker

SLOW = {"delay_ms": 60, "jitter_ms": {"uniform": [0, 20]}, "up_kbit_s": 2000, "down_kbit_s": 2000}


def conversed(
    folder: Path, network: dict[str, Any] | None, script: Callable[[Assistant], None], **limits: Any
) -> tuple[Session, SessionRecord]:
    """One utterance on a session behind this network, and what came of it."""

    def converse(peer: Peer) -> None:
        assistant = Assistant(peer).ready()
        script(assistant)
        assistant.until_gone()

    scenario: dict[str, Any] = {"limits": {"setup_s": 20, **limits}}
    if network is not None:
        scenario |= {"networks": {"mine": network}, "network": {"mine": 1.0}}
    with served(converse) as server:
        session = Session(a_run(server.host, folder, scenario), 0, 0, None)
        session.open(Grant())
        error = None
        try:
            session.speak(TurnKind.UTTERANCE, 0, session._run.prepared.clip(session._run.planner.turn(0, 0).utterance))

            def over() -> bool:
                session.check()
                session.tracker.poll(now_ns())
                return bool(session.turns)

            until(over)
            session.hang_up()
            outcome = SessionOutcome.HUNG_UP
        except RemoteError as failed:
            outcome, error = SessionOutcome.LOST, failed
        record = session.close(outcome, error)
        assert session._run.faults.count == 0
    return session, record


def within(seconds: float, name: str) -> dict[str, float]:
    """A profile that does this to the first session of talker 0 after so many seconds."""
    of_one_per_s = fate(1, 0, 0, Network.model_validate({name: 3600}))
    return {name: 3600 * (of_one_per_s.reset_s or of_one_per_s.half_open_s or 0.0) / seconds}


def answering(assistant: Assistant) -> None:
    assistant.utterance("u0", "hello")
    assistant.answer("r0", 2.0)


def test_whose_delay_it_is(tmp_path: Path) -> None:
    session, record = conversed(tmp_path, SLOW, answering)
    (turn,) = session.turns
    assert (turn.outcome, turn.network) == (Outcome.COMPLETED, "mine")
    assert (turn.audio_s, turn.chunks) == (pytest.approx(2.0), 20), "all of the answer is heard"
    assert turn.network_up_s is not None
    assert turn.network_down_s is not None
    assert 0.06 <= turn.network_up_s < 0.12
    assert 0.06 <= turn.network_down_s < 0.5
    assert turn.uplink_network_s is not None
    assert turn.downlink_network_s is not None
    assert 0 < turn.uplink_network_s - turn.network_up_s < 0.05
    assert 0 < turn.downlink_network_s - turn.network_down_s < 0.05
    both = turn.network_up_s + turn.network_down_s
    assert METRICS["network_delay"].measure(turn) == pytest.approx(both)
    assert METRICS["assistant_latency"].measure(turn) == pytest.approx(METRICS["e2e_latency"].measure(turn) - both)
    assert turn.send_lateness_max_s is not None
    assert turn.send_lateness_max_s < turn.network_up_s, "the network's delay is not the tester's lateness"
    instants = [turn.response_created_ns, turn.first_audio_ns, turn.last_audio_ns, turn.response_done_ns]
    assert instants == sorted(instants, key=lambda t: t or 0)
    assert (turn.last_audio_ns or 0) - (turn.first_audio_ns or 0) > 19 * 6400 * 8 / 2000 * 1e6, "at the bandwidth"
    assert (record.network, record.network_losses, record.network_stalls, record.network_stalled_s) == ("mine", 0, 0, 0.0)
    assert (record.network_reset, record.network_half_open, record.network_frames_lost) == (False, False, 0)
    assert record.connect_s is not None
    assert record.connect_s >= 0.12
    assert record.frames_dropped == 0


def test_without_a_profile_nothing_is_said_of_one(tmp_path: Path) -> None:
    session, record = conversed(tmp_path, None, answering)
    (turn,) = session.turns
    assert (turn.network, turn.network_up_s, turn.network_down_s) == (None, None, None)
    assert METRICS["network_delay"].measure(turn) is METRICS["assistant_latency"].measure(turn) is None
    assert (record.network, record.network_losses, record.network_reset) == (None, None, None)


def test_a_profile_that_emulates_nothing_costs_nothing_and_is_named(tmp_path: Path) -> None:
    session, record = conversed(tmp_path, {}, answering)
    (turn,) = session.turns
    assert (turn.network, turn.network_up_s, turn.network_down_s) == ("mine", 0.0, 0.0)
    assert (record.network, record.network_losses, record.network_reset) == ("mine", 0, False)
    assert session._network is not None
    assert session._network.path is None


def test_a_half_open_connection_is_not_the_assistants_failure(tmp_path: Path) -> None:
    session, record = conversed(tmp_path, within(0.4, "half_open_per_hour"), answering, response_s=1)
    (turn,) = session.turns
    assert (turn.outcome, turn.error_kind) == (Outcome.NO_RESPONSE, ErrorKind.NETWORK)
    assert turn.error == "nothing passes any more: the talker's own network profile mine left the connection half-open"
    assert (record.network_half_open, record.network_reset) == (True, False)
    assert record.network_frames_lost


def test_a_reset_is_not_the_assistants_failure(tmp_path: Path) -> None:
    session, record = conversed(tmp_path, within(0.4, "resets_per_hour"), lambda assistant: assistant.until_gone(), response_s=20)
    assert (record.outcome, record.error_kind) == (SessionOutcome.LOST, ErrorKind.NETWORK)
    assert record.error == "connection reset by the talker's own network profile mine"
    assert record.network_reset is True
    (turn,) = session.turns
    assert (turn.outcome, turn.error_kind, turn.error) == (Outcome.CONNECTION_LOST, ErrorKind.NETWORK, record.error)


def test_a_failure_of_the_assistant_stays_its_own(tmp_path: Path) -> None:
    session, _ = conversed(tmp_path, SLOW, lambda assistant: assistant.until_gone(), response_s=1)
    (turn,) = session.turns
    assert (turn.outcome, turn.error_kind) == (Outcome.NO_RESPONSE, ErrorKind.TIMEOUT)


def test_each_session_of_a_talker_has_a_fate_of_its_own_the_same_in_each_run(tmp_path: Path) -> None:
    """A talker whose connections are reset calls again, and its sessions are drawn by their numbers."""
    scenario = {"networks": {"mine": {"resets_per_hour": 7200}}, "network": {"mine": 1.0}, "conversation": {"turns": 99}}

    def converse(peer: Peer) -> None:
        Assistant(peer).ready().until_gone()

    with served(converse) as server:
        run = a_run(server.host, tmp_path, scenario)
        with locust_running(run, Talker, stop_timeout=1) as (_, heard):
            until(lambda: len(heard.sessions) >= 3)
        records: list[SessionRecord] = heard.sessions[:3]
        planned = [emulation._fate.reset_s for n in range(3) if (emulation := run.emulation(0, n)) is not None]
    lasted = [(r.closed_ns - (r.ready_ns or r.started_ns)) / 1e9 for r in records]
    assert len(set(planned)) == 3
    for seconds, reset_s, record in zip(lasted, planned, records, strict=True):
        assert record.error_kind is ErrorKind.NETWORK
        assert reset_s is not None
        assert seconds == pytest.approx(reset_s, abs=0.25)
