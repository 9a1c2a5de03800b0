"""Links behind a network profile, over real sockets to peers that stamp what they see with the same machine's clock."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import gevent
import orjson
import pytest
import trustme
from users_networks import NetworkCaller, Stamps, make
from users_peers import PATIENCE_S, Peer, Script, served, until
from websockets.frames import Frame, Opcode

from metrics.records import ErrorKind
from protocol import Opcode as OurOpcode
from protocol import OpenAIRealtime, PreparedFrame
from scenarios.draws import Draw, Lognormal
from scenarios.network import NETWORKS, Fate, Network, Stalls
from users import clock
from users.held import take_held
from users.pacer import Pacer

AUTHORITY = trustme.CA()
CLIENT_TLS = ssl.create_default_context()
AUTHORITY.configure_trust(CLIENT_TLS)
SERVER_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
AUTHORITY.issue_cert("localhost").configure_cert(SERVER_TLS)
__all__ = ["make"]

MS = 1_000_000
CALM = Fate(1, None, None)
FRAME = PreparedFrame(OurOpcode.TEXT, b"x" * 400)


@contextmanager
def calling(
    script: Script, profile: Network, fate: Fate = CALM, secure: bool = False, receive_buffer: int | None = None
) -> Iterator[NetworkCaller]:
    with served(script, tls=SERVER_TLS if secure else None, receive_buffer=receive_buffer) as server:
        caller = NetworkCaller(server.url, profile, fate, Pacer(), CLIENT_TLS)
        try:
            yield caller
        finally:
            caller.link.abort()


def echo(peer: Peer) -> None:
    peer.accept()
    while (got := peer.receive()) is not None:
        peer.send(got.opcode, got.data)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_everything_arrives_in_order_both_ways(secure: bool) -> None:
    profile = NETWORKS["lossy"].model_copy(update={"delay_ms": 5.0, "loss": 0.1})
    texts = [f"{{{i}:{'x' * (i * 997 % 8_000)}}}".encode() for i in range(100)]
    with calling(echo, profile, secure=secure) as caller:
        frames = 0
        for i, text in enumerate(texts):
            assert caller.link.send(text)
            if i % 3 == 0:
                frames += caller.link.send_frame(PreparedFrame(OurOpcode.TEXT, b"frame %d" % i * 40))
        expected = [m for i, text in enumerate(texts) for m in ([text, b"frame %d" % i * 40] if i % 3 == 0 else [text])]
        until(lambda: len(caller.messages) == len(expected))
        assert caller.messages == expected
        assert caller.arrivals == sorted(caller.arrivals)
        assert (caller.link.texts_sent, caller.link.frames_sent) == (len(texts), frames)
        assert caller.link.messages_received == len(expected)
        assert caller.emulation.path.lost > 0
        caller.link.hang_up()
        assert caller.ended() is None
        assert caller.emulation.path.frames_lost == 0


def test_the_opening_pays_its_round_trips() -> None:
    slow = Network(delay_ms=40)
    with calling(echo, slow, secure=True) as caller:
        opening = caller.link.opening
        assert opening.connect_s >= 0.08
        assert opening.tls_s is not None
        assert opening.tls_s >= 0.08
        assert opening.handshake_s >= 0.08
        assert (opening.opened_ns - opening.started_ns) / 1e9 < 5


def test_bandwidth_is_seen_at_both_ends() -> None:
    profile = Network(up_kbit_s=800, down_kbit_s=1600)
    stamps = Stamps(lambda peer, _, frame: peer.send(Opcode.TEXT, frame.data))
    payload = b"x" * 1390
    with calling(stamps, profile) as caller:
        began_ns = clock.now_ns()
        for _ in range(30):
            caller.link.send_frame(PreparedFrame(OurOpcode.TEXT, payload))
        until(lambda: len(caller.messages) == 30)
        up = [at - began_ns for at, _ in stamps.frames]
        each_ns = (1390 + 8 + 52) * 10_000
        for number, took_ns in enumerate(up, 1):
            assert took_ns > number * each_ns - MS
        assert up[-1] < 30 * each_ns + 500 * MS
        for (sent_ns, _), arrived_ns in zip(stamps.frames, caller.arrivals, strict=True):  # those that are read together arrive together
            assert arrived_ns - sent_ns > (1390 + 4) * 5_000 - MS


def test_in_a_stall_nothing_passes_either_way() -> None:
    profile = Network(delay_ms=1, stalls=Stalls(per_min=60, seconds=Draw(fixed=0.4)))
    stamps = Stamps(lambda peer, _, frame: peer.send(Opcode.TEXT, frame.data))
    with calling(stamps, profile) as caller:
        gaps = [0]

        def stalled() -> bool:
            caller.link.send_frame(FRAME)
            gevent.sleep(0.005)
            at = [t for t, _ in stamps.frames]
            gaps[:] = [b - a for a, b in pairwise(at)] or [0]
            return max(gaps) > 350 * MS

        until(stalled)
        until(lambda: len(caller.messages) == len(stamps.frames))
        at = [t for t, _ in stamps.frames]
        after = at[gaps.index(max(gaps)) + 1]
        together = sum(after <= t < after + 20 * MS for t in at)
        assert together > 10, "what was sent in it comes at its end"
        back = [b - a for a, b in pairwise(caller.arrivals)]
        assert max(back) > 350 * MS
        facts = caller.emulation.facts(clock.now_ns())
        assert facts["network_stalls"] >= 1
        assert facts["network_stalled_s"] >= 0.35


def test_half_open_nobody_is_told() -> None:
    stamps = Stamps(lambda peer, _, frame: peer.send(Opcode.TEXT, frame.data))
    with calling(stamps, Network(delay_ms=2), Fate(1, None, 0.3)) as caller:
        cut_ns = caller.emulation.path.cut_ns
        while clock.now_ns() < cut_ns + 200 * MS:
            assert caller.link.send_frame(FRAME)
            gevent.sleep(0.01)
        assert caller.link.open
        assert caller.closed == []
        assert stamps.ended == []
        assert 0 < len(stamps.frames) < 40
        assert max(t for t, _ in stamps.frames) < cut_ns + 50 * MS
        assert max(caller.arrivals) < cut_ns
        heard = len(stamps.frames)
        assert caller.emulation.path.frames_lost >= 10
        assert caller.emulation.why_broken(clock.now_ns()) is not None
        assert caller.emulation.why_broken(cut_ns - 1) is None
        assert caller.emulation.facts(clock.now_ns())["network_half_open"] is True
        caller.link.abort()
        until(lambda: stamps.ended)
        assert len(stamps.frames) == heard


def test_a_reset_is_seen_at_both_ends_and_is_the_networks() -> None:
    stamps = Stamps()
    with calling(stamps, Network(), Fate(1, 0.15, None)) as caller:
        error = caller.ended()
        assert error is not None
        assert (error.kind, str(error)) == (ErrorKind.NETWORK, "connection reset by the talker's own network profile mine")
        until(lambda: stamps.ended)
        assert isinstance(stamps.ended[0], ConnectionResetError)
        assert caller.emulation.facts(clock.now_ns())["network_reset"] is True


def test_a_session_that_ends_before_its_reset_is_not_reset() -> None:
    with calling(echo, Network(), Fate(1, 0.2, None)) as caller:
        caller.link.hang_up()
        assert caller.ended() is None
        gevent.sleep(0.3)
        assert not caller.emulation.was_reset
        assert len(caller.closed) == 1


def test_the_peer_feels_a_slow_reader() -> None:
    """The peer could send 40 MB at once; the talker reads 800 kbit/s, so that it is stuck with what buffers hold."""
    sent: list[int] = []
    done = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        piece = Frame(Opcode.TEXT, b"x" * 9996).serialize(mask=False)
        try:
            for _ in range(4000):
                peer.raw(piece)
                sent.append(clock.now_ns())
        finally:
            done.set()

    with calling(script, Network(reads_kbit_s=800)) as caller:
        until(lambda: len(caller.messages) > 5)
        began, began_ns = len(caller.messages), clock.now_ns()
        gevent.sleep(1.0)
        seconds = (clock.now_ns() - began_ns) / 1e9
        read = 10_000 * (len(caller.messages) - began)
        assert 0.3 * seconds < read / 100_000 < 1.3 * seconds
        assert not done.is_set(), "the peer waits"
        assert len(sent) < 1500
        caller.link.abort()
        assert done.wait(PATIENCE_S)


def test_what_waits_for_the_bandwidth_stays_with_the_peer() -> None:
    sent: list[int] = []

    def script(peer: Peer) -> None:
        peer.accept()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        for _ in range(4000):
            peer.raw(Frame(Opcode.TEXT, b"x" * 9996).serialize(mask=False))
            sent.append(1)

    with calling(script, Network(down_kbit_s=1600)) as caller:
        until(lambda: len(caller.messages) > 20)
        assert len(sent) < 1500
        assert caller.arrivals == sorted(caller.arrivals)
        caller.link.abort()


@pytest.mark.parametrize("at_once", [True, False], ids=["from the start", "from the first on"])
def test_audio_that_is_held_and_messages_keep_their_order(at_once: bool) -> None:
    """Audio alike the first is held with its instant; what is handed over after it finds all audio before it, and none behind it. A session
    holds only what is handed over after the first, when further audio is under way already."""
    ids = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    delta = [{"type": "response.output_audio.delta", "event_id": f"e{i}", **ids, "delta": "AAAA" * (50 + i)} for i in range(60)]
    alike = OpenAIRealtime().alike(orjson.dumps(delta[0]), Opcode.TEXT)
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        peer.receive()
        for i, message in enumerate(delta):
            peer.tell(**message)
            if i % 20 == 19:
                peer.tell(type="marker", number=i)
            if i % 7 == 0 or not at_once:
                go.wait(0.01 if at_once else 0.003)
        peer.drain()

    profile = Network(delay_ms=30, jitter_ms=Draw(lognormal=Lognormal(median=5, p95=40)), down_kbit_s=4000)
    with calling(script, profile) as caller:
        found: list[tuple[int, int]] = []
        markers: list[int] = []

        def message(arrived_ns: int, payload: bytes, _opcode: Opcode) -> None:
            caller.link.line.alike = alike
            held = take_held(caller.link.line, arrived_ns)
            assert all(t <= arrived_ns for t in held[::2])
            found.extend(zip(held[::2], held[1::2], strict=True))
            if b"delta" in payload:  # read together with others
                found.append((arrived_ns, len(orjson.loads(payload)["delta"]) * 3 // 8))
            if b"marker" in payload:
                markers.append(orjson.loads(payload)["number"])
                assert len(found) == markers[-1] + 1, "all before it, and none behind it"
            caller.arrivals.append(arrived_ns)

        caller.link.transport.on_message = message
        if at_once:
            caller.link.line.alike = alike
        caller.link.send(b"go")
        until(lambda: markers == [19, 39, 59])
        assert [samples for _, samples in found] == [(50 + i) * 3 // 2 for i in range(60)]
        assert [t for t, _ in found] == sorted(t for t, _ in found)
        assert caller.link.messages_received == 63
