"""A link against scripted peers over real sockets, whose side is read and written by `websockets`: how it opens, and what goes over it."""

from __future__ import annotations

import threading

import gevent
import pytest
from users_links import calling, echo
from users_peers import Peer, frame, until
from websockets.frames import Opcode

from metrics.records import ErrorKind
from protocol import Opcode as OurOpcode
from protocol import PreparedFrame
from users import transport
from users.clock import now_ns
from users.outbox import BACKLOG


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
