"""How a link ends: by the talker, by its peer in order or not, or by what the peer sends."""

from __future__ import annotations

import contextlib
import ssl
import threading

import pytest
from users_links import CLIENT_TLS, calling, echo
from users_peers import Caller, Peer, frame, served, until
from websockets.frames import Opcode

from metrics.records import ErrorKind
from protocol import Opcode as OurOpcode
from protocol import PreparedFrame


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
