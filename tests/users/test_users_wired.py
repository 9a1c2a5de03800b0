"""A dialect at work on a link: what it decodes is handed on, what its wire wants done is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from users_peers import until

from protocol import Dialect, MalformedMessage, Opcode, PreparedFrame
from protocol.events import AudioDelta, Cleared, Event, Mark, Reply, Unknown
from users.clock import now_ns
from users.wired import Wired

RATE = 8000
AHEAD_NS = 250_000_000
"""So long after now a message is said to arrive: a busy machine has looked whether its mark is back already by then."""


class Bare(Dialect):
    """Says nothing of its own. Text: what is evaluated; binary: audio, two bytes a sample."""

    name = "bare"
    audio_opcode = Opcode.BINARY
    output_rate = RATE

    def append(self, audio: bytes) -> bytes:
        return audio

    def decode(self, message: bytes) -> Event | list[Event]:
        if message == b"bad":
            raise MalformedMessage("bad")
        word, _, name = message.decode().partition(" ")
        made: dict[str, Event] = {"mark": Mark(name), "clear": Cleared(), "ask": Reply(f"answer {name}".encode())}
        return [made[word], Unknown("more")] if word in made else Unknown(word)

    def decode_binary(self, message: bytes) -> Event:
        return AudioDelta(None, None, 0, len(message) // 2, message)


class Marking(Bare):
    """Gives marks back, and numbers what the microphone sends."""

    stamps = True

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._number = 0

    def stamp(self, message: bytes) -> bytes:
        self._number += 1
        return b"%d:%s" % (self._number, message)

    def played(self, mark: str) -> bytes:
        return f"played {mark}".encode()


@dataclass
class LinkLike:
    """Notes what is sent, and when."""

    line: Any = field(default_factory=lambda: SimpleNamespace(stamp=None))
    sent: list[tuple[int, bytes, Opcode]] = field(default_factory=list)

    def send(self, message: bytes, opcode: Opcode) -> bool:
        self.sent.append((now_ns(), message, opcode))
        return True

    @property
    def messages(self) -> list[bytes]:
        return [message for _, message, _ in self.sent]


def joined(dialect: Dialect) -> tuple[Wired, LinkLike]:
    wired, link = Wired(dialect), LinkLike()
    wired.join(link)  # type: ignore[arg-type]
    return wired, link


def sound(seconds: float) -> bytes:
    return bytes(2 * round(RATE * seconds))


def test_events_in_their_order_and_answers_at_once() -> None:
    wired, link = joined(Bare())
    assert wired.events(1, b"ask 7", Opcode.TEXT) == [Reply(b"answer 7"), Unknown("more")]
    assert wired.events(2, b"what", Opcode.TEXT) == (Unknown("what"),)
    assert [(message, opcode) for _, message, opcode in link.sent] == [(b"answer 7", Opcode.TEXT)]


def test_malformed_messages_are_counted_and_have_no_events() -> None:
    wired, _ = joined(Bare())
    assert [len(wired.events(1, message, Opcode.TEXT)) for message in (b"bad", b"what", b"bad")] == [0, 1, 0]
    assert wired.counted.malformed_messages == 2


def test_frames_are_stamped_where_the_dialect_stamps() -> None:
    _, link = joined(Bare())
    assert link.line.stamp is None
    wired, link = joined(Marking())
    stamped = [link.line.stamp(PreparedFrame(Opcode.BINARY, b"sound")) for _ in range(2)]
    assert [frame.payload for frame in stamped] == [b"1:sound", b"2:sound"]
    assert [frame.wire[0] & 0x0F for frame in stamped] == [Opcode.BINARY, Opcode.BINARY]
    wired.close()
    assert link.line.stamp is None


def test_a_mark_comes_back_when_all_audio_before_it_is_played() -> None:
    wired, link = joined(Marking())
    arrived_ns = now_ns() + AHEAD_NS
    wired.events(arrived_ns, sound(0.1), Opcode.BINARY)
    wired.events(arrived_ns, b"mark first", Opcode.TEXT)
    wired.events(arrived_ns, sound(0.05), Opcode.BINARY)
    wired.events(arrived_ns, b"mark second", Opcode.TEXT)
    assert link.sent == []
    until(lambda: len(link.sent) == 2)
    assert link.messages == [b"played first", b"played second"]
    assert [at_ns - arrived_ns >= due_ns for (at_ns, *_), due_ns in zip(link.sent, (100_000_000, 150_000_000), strict=True)] == [True, True]


def test_a_mark_behind_no_audio_comes_back_at_once() -> None:
    wired, link = joined(Marking())
    wired.events(now_ns(), b"mark now", Opcode.TEXT)
    assert link.messages == [b"played now"]


def test_clearing_brings_all_marks_back_and_what_comes_then_is_played_at_once() -> None:
    wired, link = joined(Marking())
    arrived_ns = now_ns()
    wired.events(arrived_ns, sound(60.0), Opcode.BINARY)
    for name in ("first", "second"):
        wired.events(arrived_ns, f"mark {name}".encode(), Opcode.TEXT)
    assert link.sent == []
    wired.events(now_ns(), b"clear", Opcode.TEXT)
    assert link.messages == [b"played first", b"played second"]
    arrived_ns = now_ns() + AHEAD_NS
    wired.events(arrived_ns, sound(0.1), Opcode.BINARY)
    wired.events(arrived_ns, b"mark third", Opcode.TEXT)
    assert len(link.sent) == 2
    until(lambda: len(link.sent) == 3)
    assert link.sent[2][0] >= arrived_ns + 100_000_000


@pytest.mark.parametrize("act", ["closed", "without marks"])
def test_marks_that_never_come_back(act: str) -> None:
    wired, link = joined(Marking() if act == "closed" else Bare())
    wired.events(now_ns() + AHEAD_NS, b"mark lost", Opcode.TEXT)
    if act == "closed":
        wired.close()
    gevent.sleep(AHEAD_NS / 1e9 + 0.05)
    assert link.sent == []


def test_nothing_is_sent_before_the_link_and_after_the_end() -> None:
    wired = Wired(Marking())
    assert not wired.send(b"x")
    wired, link = joined(Marking())
    assert wired.send(b"x")
    assert not wired.send(None)
    wired.close()
    assert not wired.send(b"x")
    assert link.messages == [b"x"]
