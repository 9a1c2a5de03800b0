"""A client that does not read: what makes messages for it waits, and closing does not."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from assistant_harness import profile

from assistant import session as session_module
from assistant.call import Call
from assistant.exposition import Exposition
from assistant.hub import Hub
from assistant.outbox import Outbox
from assistant.server import GIVE_UP_MS, bind
from assistant.session import Session
from assistant.settings import RATE, Settings
from assistant.truth import TruthLog
from assistant.wires.openai_realtime import OpenAIRealtime
from audio import load_corpus


class Reader:
    """A connection that takes messages only while `reading` is set."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()
        self.taken: list[str] = []

    async def send(self, message: dict[str, Any]) -> None:
        await self.reading.wait()
        self.taken.append(message.get("text", message["type"]))


def test_everybody_waits_for_a_slow_reader_and_order_is_kept() -> None:
    async def go() -> list[str]:
        reader = Reader()
        outbox = Outbox(reader.send, Exposition())
        outbox.put("a")
        first = asyncio.ensure_future(outbox.flush())
        await asyncio.sleep(0)
        outbox.put("b")
        second = asyncio.ensure_future(outbox.flush())
        await asyncio.sleep(0)
        assert not first.done() and not second.done()
        reader.reading.set()
        await asyncio.gather(first, second)
        return reader.taken

    assert asyncio.run(go()) == ["a", "b"]


def test_a_client_that_is_gone_gets_nothing_more() -> None:
    async def gone(message: dict[str, Any]) -> None:
        raise ConnectionResetError

    async def go() -> Outbox:
        outbox = Outbox(gone, Exposition())
        outbox.put("a")
        await outbox.flush()
        outbox.put("b")
        return outbox

    outbox = asyncio.run(go())
    assert outbox.closed and not outbox.waiting


def test_closing_a_session_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "CLOSE_TIMEOUT_S", 0.01)

    async def go() -> bool:
        hub = Hub(profile(), 1, load_corpus(rate=RATE), TruthLog(None, seed=1, profile={}))
        reader = Reader()
        outbox = Outbox(reader.send, hub.exposition)
        call = Call(hub, outbox, OpenAIRealtime("t"), client=None, settings=Settings("m"))
        outbox.put("what the client never reads")
        await Session(call, reader.send, reader.send).close(1001, "Goodbye.")
        return call.aborted.is_set()

    assert asyncio.run(go())


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
def test_a_dead_peer_is_given_up() -> None:
    with bind("127.0.0.1", 0) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == GIVE_UP_MS
