"""A probe: each profile's delays, measured both ways over real sockets, are those that docs/networks.md states."""

from __future__ import annotations

import bisect
import math
import ssl
import statistics
from random import Random

import gevent
import orjson
import pytest
from users_networks import NetworkCaller, Stamps, make
from users_peers import Peer, served, until
from websockets.frames import Frame, Opcode

from scenarios.network import NETWORKS, Fate, Network, quantile
from users import clock
from users.pacer import Pacer

__all__ = ["make"]

MS = 1_000_000


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
            callers[name].append(NetworkCaller(server.url, NETWORKS[name], Fate(number, None, None), pacer, ssl.create_default_context()))

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
