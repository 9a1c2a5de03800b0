"""A link against scripted peers over real sockets, whose side is read and written by `websockets`."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import pytest
import trustme
from users_peers import Caller, Peer, Script, Server, frame, served, until
from websockets.frames import Opcode

from metrics.records import ErrorKind
from protocol import Opcode as OurOpcode
from protocol import PreparedFrame
from users import transport
from users.clock import now_ns
from users.outbox import BACKLOG

AUTHORITY = trustme.CA()
CLIENT_TLS = ssl.create_default_context()
AUTHORITY.configure_trust(CLIENT_TLS)
SERVER_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
AUTHORITY.issue_cert("localhost").configure_cert(SERVER_TLS)


@contextmanager
def calling(script: Script, secure: bool = False, receive_buffer: int | None = None) -> Iterator[tuple[Caller, Server]]:
    with served(script, tls=SERVER_TLS if secure else None, receive_buffer=receive_buffer) as server:
        caller = Caller(server.url, CLIENT_TLS)
        caller.link.start()
        try:
            yield caller, server
        finally:
            caller.link.abort()


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def secure(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def echo(peer: Peer) -> None:
    peer.accept()
    while (got := peer.receive()) is not None:
        peer.send(got.opcode, got.data)


def test_the_handshake_carries_headers_and_sub_protocols_and_no_origin() -> None:
    with calling(echo) as (caller, server):
        caller.link.send(b"{}")
        until(lambda: caller.messages)
        request = server.peers[0].read_request()
        assert request.path == "/v1/realtime"
        assert request.headers["X-Client-Id"] == "test"
        assert request.headers["Sec-WebSocket-Protocol"] == "realtime"
        assert "Origin" not in request.headers
        assert request.headers["Host"] == f"localhost:{server.port}"


def test_the_opening_is_told_in_its_parts(secure: bool) -> None:
    began_ns = now_ns()
    with calling(echo, secure) as (caller, _):
        opening = caller.link.opening
        assert began_ns <= opening.started_ns <= opening.opened_ns <= now_ns()
        assert (opening.tls_s is not None) is secure
        parts_s = opening.connect_s + (opening.tls_s or 0.0) + opening.handshake_s
        assert parts_s == pytest.approx((opening.opened_ns - opening.started_ns) / 1e9, abs=1e-6)
        assert opening.connect_s > 0


def test_messages_both_ways_in_order(secure: bool) -> None:
    texts = [f"{{{i}:{'x' * (i * 997 % 70_000)}}}".encode() for i in range(60)]
    with calling(echo, secure) as (caller, _):
        assert all(caller.link.send(text) for text in texts)
        until(lambda: len(caller.messages) == len(texts))
        assert caller.messages == texts
        assert caller.link.messages_sent == caller.link.messages_received == len(texts)
        assert all(a <= b for a, b in zip(caller.arrivals, caller.arrivals[1:], strict=False))


def test_binary_fragmented_and_control_frames() -> None:
    heard: list[tuple[Opcode, bytes]] = []

    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(Opcode.BINARY, b"\x00\xff")
        peer.send(Opcode.TEXT, b"one ", fin=False)
        peer.send(Opcode.PING, b"are you there?")
        peer.send(Opcode.CONT, b"mess", fin=False)
        peer.send(Opcode.PONG, b"")
        peer.send(Opcode.CONT, b"age")
        got = peer.receive()
        assert got is not None
        heard.append((got.opcode, got.data))
        for byte in frame(Opcode.TEXT, b"byte by byte"):
            peer.raw(bytes([byte]))
        peer.drain()

    with calling(script) as (caller, _):
        until(lambda: len(caller.messages) == 3)
        assert caller.messages == [b"\x00\xff", b"one message", b"byte by byte"]
        assert heard == [(Opcode.PONG, b"are you there?")]
        assert caller.link.messages_received == 3
        assert caller.link.messages_sent == 0


def test_frames_in_the_same_packet_as_the_handshake(secure: bool) -> None:
    def script(peer: Peer) -> None:
        peer.accept(behind=frame(Opcode.TEXT, b"first") + frame(Opcode.TEXT, b"second")[:3])
        peer.raw(frame(Opcode.TEXT, b"second")[3:])
        peer.drain()

    with calling(script, secure) as (caller, _):
        assert caller.messages[:1] == [b"first"]
        until(lambda: len(caller.messages) == 2)
        assert caller.messages == [b"first", b"second"]
        assert caller.arrivals[0] == caller.link.opening.opened_ns


def test_a_close_frame_in_the_same_packet_as_the_handshake() -> None:
    with calling(lambda peer: peer.accept(behind=frame(Opcode.CLOSE, (4000).to_bytes(2, "big") + b"full"))) as (caller, _):
        error = caller.ended()
        assert error is not None
        assert (error.kind, error.close_code, str(error)) == (ErrorKind.REMOTE_CLOSE, 4000, "closed by the assistant: code 4000, full")


def test_a_slow_reader_gets_everything_in_order(secure: bool) -> None:
    """Far more than the kernel takes: partial writes, a queue, and a write watcher that empties it."""
    go = threading.Event()
    heard: list[bytes] = []
    texts = [b"%06d" % i + bytes(60_000) for i in range(150)]

    def script(peer: Peer) -> None:
        peer.accept()
        assert go.wait(20)
        while len(heard) < len(texts):
            got = peer.receive()
            assert got is not None
            heard.append(got.data)
        peer.drain()

    with calling(script, secure, receive_buffer=8192) as (caller, _):
        drained: list[int] = []
        for text in texts:
            caller.link.send(text)
        assert caller.link.unsent_bytes > 1_000_000
        assert BACKLOG.bytes == caller.link.unsent_bytes <= caller.link.unsent_bytes_max
        caller.link.when_sent(lambda: drained.append(len(heard)))
        gevent.sleep(0.05)
        assert not drained
        go.set()
        until(lambda: len(heard) == len(texts))
        assert heard == texts
        assert drained
        assert caller.link.unsent_bytes == BACKLOG.bytes == 0
        caller.link.when_sent(lambda: drained.append(-1))
        assert drained[-1] == -1


def test_frames_above_the_limit_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "UNSENT_LIMIT", 100_000)
    go = threading.Event()
    heard: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.accept()
        assert go.wait(20)
        while (got := peer.receive()) is not None and got.opcode is not Opcode.CLOSE:
            heard.append(got.data)

    with calling(script, receive_buffer=8192) as (caller, _):
        link = caller.link
        taken = []
        while link.frames_dropped < 5:
            index = len(taken) + link.frames_dropped
            payload = b"%06d" % index + bytes(5_000)
            if link.send_frame(PreparedFrame(OurOpcode.TEXT, payload)):
                taken.append(payload)
        assert link.frames_sent == link.messages_sent == len(taken)
        assert 100_000 < link.unsent_bytes < 106_000
        link.send(b"{}")
        go.set()
        until(lambda: link.unsent_bytes == 0)
        link.hang_up()
        assert caller.ended() is None
        until(lambda: len(heard) == len(taken) + 1)
        assert heard == [*taken, b"{}"]
        assert (link.frames_sent, link.frames_dropped) == (len(taken), 5)


def test_a_line_is_clear_while_nothing_waits_and_nothing_seals(secure: bool) -> None:
    with calling(echo, secure) as (caller, _):
        line = caller.link.line
        assert line.clear is not secure
        caller.link.transport.outbox.queue(b"", False)  # as if the kernel had taken nothing of it
        assert not line.clear
        until(lambda: caller.link.transport.outbox.idle)
        assert line.clear is not secure


def test_a_line_is_told_whether_a_message_begins() -> None:
    """A rest of a message that looks like a whole one must not be taken for it."""
    message = frame(Opcode.TEXT, b"x" * 300)
    with calling(echo) as (caller, _):
        link = caller.link
        assert link.line.between
        link.transport.arrived(now_ns(), message[:100])
        assert not link.line.between
        link.transport.arrived(now_ns(), message[100:])
        assert link.line.between
        assert caller.messages == [b"x" * 300]


def test_frames_that_wait_when_the_link_ends_were_not_sent() -> None:
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        assert go.wait(20)
        peer.reset()

    with calling(script, receive_buffer=8192) as (caller, _):
        link = caller.link
        handed = 0
        while link.unsent_bytes < 500_000:
            handed += link.send_frame(PreparedFrame(OurOpcode.TEXT, bytes(5_000)))
        never: list[int] = []
        link.when_sent(lambda: never.append(1))
        go.set()
        assert caller.ended() is not None
        assert link.frames_sent + link.frames_dropped == handed
        assert link.frames_dropped >= 99
        assert link.unsent_bytes == BACKLOG.bytes == 0
        assert not never


def test_the_talker_hangs_up(secure: bool) -> None:
    closes: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.accept()
        got = peer.receive()
        assert got is not None
        assert got.opcode is Opcode.CLOSE
        closes.append(got.data)
        peer.text("too late")
        peer.send(Opcode.CLOSE, got.data)

    with calling(script, secure) as (caller, _):
        caller.link.hang_up()
        assert not caller.link.open
        caller.link.send(b"no more")
        assert not caller.link.send(b"no more")
        assert not caller.link.send_frame(PreparedFrame(OurOpcode.TEXT, b"no more"))
        assert caller.ended() is None
        assert closes == [(1000).to_bytes(2, "big")]
        assert caller.link.close_code == 1000
        assert caller.messages == []
        assert caller.link.messages_sent == 0


def test_the_talker_hangs_up_and_the_peer_just_goes() -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.receive()

    with calling(script) as (caller, _):
        caller.link.hang_up()
        assert caller.ended() is None


def test_an_aborted_link_is_silent_for_good() -> None:
    with calling(echo) as (caller, _):
        caller.link.abort()
        caller.link.abort()
        caller.link.hang_up()
        caller.link.send(b"no more")
        assert caller.ended() is None
        assert caller.link.round_trip_s() is None


@pytest.mark.parametrize(
    ("payload", "kind", "code", "text"),
    [
        ((1001).to_bytes(2, "big"), ErrorKind.REMOTE_CLOSE, 1001, "closed by the assistant: code 1001"),
        ((1011).to_bytes(2, "big") + "müde".encode(), ErrorKind.REMOTE_CLOSE, 1011, "closed by the assistant: code 1011, müde"),
        (b"", ErrorKind.REMOTE_CLOSE, None, "closed by the assistant: code none"),
        (b"\x03", ErrorKind.PROTOCOL, None, "broken close frame: close code is cut to one byte"),
        ((1005).to_bytes(2, "big"), ErrorKind.PROTOCOL, None, "broken close frame: close code 1005 may not be sent"),
    ],
)
def test_the_peer_closes(payload: bytes, kind: ErrorKind, code: int | None, text: str) -> None:
    answers: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.accept()
        peer.text("last words")
        peer.send(Opcode.CLOSE, payload)
        if kind is ErrorKind.REMOTE_CLOSE:
            got = peer.receive()
            assert got is not None
            answers.append(got.data)

    with calling(script) as (caller, _):
        error = caller.ended()
        assert error is not None
        assert (error.kind, error.close_code, str(error)) == (kind, code, text)
        assert caller.messages == [b"last words"]
        if kind is ErrorKind.REMOTE_CLOSE:
            until(lambda: answers)
            assert answers == [payload[:2]]


def test_the_peer_goes_without_a_close_frame(secure: bool) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.text("last words")

    with calling(script, secure) as (caller, _):
        error = caller.ended()
        assert error is not None
        assert (error.kind, str(error)) == (ErrorKind.REMOTE_CLOSE, "connection closed without a close frame")
        assert caller.messages == [b"last words"]
        assert caller.link.close_code is None


def test_the_peer_ends_tls_but_leaves_the_socket_open() -> None:
    """As asyncio's servers do until the talker answers: nothing more will come, so the link is over."""
    over = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        peer.text("last words")
        assert isinstance(peer.sock, ssl.SSLSocket)
        peer.sock.settimeout(0.05)
        with contextlib.suppress(OSError):
            peer.sock.unwrap()
        assert over.wait(20)

    with calling(script, secure=True) as (caller, _):
        error = caller.ended()
        over.set()
        assert str(error) == "connection closed without a close frame"
        assert caller.messages == [b"last words"]


def test_the_peer_resets_the_connection() -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.receive()
        peer.reset()

    with calling(script) as (caller, _):
        caller.link.send(b"{}")
        error = caller.ended()
        assert error is not None
        assert (error.kind, str(error)) == (ErrorKind.REMOTE_CLOSE, "connection lost: Connection reset by peer")


def test_a_reset_is_noticed_by_sending_too() -> None:
    gone = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        peer.reset()
        gone.set()

    with served(script) as server:
        caller = Caller(server.url, CLIENT_TLS)  # not started: it reads nothing
        gone.wait(20)
        for _ in range(100):
            caller.link.send_frame(PreparedFrame(OurOpcode.TEXT, b"{}"))
        error = caller.ended()
        assert error is not None
        assert error.kind is ErrorKind.REMOTE_CLOSE
        assert str(error).startswith("connection lost while sending: ")
        assert caller.link.frames_dropped == 1


@pytest.mark.parametrize(
    ("broken", "code", "text"),
    [
        (b"\x81\x81abcd", 1002, "not a WebSocket frame: frame is masked"),
        (b"\xc1\x00", 1002, "not a WebSocket frame: reserved bit is set, but no extension was negotiated"),
        (b"\x83\x00", 1002, "not a WebSocket frame: opcode 0x3 is reserved"),
        (b"HTTP/1.1 500", 1002, "not a WebSocket frame: reserved bit is set, but no extension was negotiated"),
        (b"\x81\x7f" + (1 << 40).to_bytes(8, "big"), 1009, f"not a WebSocket frame: message of at least {1 << 40} bytes; limit {1 << 24}"),
    ],
)
def test_frame_errors(broken: bytes, code: int, text: str) -> None:
    answers: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.accept()
        peer.raw(frame(Opcode.TEXT, b"whole") + broken)
        got = peer.receive()
        assert got is not None
        answers.append(got.data)

    with calling(script) as (caller, _):
        error = caller.ended()
        assert error is not None
        assert (error.kind, str(error)) == (ErrorKind.PROTOCOL, text)
        assert caller.messages == [b"whole"]
        until(lambda: answers)
        assert answers == [code.to_bytes(2, "big")]
