"""The inbox over real sockets: nothing is missed or read twice, however thick it comes, and sockets may come and go amid it."""

from __future__ import annotations

import socket
from collections.abc import Callable

import gevent
import pytest
from users_peers import until

from users.clock import now_ns
from users.errors import Faults
from users.inbox import Inbox
from users.native import Line
from users.pacer import GRID_NS, Pacer


class Wire:
    """A pair of sockets with a line at the near end; `got` is what was read there, with the instants in `at`; then `then` is called."""

    def __init__(self, then: Callable[[], None] | None = None) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.got = b""
        self.at: list[int] = []
        self.then = then
        self.line = Line(self.near, False, self)

    def arrived(self, arrived_ns: int, data: bytes) -> None:
        self.got += data
        self.at.append(now_ns())
        if self.then is not None:
            self.then()


def test_what_arrives_is_read_and_silence_is_not() -> None:
    inbox, wires = Inbox(Pacer()), [Wire() for _ in range(50)]
    for wire in wires:
        inbox.add(wire.line)
    wires[7].far.send(b"one")
    until(lambda: wires[7].got == b"one")
    gevent.sleep(0.02)  # it waits for the next arrival again
    for i, wire in enumerate(wires):
        wire.far.send(b"%d" % i)
    until(lambda: all(wire.got for wire in wires))
    assert [wire.got for wire in wires] == [b"one7" if i == 7 else b"%d" % i for i in range(50)]
    assert [len(wire.at) for wire in wires] == [2 if i == 7 else 1 for i in range(50)]
    for wire in wires:
        inbox.remove(wire.line)


def test_in_a_thick_stream_it_looks_once_in_a_step_of_the_grid() -> None:
    pacer, wire = Pacer(), Wire()
    inbox = Inbox(pacer)
    inbox.add(wire.line)
    sent = 0
    until_ns = now_ns() + 100 * GRID_NS
    while now_ns() < until_ns:
        sent += wire.far.send(b"x")
        gevent.sleep(GRID_NS / 10 / 1e9)
    until(lambda: len(wire.got) == sent)
    assert len(wire.at) <= 102 + 1
    inbox.remove(wire.line)


def test_sockets_go_while_others_are_read() -> None:
    """The first that is read takes the others away: they are not read, though something has arrived on them."""
    inbox, wires = Inbox(Pacer()), [Wire() for _ in range(3)]

    def leaving(mine: Wire) -> Callable[[], None]:
        def leave() -> None:
            for other in wires:
                if other is not mine:
                    inbox.remove(other.line)
                    other.near.close()

        return leave

    for wire in wires:
        wire.then = leaving(wire)
        inbox.add(wire.line)
        wire.far.send(b"x")
    until(lambda: any(wire.got for wire in wires))
    gevent.sleep(0.02)
    (left,) = (wire for wire in wires if wire.got)
    left.then = None
    left.far.send(b"y")
    until(lambda: left.got == b"xy" or len(left.at) == 2)
    assert sorted(wire.got for wire in wires) == [b"", b"", b"xy"]


def test_it_can_be_emptied_and_used_again() -> None:
    inbox = Inbox(Pacer())
    for text in (b"first", b"second"):
        wire = Wire()
        inbox.add(wire.line)
        wire.far.send(text)
        until(lambda wire=wire, text=text: wire.got == text)
        inbox.remove(wire.line)
        gevent.sleep(0.01)


def test_one_that_fails_is_a_fault_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults()
    inbox, broken, good = Inbox(Pacer(), faults), Wire(), Wire()

    def fail() -> None:
        raise ZeroDivisionError

    broken.then = fail
    inbox.add(broken.line)
    inbox.add(good.line)
    broken.far.send(b"x")
    good.far.send(b"x")
    until(lambda: good.got and broken.got)
    assert faults.count == 1
    assert [r.message.split(":")[0] for r in caplog.records] == ["what arrived could not be read"]
    for wire in (broken, good):
        inbox.remove(wire.line)
