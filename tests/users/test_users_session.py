"""A session by itself: how it comes about or does not, and what it counts."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from users_assistants import TONE, Assistant, a_run
from users_peers import Peer, Script, served, until
from websockets.frames import Opcode

from metrics.records import ErrorKind, Outcome, SessionOutcome, TurnKind
from metrics.tracker import Tracker
from protocol import Grant, encode
from protocol import Opcode as OurOpcode
from users.clock import now_ns
from users.errors import LocalError, RemoteError
from users.session import Session


def refused(script: Script, folder: Path, limit_s: float = 20.0) -> tuple[RemoteError, Session]:
    with served(script) as server:
        session = Session(a_run(server.host, folder, {"limits": {"setup_s": limit_s}}), 4, 2, None)
        with pytest.raises(RemoteError) as caught:
            session.open(Grant("s3cret"))
        assert not session.ready
        record = session.close(SessionOutcome.REFUSED, caught.value)
        assert (record.talker, record.call, record.outcome, record.ready_ns) == (4, 2, SessionOutcome.REFUSED, None)
        assert (record.error_kind, record.error) == (caught.value.kind, str(caught.value))
        assert record.closed_ns >= record.started_ns
        assert "s3cret" not in repr(record)
    return caught.value, session


def saying(*messages: dict[str, Any]) -> Script:
    def script(peer: Peer) -> None:
        peer.accept()
        for message in messages:
            peer.tell(**message)
        peer.drain()

    return script


CREATED = {"type": "session.created", "session": {"id": "s"}}
UPDATED = {"type": "session.updated", "session": {}}


@pytest.mark.parametrize("told", [(), (CREATED,), (CREATED, {"type": "brand.new"}, {"type": "session.updated"})])
def test_never_ready(told: tuple[dict[str, Any], ...], tmp_path: Path) -> None:
    error, _ = refused(saying(*told), tmp_path, 0.3)
    assert (error.kind, str(error)) == (ErrorKind.TIMEOUT, "the session was not ready within 0.3 s")


@pytest.mark.parametrize(
    ("fault", "shown"), [({"code": "invalid_value", "message": "m"}, "invalid_value"), ({"message": "no " * 99}, ("no " * 33))]
)
def test_settings_refused(fault: dict[str, Any], shown: str, tmp_path: Path) -> None:
    error, _ = refused(saying(CREATED, {"type": "error", "error": fault}), tmp_path)
    assert (error.kind, str(error)) == (ErrorKind.PROTOCOL, f"the assistant refused the session's settings: {shown}")


def test_closed_before_it_was_ready(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(Opcode.CLOSE, (1013).to_bytes(2, "big") + b"later")
        peer.drain()

    error, session = refused(script, tmp_path)
    assert (error.kind, error.close_code) == (ErrorKind.REMOTE_CLOSE, 1013)
    assert session.close(SessionOutcome.REFUSED, error).close_code == 1013


@pytest.mark.parametrize("why", ["no such token: s3cret", "x" * 115 + "s3cret"])
def test_what_the_assistant_says_of_a_secret_is_not_kept(why: str, tmp_path: Path) -> None:
    def closes(peer: Peer) -> None:
        peer.accept()
        peer.send(Opcode.CLOSE, (1008).to_bytes(2, "big") + why.encode())
        peer.drain()

    shown = why.replace("s3cret", "***")
    error, _ = refused(closes, tmp_path)
    assert str(error) == f"closed by the assistant: code 1008, {shown}"
    for fault in ({"code": why, "message": "m"}, {"message": why}):
        error, _ = refused(saying(CREATED, {"type": "error", "error": fault}), tmp_path)
        assert shown.startswith(str(error).removeprefix("the assistant refused the session's settings: "))


@pytest.mark.parametrize(("grant", "said"), [("url", "ab12cd34"), ("token", "s3cret")])
def test_secrets_in_why_a_response_failed_and_a_session_closed(grant: str, said: str, tmp_path: Path) -> None:
    """A parameter that is called like a secret is one, however short."""

    def script(peer: Peer) -> None:
        assistant = Assistant(peer).ready()
        assistant.utterance("u0")
        assistant.begin("r0", 0.1)
        assistant.done("r0", "failed", f"no credit: {said}")
        peer.send(Opcode.CLOSE, (1008).to_bytes(2, "big") + f"token {said} expired".encode())
        peer.drain()

    with served(script) as server:
        session = Session(a_run(server.host, tmp_path), 0, 0, None)
        session.open(Grant("s3cret") if grant == "token" else Grant(url=f"ws://localhost:{server.port}/ws?token={said}&rate=8"))
        session.speak(TurnKind.UTTERANCE, 0, session._run.prepared.clip(session._run.planner.turn(0, 0).utterance))
        with pytest.raises(RemoteError) as caught:
            until(lambda: session.check())
        record = session.close(SessionOutcome.LOST, caught.value)
    assert record.error == "closed by the assistant: code 1008, token *** expired"
    (turn,) = session.turns
    assert (turn.response_status, turn.response_reason, turn.error) == ("failed", "no credit: ***", "no credit: ***")


@pytest.mark.parametrize("says", [True, False])
def test_a_wire_that_is_ready_at_once_has_its_first_event_when_one_comes(says: bool, tmp_path: Path) -> None:
    spoke_ns: list[int] = []

    def script(peer: Peer) -> None:
        peer.accept()
        for _ in range(10):
            peer.receive()
        if says:
            spoke_ns.append(now_ns())
            peer.tell(type="status", mood="fine")
        peer.drain()

    with served(script) as server:
        session = Session(a_run(server.host, tmp_path, dialect="raw-pcm"), 0, 0, None)
        session.open(Grant())
        assert session.ready
        assert session._setup.ready_ns is not None
        assert session._setup.first_event_ns is None
        if says:
            until(lambda: session._wired.counted.unknown_events == 1)
            opened_ns = session.link.opening.opened_ns
        record = session.close(SessionOutcome.HUNG_UP)
    assert record.ready_ns is not None
    if says:
        assert record.first_event_s is not None
        assert record.first_event_s >= (spoke_ns[0] - opened_ns) / 1e9 > 0.1
    else:
        assert record.first_event_s is None


def test_refused_at_the_handshake(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        assert peer.read_request().headers["Authorization"] == "Bearer s3cret"
        peer.refuse("401 Unauthorized")

    error, session = refused(script, tmp_path)
    assert error.kind is ErrorKind.AUTH
    record = session.close(SessionOutcome.REFUSED, error)
    assert (record.connect_s, record.handshake_s, record.messages_sent, record.frames_sent) == (None, None, 0, 0)


def opened(script: Callable[[Assistant], None], folder: Path, act: Callable[[Session], None], **scenario: Any) -> Session:
    """A session that became ready; `act` is what the talker does with it."""

    def converse(peer: Peer) -> None:
        assistant = Assistant(peer).ready()
        script(assistant)
        assistant.until_gone()

    with served(converse) as server:
        session = Session(a_run(server.host, folder, scenario), 0, 0, None)
        session.open(Grant())
        assert session.ready
        try:
            act(session)
        finally:
            session.hang_up()
            session.record = session.close(SessionOutcome.HUNG_UP)
    return session


def test_what_is_unknown_malformed_or_benign_is_counted(tmp_path: Path) -> None:
    def script(assistant: Assistant) -> None:
        peer = assistant.peer
        peer.tell(type="brand.new.event")
        peer.tell(type="response.output_audio.delta", response_id="r", item_id="i", content_index=0, delta="AAA")
        peer.tell(type="response.output_audio.delta", response_id="r", item_id="i", content_index=0, delta="####")
        peer.text("{not json")
        peer.send(Opcode.BINARY, b"\xff\xfe")
        peer.send(Opcode.TEXT, b"\xff\xfe")
        peer.tell(type="error", error={"code": "response_cancel_not_active", "message": "m"})
        peer.tell(type="error", error={"code": "server_error", "message": "m"})
        peer.tell(type="rate_limits.updated", rate_limits=[{"name": "tokens", "remaining": 1}])
        peer.tell(type="brand.new.event.too")

    def act(session: Session) -> None:
        until(lambda: session._wired.counted.unknown_events == 2)
        session.check()

    record = opened(script, tmp_path, act).record
    assert (record.unknown_events, record.malformed_messages) == (2, 5)
    assert (record.benign_errors, record.assistant_errors, record.rate_limits_seen) == (1, 1, 1)
    assert record.messages_received == 2 + 10
    assert record.outcome is SessionOutcome.HUNG_UP


def test_a_greeting_that_nobody_asked_for_is_no_answer(tmp_path: Path) -> None:
    def script(assistant: Assistant) -> None:
        assistant.answer("greeting", 0.2)
        assistant.utterance("u0")
        assistant.answer("r0", 0.1)

    def act(session: Session) -> None:
        until(lambda: session._wired.counted.audio_samples_received >= 4800)
        clip = session._run.planner.turn(0, 0).utterance
        session.speak(TurnKind.UTTERANCE, 0, session._run.prepared.clip(clip))
        until(lambda: session.tracker.answer is not None and session.tracker.answer.done_ns is not None)

    session = opened(script, tmp_path, act)
    (turn,) = session.turns
    assert (turn.response_id, turn.audio_s) == ("r0", pytest.approx(0.1))


def test_an_illegal_move_is_said_loudly(tmp_path: Path) -> None:
    def act(session: Session) -> None:
        with pytest.raises(RuntimeError, match="cannot"):
            session.speak(TurnKind.BARGE_IN, 0, session._run.prepared.clip(session._run.planner.turn(0, 0).utterance))

    opened(lambda _: None, tmp_path, act)


def test_closing_ends_the_turn_under_way(tmp_path: Path) -> None:
    def act(session: Session) -> None:
        session.speak(TurnKind.UTTERANCE, 0, session._run.prepared.clip(session._run.planner.turn(0, 0).utterance))

    session = opened(lambda _: None, tmp_path, act)
    assert [t.outcome for t in session.turns] == [Outcome.CUT_BY_RUN_END]
    assert session.record.turns == 1


@pytest.mark.parametrize(
    ("settings", "silence_ms"),
    [
        ({"audio": {"input": {"turn_detection": {"silence_duration_ms": 200}}}}, 200),
        ({"turn_detection": {"silence_duration_ms": 700}}, 700),
        ({"turn_detection": {"silence_duration_ms": True}}, None),
        ({"turn_detection": {"silence_duration_ms": 2**63}}, None),
        ({"turn_detection": None}, None),
        ({"audio": {"input": None}}, None),
        ({"audio": "none"}, None),
        ({}, None),
    ],
)
def test_the_silence_window_that_is_echoed(settings: dict[str, Any], silence_ms: int | None, tmp_path: Path) -> None:
    with served(saying(CREATED, {"type": "session.updated", "session": settings})) as server:
        session = Session(a_run(server.host, tmp_path), 0, 0, None)
        session.open(Grant())
        assert session.close(SessionOutcome.HUNG_UP).silence_duration_ms == silence_ms


def test_what_it_needs_an_open_session_for(tmp_path: Path) -> None:
    session = Session(a_run("http://127.0.0.1:1", tmp_path), 0, 0, None)
    for name in ("tracker", "microphone"):
        with pytest.raises(RuntimeError, match="not open"):
            getattr(session, name)
    session.hang_up()


def test_a_fault_of_ours_is_loud_and_makes_the_run_invalid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    def act(session: Session) -> None:
        monkeypatch.setattr(Tracker, "event", broken)
        session._on_message(now_ns(), b'{"type":"rate_limits.updated","rate_limits":[]}', OurOpcode.TEXT)
        with pytest.raises(LocalError, match="a message could not be tracked: ZeroDivisionError: division by zero"):
            session.check()
        assert session._run.faults.count == 1

    opened(lambda assistant: assistant.until_gone(), tmp_path, act)


def test_a_dialect_that_breaks_on_a_message_ends_its_session_loudly(tmp_path: Path) -> None:
    def act(session: Session) -> None:
        session._wired._decode = lambda message: 1 // 0
        session._on_message(now_ns(), b"{}", OurOpcode.TEXT)
        with pytest.raises(LocalError, match="a message could not be decoded: ZeroDivisionError"):
            session.check()
        assert session._run.faults.count == 1

    opened(lambda assistant: assistant.until_gone(), tmp_path, act)


def test_audio_of_an_answer_that_is_heard_is_held_and_nothing_of_it_lost(tmp_path: Path) -> None:
    """Whoever looks at the tracker finds everything tracked, each message with its own instant, in their order."""
    piece = base64.b64encode(TONE[:1920]).decode()

    def message(kind: str, **fields: Any) -> bytes:
        return orjson.dumps({"type": kind, **fields})

    def delta(response: str, audio: str = piece) -> bytes:
        return message("response.output_audio.delta", response_id=response, item_id="i", content_index=0, delta=audio)

    def act(session: Session) -> None:
        link = session._link
        assert link is not None

        def arrives(at_ns: int, text: bytes) -> None:
            link.transport.arrived(at_ns, encode(OurOpcode.TEXT, text, None))

        session.speak(TurnKind.UTTERANCE, 0, session._run.prepared.clip(session._run.planner.turn(0, 0).utterance))
        t_ns = now_ns()
        before = link.messages_received
        arrives(t_ns, message("response.created", response={"id": "r"}))
        for i in range(55):
            arrives(t_ns + i * 40_000_000, delta("r"))
        held = len(link.line.held) // 2
        answer = session.tracker.answer
        assert answer is not None
        assert (answer.chunks, answer.last_audio_ns, answer.first_audio_ns) == (55, t_ns + 54 * 40_000_000, t_ns)
        assert answer.playout.underruns == 0
        assert 0 < held < 16
        assert link.line.held == []
        assert link.messages_received == before + 56

        arrives(t_ns + 2_200_000_000, delta("r"))
        assert len(link.line.held) == 2
        arrives(t_ns + 2_200_000_000, delta("r", "AAA"))
        assert session._wired.counted.malformed_messages == 1
        assert (answer.chunks, link.line.held) == (56, []), "what came before it has been tracked before it"
        arrives(t_ns + 2_210_000_000, delta("r"))
        arrives(t_ns + 2_240_000_000, message("response.done", response={"id": "r", "status": "completed"}))
        assert link.line.held == []
        assert (answer.chunks, answer.done_ns, answer.last_audio_ns) == (57, t_ns + 2_240_000_000, t_ns + 2_210_000_000)

        arrives(t_ns + 2_250_000_000, delta("r"))
        assert link.line.held == [], "the answer is closed: nothing is held of what comes behind it"
        assert session._wired.counted.audio_samples_received == 58 * 960

    opened(lambda assistant: assistant.until_gone(), tmp_path, act)
