"""Slots: who shares one, who comes first, and that none outlives its microphones."""

from __future__ import annotations

import socket

from users_peers import until

from protocol import Opcode, PreparedFrame
from users.clock import now_ns
from users.errors import Faults
from users.native import Capture, Line
from users.pacer import Pacer
from users.slots import Slots

FRAME_NS = 10_000_000
SILENCE = PreparedFrame(Opcode.TEXT, bytes(200))


class Ear:
    """An owner whose line is never clear: it hears who sends, and when."""

    def __init__(self, name: str, heard: list[str]) -> None:
        self.name, self.heard = name, heard
        self.near, self.far = socket.socketpair()
        self.line = Line(self.near, False, self)

    def send_later(self, frame: PreparedFrame) -> bool:
        self.heard.append(self.name)
        return True


class Mouth(Capture):
    """A microphone as far as its slot is concerned, which speaks three frames."""

    def __init__(self, ear: Ear) -> None:
        super().__init__(ear.line, (SILENCE,))

    def speak(self) -> None:
        self.frames, self.speech_from, self.mark = (SILENCE,) * 3, self.next, self.next + 2

    def marked(self, due_ns: int, sent_ns: int, sent: bool) -> None:
        self.frames = None


def test_those_of_one_phase_are_served_together_the_speaking_first() -> None:
    heard: list[str] = []
    ears = [Ear(name, heard) for name in "abc"]
    slots = Slots(FRAME_NS, Pacer())
    start_ns = now_ns() // FRAME_NS * FRAME_NS + 3 * FRAME_NS
    mouths = [Mouth(ear) for ear in ears]
    first = slots.join(mouths[0], start_ns)
    assert slots.join(mouths[1], start_ns) is first
    assert slots.join(mouths[2], start_ns + 2 * FRAME_NS) is first
    assert slots.join(Mouth(Ear("other", [])), start_ns + FRAME_NS // 2) is not first
    until(lambda: len(heard) >= 4)
    assert heard[:4] == ["a", "b", "a", "b"], "the third begins two frames later"
    until(lambda: len(heard) >= 10)
    assert heard[4:10] == ["a", "b", "c"] * 2
    mouths[1].speak()
    first.speaks(mouths[1])
    mouths[2].speak()
    first.speaks(mouths[2])
    before = len(heard)
    until(lambda: len(heard) >= before + 15)
    assert heard[before : before + 9] == ["c", "b", "a"] * 3, "who began to speak last is first"
    assert heard[before + 9 : before + 15] == ["c", "b", "a"] * 2, "nobody speaks: as they were"
    for ear in ears:
        ear.line.open = False


def test_one_that_speaks_before_it_has_joined_is_not_served_twice() -> None:
    heard: list[str] = []
    slots = Slots(FRAME_NS, Pacer())
    start_ns = now_ns() // FRAME_NS * FRAME_NS
    ears = [Ear(name, heard) for name in "ab"]
    there, comes = (Mouth(ear) for ear in ears)
    slot = slots.join(there, start_ns)
    slots.join(comes, start_ns)
    comes.speak()
    slot.speaks(comes)
    until(lambda: len(heard) >= 6)
    assert heard[:6] == ["b", "a"] * 3
    for ear in ears:
        ear.line.open = False


def test_an_empty_slot_is_left_and_made_anew() -> None:
    heard: list[str] = []
    pacer = Pacer()
    slots = Slots(FRAME_NS, pacer)
    start_ns = now_ns() // FRAME_NS * FRAME_NS
    ear = Ear("a", heard)
    slot = slots.join(Mouth(ear), start_ns)
    until(lambda: heard)
    ear.line.open = False
    until(lambda: pacer._instants == [])
    sent = len(heard)
    again = Ear("b", heard)
    later_ns = start_ns + (now_ns() - start_ns) // FRAME_NS * FRAME_NS
    assert slots.join(Mouth(again), later_ns) is not slot
    until(lambda: len(heard) >= sent + 3)
    assert set(heard[sent:]) == {"b"}
    again.line.open = False


def test_where_one_fails_those_that_have_ended_are_let_go() -> None:
    class Broken(Ear):
        def send_later(self, frame: PreparedFrame) -> bool:
            raise ZeroDivisionError

    heard: list[str] = []
    faults = Faults()
    slots = Slots(FRAME_NS, Pacer(), faults)
    start_ns = now_ns() // FRAME_NS * FRAME_NS
    broken, good = Broken("broken", heard), Ear("good", heard)
    slot = slots.join(Mouth(broken), start_ns)
    slots.join(Mouth(good), start_ns)
    until(lambda: len(heard) >= 2)
    good.line.open = False
    until(lambda: len(slot._microphones) == 1)
    assert faults.count >= 2
    broken.line.open = False
    until(lambda: not slot._microphones)
