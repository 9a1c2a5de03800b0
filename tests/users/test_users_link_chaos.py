"""What chaos does to a link, as the other end of the socket sees it."""

from __future__ import annotations

import os
import socket

import gevent
import pytest
from users_links import calling
from users_peers import Peer, until
from websockets.frames import Opcode

from metrics.records import ErrorKind
from protocol import Opcode as OurOpcode
from protocol import PreparedFrame
from users.clock import now_ns
from users.errors import RemoteError

ERROR = RemoteError(ErrorKind.CHAOS, "chaos 0.0: drop")


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("reset", [False, True], ids=["drop", "reset"])
def test_a_dropped_connection_ends_with_a_fin_and_a_reset_one_with_a_rst(secure: bool, reset: bool) -> None:
    seen: list[str] = []

    def script(peer: Peer) -> None:
        peer.accept()
        peer.text("before")
        with socket.socket(fileno=os.dup(peer.sock.fileno())) as below:  # TLS takes the one for the other
            below.settimeout(20)
            try:
                while below.recv(65536):
                    pass
                seen.append("end")
            except ConnectionResetError:
                seen.append("reset")

    with calling(script, secure) as (caller, _):
        until(lambda: caller.messages)
        assert caller.link.drop(ERROR, reset)
        assert caller.ended() is ERROR
        until(lambda: seen)
        assert not caller.link.drop(ERROR, reset), "it is gone"
        assert not caller.link.stall()
        assert not caller.link.spoil(b"x")
    assert seen == ["reset" if reset else "end"]


def test_a_drop_is_a_fin_though_the_assistant_still_sends() -> None:
    """Closing a socket on which something waits to be read resets the connection."""
    seen: list[str] = []

    def script(peer: Peer) -> None:
        peer.accept()
        peer.text("before")
        try:
            while peer.sock.recv(65536):
                pass
            seen.append("end")
            for _ in range(20):
                peer.text("x" * 1000)
                gevent.sleep(0)
            seen.append("sent")
        except ConnectionError:
            seen.append("reset")

    with calling(script) as (caller, _):
        until(lambda: caller.messages)
        assert caller.link.drop(ERROR)
        until(lambda: len(seen) == 2)
    assert seen == ["end", "sent"]


def test_a_stall_holds_both_ways_back_and_then_all_goes_on() -> None:
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.accept()
        peer.text("one")
        assert peer.receive() is not None
        peer.text("two")
        peer.text("three")
        while (frame := peer.receive()) is not None and frame.opcode is Opcode.TEXT:
            got.append(bytes(frame.data))

    with calling(script) as (caller, _):
        link = caller.link
        until(lambda: caller.messages)
        link.send(b"go on")
        assert link.stall()
        assert not link.stall(), "it stalls already"
        assert link.send_frame(PreparedFrame(OurOpcode.TEXT, b"frame"))
        assert link.send(b"text")
        gevent.sleep(0.3)
        assert caller.messages == [b"one"]
        assert got == []
        assert link.unsent_bytes > 0
        over_ns = now_ns()
        link.go_on()
        until(lambda: len(caller.messages) == 3 and len(got) == 2)
        assert got == [b"frame", b"text"]
        assert caller.messages == [b"one", b"two", b"three"]
        assert all(arrived_ns >= over_ns for arrived_ns in caller.arrivals[1:]), "nobody heard it before"
        assert link.unsent_bytes == 0
        assert link.send_frame(PreparedFrame(OurOpcode.TEXT, b"again"))
        until(lambda: len(got) == 3)
        assert link.line.clear


@pytest.mark.parametrize("how", ["drop", "reset", "abort", "hang up"])
def test_a_link_that_ends_while_it_stalls_stays_so(how: str) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        peer.text("one")
        peer.drain()

    with calling(script) as (caller, _):
        link = caller.link
        until(lambda: caller.messages)
        assert link.stall()
        link.send(b"never")
        if how in ("drop", "reset"):
            assert link.drop(ERROR, how == "reset")
        elif how == "hang up":
            link.hang_up()
        link.abort()
        assert len(caller.closed) == 1
        link.go_on()
        assert not link.open
        assert link.unsent_bytes == 0


def test_garbage_goes_out_as_it_is() -> None:
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.accept()
        peer.text("one")
        while sum(map(len, got)) < 6:
            got.append(peer.sock.recv(100))

    with calling(script) as (caller, _):
        until(lambda: caller.messages)
        assert caller.link.spoil(b"\xff\xfe raw"[:6])
        until(lambda: sum(map(len, got)) >= 6)
    assert b"".join(got) == b"\xff\xfe raw"[:6]
