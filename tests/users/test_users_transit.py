"""The model of a network path, in Python and in C: the same numbers, nothing overtakes, and what is stated comes out."""

from __future__ import annotations

import bisect
import socket
from collections.abc import Sequence
from itertools import pairwise
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from users_lines import MAKES, Noting, both

from protocol import Opcode, PreparedFrame
from scenarios.draws import Draw
from scenarios.network import NETWORKS, Network, Stalls, numbers, quantile
from users import line as python
from users.clock import now_ns
from users.way import NEVER

MS = 1_000_000
START = 5_000_000_000_000


def path(make: ModuleType, network: Network, seed: int = 1) -> python.Path:
    made: python.Path = make.Path(make.Transit(lambda _: None), numbers(network), seed, START)
    return made


def delays_ms(make: ModuleType, network: Network, gap_ms: float, count: int, size: int = 100, seed: int = 1) -> list[float]:
    """Delays up of messages that are sent every `gap_ms`."""
    one = path(make, network, seed)
    at = [START + round(i * gap_ms * MS) for i in range(count)]
    return [(one.up(t, size) - t) / MS for t in at]


draws = st.one_of(
    st.builds(lambda v: Draw(fixed=v), st.floats(0, 50)),
    st.builds(lambda a, b: Draw(uniform=(a, a + b)), st.floats(0, 50), st.floats(0, 50)),
    st.builds(lambda v: Draw(exponential=v), st.floats(0.1, 50)),
)
rates = st.one_of(st.none(), st.floats(64, 100_000))
networks = st.builds(
    Network,
    delay_ms=st.floats(0, 300),
    jitter_ms=draws,
    up_kbit_s=rates,
    down_kbit_s=rates,
    loss=st.sampled_from([0.0, 0.01, 0.3, 0.5]),
    stalls=st.one_of(st.none(), st.builds(Stalls, per_min=st.floats(1, 60), seconds=draws)),
)
sent = st.lists(st.tuples(st.integers(0, 400 * MS), st.integers(0, 20_000), st.booleans()), min_size=1, max_size=60)


@settings(max_examples=150)
@given(networks, sent, st.integers(0, 2**64 - 1), st.one_of(st.none(), st.integers(0, 10_000 * MS)))
def test_nothing_overtakes_and_c_tells_the_same_as_python(
    network: Network, messages: Sequence[tuple[int, int, bool]], seed: int, cut: int | None
) -> None:
    told = []
    for make in MAKES:
        one, t_ns = path(make, network, seed), START
        if cut is not None:
            one.cut_ns = START + cut
        arrivals: dict[bool, list[int]] = {False: [], True: []}
        for gap, size, up in messages:
            t_ns += gap
            arrives = one.up(t_ns, size) if up else one.down(t_ns, size)
            assert arrives >= t_ns + round(network.delay_ms * MS)
            arrivals[up].append(arrives)
        for up, instants in arrivals.items():
            assert all(a < b or b == NEVER for a, b in pairwise(instants)), "TCP hands over in order"
            assert cut is None or all(t == NEVER or t < START + cut for t in instants), up
        told.append((arrivals, one.lost))
    assert all(one == told[0] for one in told)


@both
def test_the_same_seed_has_the_same_delays(make: ModuleType) -> None:
    lossy = NETWORKS["lossy"]
    assert delays_ms(make, lossy, 20, 300, seed=3) == delays_ms(make, lossy, 20, 300, seed=3)
    assert delays_ms(make, lossy, 20, 300, seed=3) != delays_ms(make, lossy, 20, 300, seed=4)


@both
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "ideal"])
def test_delays_are_distributed_as_stated(make: ModuleType, name: str) -> None:
    """Messages far apart, none of which waits for another: base, bandwidth and jitter, by Kolmogorov and Smirnov."""
    network = NETWORKS[name].model_copy(update={"loss": 0.0})
    own_ms = 8 * (100 + 52) / (network.up_kbit_s or 1)
    found = sorted(d - network.delay_ms - own_ms for d in delays_ms(make, network, 5000, 4000))
    shares = [(i + 0.5) / 400 for i in range(400)]
    worst = max(abs(bisect.bisect(found, quantile(network.jitter_ms, share)) / len(found) - share) for share in shares)
    assert worst < 1.95 / len(found) ** 0.5 + 1 / 1024, "less likely than 1 in 1000"


@both
def test_bandwidth_is_headers_and_payload_one_after_the_other(make: ModuleType) -> None:
    one = path(make, Network(up_kbit_s=12_000, down_kbit_s=1200))
    assert [one.up(START, 1448) - START for _ in range(3)] == pytest.approx([MS, 2 * MS, 3 * MS], abs=5)
    assert one.up(START + 10 * MS, 2896) - START == pytest.approx(12 * MS, abs=5)
    assert one.up(START + 100 * MS, 1449) - START == pytest.approx(100 * MS + (1449 + 104) * 8 / 12_000 * MS, abs=5)
    assert one.down(START, 1448) - START == pytest.approx(10 * MS, abs=5)


@both
@pytest.mark.parametrize(
    ("gap_ms", "size", "late_ms"),
    [(20, 100, 250), (80, 100, 280), (1000, 100, 400), (1000, 1448 * 2, None)],
    ids=["RACK's window", "the next segment", "the tail loss probe", "the first of two segments"],
)
def test_a_lost_segment_comes_late_by_the_stated_time(make: ModuleType, gap_ms: float, size: int, late_ms: float | None) -> None:
    """A round trip of 200 ms, and a timer of 400 ms where the retransmission is lost too."""
    found = delays_ms(make, Network(delay_ms=100, loss=0.002), gap_ms, 20_000, size)
    rounded = {round(d, 3) for i, d in enumerate(found) if d > 100.001 and found[i - 1] <= 100.001}
    expected = {100.0 + late_ms} if late_ms is not None else {350.0, 500.0}
    assert expected <= rounded <= expected | {d + 400 for d in expected}


@both
def test_as_many_segments_are_lost_as_stated_and_one_holds_up_all_that_follow(make: ModuleType) -> None:
    one = path(make, Network(delay_ms=100, loss=0.05))
    arrivals = [one.up(START + i * 20 * MS, 100) for i in range(20_000)]
    share = 0.05 / 0.95  # retransmissions are lost, too
    assert one.lost / 20_000 == pytest.approx(share, abs=4 * (share / 20_000) ** 0.5)
    lost = next(i for i, t in enumerate(arrivals) if t - START - i * 20 * MS > 100 * MS)
    assert [t - arrivals[lost] for t in arrivals[lost : lost + 12]] == list(range(12)), "those of the next 250 ms come with it"


@both
def test_stalls_are_the_same_both_ways_and_as_often_and_long_as_stated(make: ModuleType) -> None:
    network = Network(stalls=Stalls(per_min=20, seconds=Draw(fixed=1.0)))
    one = path(make, network)
    at = [START + i * 10 * MS for i in range(200_000)]
    up, down = [one.up(t, 1) for t in at], [one.down(t, 1) for t in at]
    assert up == down
    stalled = [t for t, arrives in zip(at, up, strict=True) if arrives != t]
    ends = {arrives // MS for t, arrives in zip(at, up, strict=True) if arrives != t}
    assert len(ends) == pytest.approx(2000 / (3 + 1), rel=0.15), "3 s from the end of one to the next on average, and 1 s in it"
    assert len(stalled) * 10 / 1000 == pytest.approx(len(ends), rel=0.01)


@both
def test_a_path_is_made_of_sound_numbers(make: ModuleType) -> None:
    transit = make.Transit(lambda _: None)
    plain = numbers(Network())
    if make is not python:
        with pytest.raises(ValueError, match="table of quantiles"):
            make.Path(transit, plain._replace(jitter=b"123"), 1, START)
        with pytest.raises(TypeError):
            make.Path(None, plain, 1, START)
    one = make.Path(transit, plain, 1, START)
    assert [
        path(make, Network(down_kbit_s=down, reads_kbit_s=reads)).read_size for down, reads in ((None, None), (1600, None), (12_000, 8000))
    ] == [65536, 8192, 10_000], "what passes in 10 ms"
    assert (one.cut_ns, one.resume_ns, one.frames_lost, one.lost, transit.next_ns) == (NEVER, 0, 0, 0, NEVER)


class Meeting:
    """A line of this make with a path, and its far end."""

    def __init__(self, make: ModuleType, network: Network, owner: Noting | None = None, transit: python.Transit | None = None) -> None:
        self.woken: list[int] = []
        self.transit = transit or make.Transit(self.woken.append)
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.far.setblocking(False)
        self.owner = owner or Noting()
        self.line = make.Line(self.near, False, self.owner)
        self.line.clear = self.line.between = True
        self.line.path = make.Path(self.transit, numbers(network), 1, now_ns())

    def heard(self) -> bytes:
        try:
            return self.far.recv(1 << 20)
        except BlockingIOError:
            return b""

    def __enter__(self) -> Meeting:
        return self

    def __exit__(self, *_: object) -> None:
        self.near.close()
        self.far.close()


FRAME = PreparedFrame(Opcode.TEXT, bytes(300))


@both
def test_frames_and_messages_wait_for_their_instants_in_their_order(make: ModuleType) -> None:
    with Meeting(make, Network(delay_ms=50)) as it:
        before_ns = now_ns()
        assert it.line.send(FRAME)
        assert it.line.put(b"message")
        assert it.line.send(FRAME)
        assert (it.heard(), it.line.frames_sent, it.owner.wires) == (b"", 0, [])
        due_ns = it.transit.next_ns
        assert it.woken == [due_ns], "it is woken once for all"
        assert due_ns % MS == 0
        assert 49 * MS < due_ns - before_ns < 5000 * MS
        it.transit.hand_over(due_ns - 1)
        assert it.heard() == b""
        it.transit.hand_over(due_ns + 10_000 * MS)
        assert (len(it.heard()), it.line.frames_sent, it.owner.wires) == (2 * FRAME.size, 2, [b"message"])
        assert it.transit.next_ns == NEVER


@both
def test_what_has_no_delay_goes_at_once(make: ModuleType) -> None:
    with Meeting(make, Network(resets_per_hour=1)) as it:
        assert it.line.send(FRAME)
        it.far.send(b"hello")
        it.line.read()
        assert len(it.heard()) in (0, FRAME.size)
        it.transit.hand_over(now_ns() + MS)
        assert it.line.frames_sent == 1
        assert [data for _, data in it.owner.data] == [b"hello"]


@both
def test_what_arrives_is_handed_over_later_with_its_instant_and_so_are_the_end_and_an_error(make: ModuleType) -> None:
    with Meeting(make, Network(delay_ms=50)) as it:
        it.far.send(b"hello")
        it.line.read()
        it.far.close()
        it.line.read()
        assert it.owner.data == []
        assert it.line.path.resume_ns == NEVER, "there is nothing more to read"
        it.transit.hand_over(now_ns() + 60 * MS)
        assert [data for _, data in it.owner.data] == [b"hello", b""]
        assert it.owner.data[0][0] - it.line.arrived_ns <= 50 * MS <= it.line.path.delayed_ns


@both
def test_too_much_that_waits_drops_frames_and_no_message(make: ModuleType) -> None:
    big = PreparedFrame(Opcode.TEXT, bytes(60_000))
    with Meeting(make, Network(up_kbit_s=100)) as it:
        sent = [it.line.send(big) for _ in range(20)]
        assert sent == [True] * 18 + [False] * 2, "1 MiB"
        assert it.owner.overfulls == 2
        assert it.line.put(b"message")
        it.line.path.end()
        assert it.line.path.frames_lost == 18
        assert it.transit.next_ns != NEVER
        it.transit.hand_over(now_ns() + 3_600_000 * MS)
        assert (it.heard(), it.owner.wires) == (b"", [])


@both
def test_after_its_end_a_line_gets_nothing_and_one_that_fails_holds_up_no_other(make: ModuleType) -> None:
    class Failing(Noting):
        def arrived(self, arrived_ns: int, data: bytes) -> None:
            raise ZeroDivisionError

    profile = Network(delay_ms=20)
    ended = Meeting(make, profile)
    bad, good = Meeting(make, profile, Failing(), ended.transit), Meeting(make, profile, None, ended.transit)
    with ended, bad, good:
        for it in (ended, bad, good):
            it.far.send(b"x")
            it.line.read()
        ended.line.path = None
        with pytest.raises(ZeroDivisionError):
            ended.transit.hand_over(now_ns() + 100 * MS)
        assert (ended.owner.data, [data for _, data in good.owner.data]) == ([], [b"x"])
        ended.transit.hand_over(now_ns() + 100 * MS)
        assert not ended.line.put(b"message"), "there is no path"
