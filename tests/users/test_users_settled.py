"""A session that is over leaves no circle of references: the collector, which would hold the talkers up, is not needed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from users_assistants import Assistant, a_run
from users_peers import Peer, Script, served, until

from metrics.records import SessionOutcome, TurnKind
from users.errors import RemoteError
from users.run import Run
from users.session import Session
from users.settled import settle


@pytest.fixture(autouse=True)
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def converse(peer: Peer) -> None:
    Assistant(peer).converse(1)


def lost(peer: Peer) -> None:
    assistant = Assistant(peer).ready()
    assistant.utterance("u", "hello")
    assistant.begin("r", 0.2)
    peer.reset()


def refuse(peer: Peer) -> None:
    peer.accept()
    peer.tell(type="error", error={"message": "no"})
    peer.drain()


def call(run: Run, speaks: bool) -> list[weakref.ref[object]]:
    """A session from its start to its end; what is left of it is looked at from outside."""
    session = Session(run, 0, 0, None)
    error: RemoteError | None = None
    try:
        session.open(None)
        if speaks:
            session.speak(TurnKind.UTTERANCE, 0, run.prepared.clip(run.planner.turn(0, 0).utterance))
            while session.tracker.answer is None or session.tracker.answer.done_ns is None:
                session.check()
                gevent.sleep(0.002)
        session.check()
        session.hang_up()
    except RemoteError as raised:
        error = raised.with_traceback(None)
    session.close(SessionOutcome.LOST if error else SessionOutcome.HUNG_UP, error)
    return [weakref.ref(part) for part in (session, session._dialect)]


@pytest.mark.parametrize(("script", "speaks"), [(converse, True), (converse, False), (lost, True), (refuse, False)])
def test_a_session_is_freed_at_its_end(script: Script, speaks: bool, tmp_path: Path) -> None:
    with served(script) as server:
        run = a_run(server.host, tmp_path)
        parts = call(run, speaks)
        until(lambda: run.pacer._instants == [])  # the microphone's last due instant has passed
        assert [part() for part in parts] == [None, None]


def test_settling_leaves_what_is_there_out_of_the_collectors_sight() -> None:
    thresholds = gc.get_threshold()
    try:
        settle()
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold()[0] > thresholds[0]
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
