"""Microphones whose frames are due at the same instants are kept together in a slot, and served together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from users.errors import Faults
from users.native import capture_all
from users.pacer import Pacer

if TYPE_CHECKING:
    from users.microphone import Microphone


class Slot:
    """What the pacer calls for the microphones of one slot. Those that speak come first: what is measured begins with their frames."""

    urgent = True

    def __init__(self, frame_ns: int, pacer: Pacer, faults: Faults, on_empty: Callable[[], object]) -> None:
        self._frame_ns = frame_ns
        self._late_ns = pacer.late_ns
        self._faults = faults
        self._on_empty = on_empty
        self._microphones: list[Microphone] = []
        self._coming: list[tuple[int, Microphone]] = []

    def add(self, microphone: Microphone, due_ns: int) -> None:
        """Its first frame is due at this instant."""
        self._coming.append((due_ns, microphone))

    def speaks(self, microphone: Microphone) -> None:
        """It has begun to speak."""
        others = self._microphones.copy()  # the present list may be being served
        if microphone in others:
            others.remove(microphone)
            self._microphones = [microphone, *others]

    def _tidy(self) -> None:
        """Some are done, or have ended."""
        live = [m for m in self._microphones if m.line.open]
        self._microphones = [m for m in live if m.frames is not None] + [m for m in live if m.frames is None]

    def due(self, due_ns: int) -> int | None:
        """Send the frames whose last samples were captured at `due_ns`."""
        if self._coming:
            self._microphones = self._microphones + [m for first_ns, m in self._coming if first_ns <= due_ns]
            self._coming = [(first_ns, m) for first_ns, m in self._coming if first_ns > due_ns]
            self._tidy()
        try:
            changed = capture_all(self._microphones, due_ns, self._late_ns)
        except Exception:
            self._faults.note("a frame could not be sent")
            changed = True
        if changed:
            self._tidy()
        if self._microphones or self._coming:
            return due_ns + self._frame_ns
        self._on_empty()
        return None


class Slots:
    """The slots of a run, whose frames last `frame_ns` each: one for every step of the pacer's grid within a frame, at most."""

    def __init__(self, frame_ns: int, pacer: Pacer, faults: Faults | None = None) -> None:
        self._frame_ns = frame_ns
        self._pacer = pacer
        self._faults = faults or Faults()
        self._slots: dict[int, Slot] = {}

    def join(self, microphone: Microphone, start_ns: int) -> Slot:
        """The slot of a microphone that starts at this instant, now or later: its frames are due whole frame durations after it."""
        phase_ns, due_ns = start_ns % self._frame_ns, start_ns + self._frame_ns
        slot = self._slots.get(phase_ns)
        if slot is None:
            slot = self._slots[phase_ns] = Slot(self._frame_ns, self._pacer, self._faults, lambda: self._slots.pop(phase_ns, None))
            self._pacer.add(slot, due_ns)
        slot.add(microphone, due_ns)
        return slot
