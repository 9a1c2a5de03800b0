"""Links behind a network profile in either make, and peers that stamp what they see with the same machine's clock."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from users_lines import MAKES, make_id
from users_peers import PATIENCE_S, Caller, Peer
from websockets.frames import Frame, Opcode

from scenarios.network import Fate, Network
from users import clock, inbox, network, transport
from users.inbox import Inbox
from users.network import Carrier, Emulation
from users.opening import Target, connect
from users.pacer import Pacer


@pytest.fixture(params=MAKES, ids=make_id, autouse=True)
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Everything runs in C, and in Python."""
    made: ModuleType = request.param
    monkeypatch.setattr(transport, "Line", made.Line)
    monkeypatch.setattr(network, "Path", made.Path)
    monkeypatch.setattr(network, "Transit", made.Transit)
    monkeypatch.setattr(inbox, "look", made.look)
    return made


class NetworkCaller(Caller):
    """A link with a network, which it starts at once."""

    def __init__(self, url: str, profile: Network, fate: Fate, pacer: Pacer, tls: ssl.SSLContext) -> None:
        self.messages: list[bytes] = []
        self.arrivals: list[int] = []
        self.handed: list[int] = []
        self.closed: list[Any] = []
        self.emulation = Emulation(Carrier(pacer), "mine", profile, fate)
        target = Target(url, {}, [], tls, PATIENCE_S)
        self.link = connect(target, Inbox(pacer), self._message, self.closed.append, None, self.emulation)
        self.link.start()

    def _message(self, arrived_ns: int, payload: bytes, opcode: Opcode = Opcode.TEXT) -> None:
        super()._message(arrived_ns, payload)
        self.handed.append(clock.now_ns())


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
