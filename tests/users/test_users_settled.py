"""A session that is over leaves no circle of references: the collector, which would hold the talkers up, is not needed."""

from __future__ import annotations

import gc
import inspect
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from users_assistants import Assistant, a_run
from users_peers import Peer, Script, served, until
from websocket import WebSocket

from metrics.records import SessionOutcome, TurnKind
from protocol import Grant
from users.channel import Channel
from users.errors import RemoteError
from users.run import Run
from users.session import Session
from users.settled import settle, unsettle


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
        session.open(Grant())
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
        left = [kept for kept in gc.get_objects() if isinstance(kept, Channel | WebSocket)]
        assert left == [], "what performed the handshake is freed, too"


def test_while_it_is_settled_only_what_is_new_is_looked_at_often() -> None:
    looked: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            looked.append(info["generation"])

    class Circle:
        def __init__(self) -> None:
            self.me = self

    gc.callbacks.append(note)
    try:
        settle()
        looked.clear()
        assert gc.get_freeze_count() > 1000
        assert not gc.isenabled(), "nothing but the sweep makes it look"
        fresh = weakref.ref(Circle())
        until(lambda: len(looked) >= 5)
        assert set(looked) == {0}
        assert fresh() is None
        unsettle()
        assert gc.isenabled()
        seen = len(looked)
        gc.disable()
        gevent.sleep(0.1)
        assert len(looked) == seen, "the sweep has ended"
    finally:
        gc.callbacks.remove(note)
        unsettle()
        gc.unfreeze()


def test_settling_makes_room_for_every_descriptor_that_there_may_be() -> None:
    """In a process of its own: the kernel's table never shrinks."""
    script = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (1000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from users.settled import settle
size = lambda: int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("FDSize:")))
before = size()
settle()
print(before, size())
"""
    before, after = map(int, subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout.split())
    assert before < 1000 <= after


def test_who_ends_the_load_waits_for_no_files_to_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust's runner asks from where it is stopped, while talkers finish their turns."""
    inspect.modulesbyfile.clear()
    settle()
    unsettle()
    looked: list[str] = []
    real = os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda path: looked.append(path) or real(path))  # type: ignore[func-returns-value]  # it notes
    inspect.stack()
    assert len(looked) < 10, "over a thousand where nobody has asked before"
