"""Links behind a network profile, over real sockets to peers that stamp what they see with the same machine's clock."""

from __future__ import annotations

import bisect
import math
import socket
import ssl
import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from random import Random
from types import ModuleType
from typing import Any

import gevent
import orjson
import pytest
import trustme
from users_lines import MAKES, make_id
from users_peers import PATIENCE_S, Caller, Peer, Script, served, until
from websockets.frames import Frame, Opcode

from metrics.records import ErrorKind
from protocol import Opcode as OurOpcode
from protocol import OpenAIRealtime, PreparedFrame
from scenarios.draws import Draw, Lognormal
from scenarios.network import NETWORKS, Fate, Network, Stalls, quantile
from users import clock, inbox, link, network
from users.inbox import Inbox
from users.network import Carrier, Emulation
from users.opening import Target, connect
from users.pacer import Pacer

AUTHORITY = trustme.CA()
CLIENT_TLS = ssl.create_default_context()
AUTHORITY.configure_trust(CLIENT_TLS)
SERVER_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
AUTHORITY.issue_cert("localhost").configure_cert(SERVER_TLS)
MS = 1_000_000
CALM = Fate(1, None, None)
FRAME = PreparedFrame(OurOpcode.TEXT, b"x" * 400)


@pytest.fixture(params=MAKES, ids=make_id, autouse=True)
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Everything runs in C, and in Python."""
    made: ModuleType = request.param
    monkeypatch.setattr(link, "Line", made.Line)
    monkeypatch.setattr(network, "Path", made.Path)
    monkeypatch.setattr(network, "Transit", made.Transit)
    monkeypatch.setattr(inbox, "look", made.look)
    return made


class NetworkCaller(Caller):
    """A link with a network, which it starts at once."""

    def __init__(self, url: str, profile: Network, fate: Fate, pacer: Pacer) -> None:
        self.messages: list[bytes] = []
        self.arrivals: list[int] = []
        self.handed: list[int] = []
        self.closed: list[Any] = []
        self.emulation = Emulation(Carrier(pacer), "mine", profile, fate)
        target = Target(url, {}, [], CLIENT_TLS, PATIENCE_S)
        self.link = connect(target, Inbox(pacer), self._message, self.closed.append, None, self.emulation)
        self.link.start()

    def _message(self, arrived_ns: int, payload: bytes) -> None:
        super()._message(arrived_ns, payload)
        self.handed.append(clock.now_ns())


@contextmanager
def calling(
    script: Script, profile: Network, fate: Fate = CALM, secure: bool = False, receive_buffer: int | None = None
) -> Iterator[NetworkCaller]:
    with served(script, tls=SERVER_TLS if secure else None, receive_buffer=receive_buffer) as server:
        caller = NetworkCaller(server.url, profile, fate, Pacer())
        try:
            yield caller
        finally:
            caller.link.abort()


def echo(peer: Peer) -> None:
    peer.accept()
    while (got := peer.receive()) is not None:
        peer.send(got.opcode, got.data)


class Stamps:
    """A script that notes when what arrives came, by the kernel's clock, and what each of its bytes are."""

    def __init__(self, answer: Callable[[Peer, int, Frame], None] | None = None) -> None:
        self.frames: list[tuple[int, Frame]] = []
        self.ended: list[BaseException | None] = []
        self._answer = answer

    def __call__(self, peer: Peer) -> None:
        peer.accept()
        clock.stamp_arrivals(peer.sock)
        try:
            while True:
                data, ancillary, _, _ = peer.sock.recvmsg(1 << 16, clock.STAMP_SPACE)
                if not data:
                    break
                at_ns = clock.arrival_ns(ancillary) or clock.now_ns()
                peer.protocol.receive_data(data)
                for event in peer.protocol.events_received():
                    assert isinstance(event, Frame)
                    self.frames.append((at_ns, event))
                    if self._answer is not None:
                        self._answer(peer, at_ns, event)
        except ConnectionError as error:
            self.ended.append(error)
        else:
            self.ended.append(None)


def stated_ms(profile: Network, up: bool, gap_ms: float, size: int, rng: Random) -> list[float]:
    """Delays by the words of docs/networks.md, of messages by themselves."""
    jitters = [quantile(profile.jitter_ms, (i + 0.5) / 2000) for i in range(2000)]
    rtt = 2 * (profile.delay_ms + statistics.fmean(jitters))
    rate = profile.up_kbit_s if up else profile.down_kbit_s
    found = []
    for _ in range(8000):
        delay = profile.delay_ms + rng.choice(jitters) + (8 * (size + 52) / rate if rate else 0.0)
        timer = rtt + 200
        if rng.random() < profile.loss:
            delay += min(rtt + max(rtt / 4, gap_ms), 2 * rtt)
            while rng.random() < profile.loss:
                delay, timer = delay + timer, 2 * timer
        found.append(delay)
    return found


def distance(found: list[float], stated: list[float], slack: float) -> float:
    """Kolmogorov's and Smirnov's, where what is found may be off by `slack`."""
    found, stated = sorted(found), sorted(stated)
    worst = 0.0
    for i, value in enumerate(found):
        share = (i + 0.5) / len(found)
        above, below = bisect.bisect(stated, value + slack) / len(stated), bisect.bisect(stated, value - slack) / len(stated)
        worst = max(worst, below - share, share - above)
    return worst


def quartiles(values: list[float]) -> list[str]:
    return [f"{value:.1f}" for value in statistics.quantiles(values, n=4)]


@pytest.mark.alone
def test_a_probe_measures_the_stated_delays_both_ways() -> None:
    """Messages far apart, on many links at once; the peer stamps what it gets, and what it sends."""
    links, rounds, gap_s, size = 20, 8, 0.35, 106
    names = [name for name in NETWORKS if name != "ideal"]

    def answer(peer: Peer, at_ns: int, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            peer.tell(got=at_ns, sent=clock.now_ns(), **orjson.loads(frame.data))

    pacer = Pacer()
    with served(*[Stamps(answer) for _ in range(links * len(names))]) as server:
        callers: dict[str, list[NetworkCaller]] = {name: [] for name in names}

        def call(name: str, number: int) -> None:
            callers[name].append(NetworkCaller(server.url, NETWORKS[name], Fate(number, None, None), pacer))

        gevent.joinall([gevent.spawn(call, name, i) for i, name in enumerate(names * links)], raise_error=True)
        everyone = [(name, caller) for name in names for caller in callers[name]]
        due: dict[int, int] = {}
        for turn in range(rounds):
            began_ns = clock.now_ns()
            for number, (_, caller) in enumerate(everyone):
                key = turn * len(everyone) + number
                text = orjson.dumps({"n": key, "at": clock.now_ns(), "pad": ""})
                text = text.replace(b'"pad":""', b'"pad":"' + b"x" * (size - 8 - len(text)) + b'"')
                caller.link.send(text)
                due[key] = caller.link.line.path.up_ns
                gevent.sleep(max(0.0, gap_s * (number + 1) / len(everyone) - (clock.now_ns() - began_ns) / 1e9))
        until(lambda: all(len(caller.messages) == rounds for _, caller in everyone))
        early_ms, rng = [], Random(5)
        for name in names:
            up, down = [], []
            for caller in callers[name]:
                for text, arrived_ns in zip(caller.messages, caller.arrivals, strict=True):
                    told = orjson.loads(text)
                    up.append((told["got"] - told["at"]) / MS)
                    down.append((arrived_ns - told["sent"]) / MS)
                    early_ms.append((told["got"] - due[told["n"]]) / MS)
            limit = 1.95 / math.sqrt(len(up))
            for is_up, found in ((True, up), (False, down)):
                bytes_ = size if is_up else 190
                stated = stated_ms(NETWORKS[name], is_up, gap_s * 1000, bytes_, rng)
                assert distance(found, stated, 3.0) < limit, (name, is_up, quartiles(found), quartiles(stated))
        assert min(early_ms) > -0.2, "nothing arrives before it is due"
        assert statistics.median(early_ms) < 3.0
        for _, caller in everyone:
            assert all(handed >= arrived for handed, arrived in zip(caller.handed, caller.arrivals, strict=True))
            caller.link.abort()


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
        spacing = [b - a for a, b in pairwise(caller.arrivals)]
        assert min(spacing) > (1390 + 4) * 5_000 - MS, "half as far apart would be the most"


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


def test_audio_that_is_held_and_messages_keep_their_order() -> None:
    """Audio alike the first is held with its instant; what is handed over after it finds all audio before it, and none behind it."""
    ids = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    delta = [{"type": "response.output_audio.delta", "event_id": f"e{i}", **ids, "delta": "AAAA" * (50 + i)} for i in range(60)]
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        peer.receive()
        for i, message in enumerate(delta):
            peer.tell(**message)
            if i % 20 == 19:
                peer.tell(type="marker", number=i)
            if i % 7 == 0:
                go.wait(0.01)
        peer.drain()

    profile = Network(delay_ms=30, jitter_ms=Draw(lognormal=Lognormal(median=5, p95=40)), down_kbit_s=4000)
    with calling(script, profile) as caller:
        found: list[tuple[int, int]] = []
        markers: list[int] = []

        def message(arrived_ns: int, payload: bytes) -> None:
            held = caller.link.held(arrived_ns)
            assert all(t <= arrived_ns for t in held[::2])
            found.extend(zip(held[::2], held[1::2], strict=True))
            if b"delta" in payload:  # read together with others
                found.append((arrived_ns, len(orjson.loads(payload)["delta"]) * 3 // 8))
            if b"marker" in payload:
                markers.append(orjson.loads(payload)["number"])
                assert len(found) == markers[-1] + 1, "all before it, and none behind it"
            caller.arrivals.append(arrived_ns)

        caller.link._on_message = message
        caller.link.hold(OpenAIRealtime().alike(orjson.dumps(delta[0])))
        caller.link.send(b"go")
        until(lambda: markers == [19, 39, 59])
        assert [samples for _, samples in found] == [(50 + i) * 3 // 2 for i in range(60)]
        assert [t for t, _ in found] == sorted(t for t, _ in found)
        assert caller.link.messages_received == 63
