"""A channel: the kernel's arrival times, and bytes through TLS."""

from __future__ import annotations

import errno
import os
import random
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

import gevent
import gevent.socket
import pytest
import trustme
from users_lines import MAKES, Reader, make_id
from users_peers import PATIENCE_S, Peer, served, until

from users import clock
from users.channel import Channel
from users.clock import now_ns

AUTHORITY = trustme.CA()
TRUSTING = ssl.create_default_context()
AUTHORITY.configure_trust(TRUSTING)
SERVER_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
AUTHORITY.issue_cert("localhost").configure_cert(SERVER_TLS)


@contextmanager
def channel_to(port: int, secure: bool = False) -> Iterator[Channel]:
    sock = gevent.socket.create_connection(("127.0.0.1", port))
    channel = Channel(sock, TRUSTING if secure else None, "localhost")
    try:
        if secure:
            channel.start_tls()
        yield channel
    finally:
        channel.close()


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def secure(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=MAKES, ids=make_id)
def make(request: pytest.FixtureRequest) -> ModuleType:
    return cast(ModuleType, request.param)


def read_some(reader: Reader) -> bytes:
    return bytes(until(reader.read))


@pytest.mark.skipif(clock.SO_TIMESTAMPNS is None, reason="no kernel stamps on this platform")
def test_the_kernel_tells_when_bytes_arrived_however_late_they_are_read(secure: bool, make: ModuleType) -> None:
    sent: list[tuple[int, int]] = []
    go = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        for _ in range(5):
            assert go.acquire(timeout=PATIENCE_S)
            before_ns = now_ns()
            peer.raw(b"x")
            sent.append((before_ns, now_ns()))
        peer.drain()

    with served(script, tls=SERVER_TLS if secure else None) as server, channel_to(server.port, secure) as channel:
        assert channel.clock == "kernel"
        assert channel.release() == b""
        reader = Reader(channel, make)
        arrivals = []
        for i in range(5):
            go.release()
            until(lambda i=i: len(sent) > i)
            threading.Event().wait(0.03)  # the whole process is busy
            assert read_some(reader) == b"x"
            arrivals.append(reader.arrived_ns)
        off_ns = 2_000_000  # between the two clocks' readings the process may have had to wait
        for (before_ns, _), arrived_ns in zip(sent, arrivals, strict=True):
            assert before_ns - off_ns <= arrived_ns <= now_ns()
        late = sorted(arrived_ns - after_ns for (_, after_ns), arrived_ns in zip(sent, arrivals, strict=True))
        assert late[2] < 20_000_000, "the median is nearer to the sending than to the reading"
        assert arrivals == sorted(arrivals)


def test_arrivals_never_run_backwards(make: ModuleType) -> None:
    def script(peer: Peer) -> None:
        for _ in range(2000):
            peer.raw(b"x")

    with served(script) as server, channel_to(server.port) as channel:
        channel.release()
        reader = Reader(channel, make)
        seen = [0]
        while not channel.ended:
            if reader.read():
                assert reader.arrived_ns >= seen[-1]
                seen.append(reader.arrived_ns)
            gevent.sleep(0.0005)
        assert seen[1:]


def test_without_kernel_stamps_the_reading_counts(monkeypatch: pytest.MonkeyPatch, make: ModuleType) -> None:
    monkeypatch.setattr(clock, "SO_TIMESTAMPNS", None)
    with served(lambda peer: peer.raw(b"x")) as server, channel_to(server.port) as channel:
        assert channel.clock == "user"
        channel.release()
        reader = Reader(channel, make)
        began_ns = now_ns()
        assert read_some(reader) == b"x"
        assert began_ns <= reader.arrived_ns <= now_ns()


def stamp(age_ns: int) -> tuple[int, int, bytes]:
    seconds, nanoseconds = divmod(int(clock.epoch_s() * 1e9) - age_ns, 10**9)
    return socket.SOL_SOCKET, clock.SO_TIMESTAMPNS or 35, struct.pack("@qq", seconds, nanoseconds)


@pytest.mark.skipif(clock.SO_TIMESTAMPNS is None, reason="no kernel stamps on this platform")
def test_stamps_that_cannot_be_true_are_no_stamps() -> None:
    assert clock.arrival_ns([]) is None
    assert clock.arrival_ns([stamp(-3 * 10**9)]) is None, "in the future"
    assert clock.arrival_ns([stamp(61 * 10**9)]) is None, "the wall clock was set"
    assert clock.arrival_ns([(socket.SOL_SOCKET, 35, b"short")]) is None
    assert clock.arrival_ns([(socket.SOL_SOCKET, 99, stamp(0)[2])]) is None
    arrived_ns = clock.arrival_ns([(0, 0, b""), stamp(10**9)])
    assert arrived_ns is not None
    assert 0.9e9 < now_ns() - arrived_ns < 20e9


def test_every_byte_arrives_once_and_in_order(secure: bool, make: ModuleType) -> None:
    data = random.Random(3).randbytes(1_500_000)

    def script(peer: Peer) -> None:
        peer.raw(data)

    with served(script, tls=SERVER_TLS if secure else None) as server, channel_to(server.port, secure) as channel:
        channel.release()
        reader = Reader(channel, make)
        got = bytearray()
        while not channel.ended:
            got += reader.read()
            gevent.sleep(0.0001)
        assert got == data
        assert reader.read() == b""


def test_reading_ahead_and_going_on_from_there(secure: bool, make: ModuleType) -> None:
    """What websocket-client does in a handshake: one byte at a time; what came along is handed over by `release`."""
    first = threading.Event()

    def script(peer: Peer) -> None:
        peer.raw(b"head\r\nbody")
        assert first.wait(PATIENCE_S)
        peer.raw(b" and soul")

    with served(script, tls=SERVER_TLS if secure else None) as server, channel_to(server.port, secure) as channel:
        assert b"".join(channel.recv(1) for _ in range(6)) == b"head\r\n"
        assert channel.recv(2) == b"bo"
        assert channel.release() == b"dy"
        reader = Reader(channel, make)
        first.set()
        assert read_some(reader) == b" and soul"


def test_nothing_there_is_not_the_end(secure: bool, make: ModuleType) -> None:
    with served(Peer.drain, tls=SERVER_TLS if secure else None) as server, channel_to(server.port, secure) as channel:
        channel.release()
        reader = Reader(channel, make)
        assert reader.read() == b""
        assert not channel.ended


def test_the_end_while_blocking(secure: bool) -> None:
    with served(lambda peer: peer.raw(b"x"), tls=SERVER_TLS if secure else None) as server, channel_to(server.port, secure) as channel:
        assert channel.recv(10) == b"x"
        assert channel.recv(10) == b""


def test_sending(secure: bool) -> None:
    heard = bytearray()

    def script(peer: Peer) -> None:
        while len(heard) < 9:
            heard.extend(peer.sock.recv(100))

    with served(script, tls=SERVER_TLS if secure else None) as server, channel_to(server.port, secure) as channel:
        assert channel.send(b"blocking,") == 9
        until(lambda: heard == b"blocking,")


def test_the_round_trip_is_the_kernels(make: ModuleType) -> None:
    def script(peer: Peer) -> None:
        while data := peer.sock.recv(100):
            peer.raw(data)

    with served(script) as server, channel_to(server.port) as channel:
        channel.release()
        reader = Reader(channel, make)
        for _ in range(5):
            channel.writer()(b"x")
            read_some(reader)
        round_trip_s = channel.round_trip_s()
        assert round_trip_s is not None
        assert 0 < round_trip_s < 1.0


def test_a_reset_is_an_error(make: ModuleType) -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(1)
        peer.reset()

    with served(script) as server, channel_to(server.port) as channel:
        channel.release()
        reader = Reader(channel, make)
        channel.writer()(b"x")
        with pytest.raises(OSError) as caught:
            until(reader.read)
        assert str(caught.value) == f"read: {os.strerror(errno.ECONNRESET)}"


def test_tls_with_somebody_who_does_not_speak_it() -> None:
    with (
        served(lambda peer: peer.raw(b"220 mail.example.org ESMTP\r\n")) as server,
        pytest.raises(ssl.SSLError),
        channel_to(server.port, True),
    ):
        pass
    with served(lambda peer: None) as server, pytest.raises((EOFError, OSError)), channel_to(server.port, True):
        pass


def test_rubbish_amid_tls_is_an_error(make: ModuleType) -> None:
    def script(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        os.write(peer.sock.fileno(), b"not a record at all")

    with served(script, tls=SERVER_TLS) as server, channel_to(server.port, True) as channel:
        channel.release()
        reader = Reader(channel, make)
        with pytest.raises(ssl.SSLError):
            until(reader.read)


def test_closing_twice() -> None:
    with served(Peer.drain) as server, channel_to(server.port) as channel:
        channel.close()
        channel.close()
