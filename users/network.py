"""The emulated networks of a process: one carrier hands over what is due, one emulation per session knows what its profile does to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent
from gevent import get_hub

from scenarios.network import Fate, Network, Numbers, numbers
from users.clock import SECOND_NS, now_ns
from users.errors import Faults
from users.native import Path, Transit
from users.pacer import GRID_NS, Pacer, on_grid
from users.way import NEVER, Dice, Stalls


class Carrier:
    """Has the pacer call it whenever something on an emulated network is due: one entry per process, however many frames are under way."""

    urgent = True

    def __init__(self, pacer: Pacer, faults: Faults | None = None) -> None:
        self._pacer = pacer
        self._faults = faults or Faults()
        self.transit = Transit(self._wake)

    def _wake(self, at_ns: int) -> None:
        due_ns = self.transit.armed_ns = on_grid(at_ns)
        self._pacer.add(self, due_ns)

    def due(self, due_ns: int) -> int | None:
        """The pacer's call: hand over what is due, and be called again when the next is."""
        transit = self.transit
        if due_ns != transit.armed_ns:  # something that came later was due sooner
            return None
        try:
            transit.hand_over(now_ns())
        except Exception:
            self._faults.note("what has passed a network profile could not be handed over")
        next_ns = transit.next_ns
        transit.armed_ns = NEVER if next_ns == NEVER else max(due_ns + GRID_NS, on_grid(next_ns))
        return None if next_ns == NEVER else transit.armed_ns


@dataclass(frozen=True, slots=True)
class Wait:
    """Sizes on the wire of a step of the opening, in bytes: what the talker sends, and what comes back."""

    up: int
    down: int


SYN, TLS, SHAKE = Wait(0, 0), Wait(517, 3500), Wait(500, 300)
"""TCP's handshake; a ClientHello padded to 517 bytes (RFC 7685) and a server's flight with its certificates; the WebSocket's handshake."""


class Emulation:
    """The network of one session. `name`: of its profile. `path`: None where the profile delays nothing. `was_reset`: it has ended the
    session."""

    __slots__ = ("_fate", "_half_open_ns", "_numbers", "_reset", "_started_ns", "name", "path", "was_reset")

    def __init__(self, carrier: Carrier, name: str, network: Network, fate: Fate) -> None:
        self.name = name
        self.was_reset = False
        self._fate = fate
        self._half_open_ns: int | None = None
        self._reset: Any = None
        self._numbers: Numbers = numbers(network)
        self._started_ns = now_ns()
        self.path: Path | None = None
        if not network.transparent:
            self.path = Path(carrier.transit, self._numbers, fate.seed, self._started_ns)

    @property
    def round_trip_s(self) -> float:
        """Round trip of the profile on average, without its losses and stalls."""
        return self._numbers.rtt_ns / SECOND_NS

    def leave(self, step: Wait) -> None:
        """Wait until what the talker sends in this step of the opening has arrived. Blocks the calling greenlet."""
        if self.path is not None:
            _sleep_until(self.path.up(now_ns(), step.up))

    def arrive(self, step: Wait, at_ns: int) -> int:
        """Wait until what the assistant sent at `at_ns` has arrived; returns when that is. Blocks the calling greenlet."""
        if self.path is None:
            return at_ns
        arrives_ns = self.path.down(at_ns, step.down)
        _sleep_until(arrives_ns)
        return arrives_ns

    def opened(self, t_ns: int, on_reset: Callable[[str], None]) -> None:
        """The session is open. `on_reset(why)` is called if and when its connection is to be reset."""
        fate = self._fate
        if self.path is not None and fate.half_open_s is not None:
            self._half_open_ns = self.path.cut_ns = t_ns + round(fate.half_open_s * SECOND_NS)

        def reset() -> None:
            self.was_reset = True
            on_reset(self._why_reset)

        if fate.reset_s is not None:
            self._reset = get_hub().loop.timer(fate.reset_s)
            self._reset.start(reset)

    def ended(self) -> None:
        """The session is over: what is under way is lost."""
        if self._reset is not None:
            self._reset.stop()
            self._reset.close()
            self._reset = None
        if self.path is not None:
            self.path.end()

    def up_s(self, sent_ns: int) -> float | None:
        """How long what was sent last, at `sent_ns`, is under way; None where it never arrives."""
        if self.path is None:
            return 0.0
        return None if self.path.up_ns == NEVER else max(0, self.path.up_ns - sent_ns) / SECOND_NS

    def down_s(self) -> float:
        """How long what is being handed over was under way."""
        return self.path.delayed_ns / SECOND_NS if self.path is not None else 0.0

    @property
    def _why_reset(self) -> str:
        return f"connection reset by the talker's own network profile {self.name}"

    def why_broken(self, t_ns: int) -> str | None:
        """What the profile did by this instant that breaks a session; None where it did nothing such."""
        if self.was_reset:
            return self._why_reset
        half_open_ns = self._half_open_ns
        if half_open_ns is not None and t_ns >= half_open_ns:
            return f"nothing passes any more: the talker's own network profile {self.name} left the connection half-open"
        return None

    def facts(self, closed_ns: int) -> dict[str, Any]:
        """The fields of the session's record."""
        path = self.path
        stalls, stalled_s = self._stalled(closed_ns) if path is not None else (0, 0.0)
        return {
            "network": self.name,
            "network_losses": path.lost if path is not None else 0,
            "network_stalls": stalls,
            "network_stalled_s": stalled_s,
            "network_frames_lost": path.frames_lost if path is not None else 0,
            "network_reset": self.was_reset,
            "network_half_open": self._half_open_ns is not None and closed_ns >= self._half_open_ns,
        }

    def _stalled(self, until_ns: int) -> tuple[int, float]:
        """How many stalls have begun by then, and how long they lasted until then together, in seconds."""
        if not self._numbers.gaps:
            return 0, 0.0
        dice = Dice(self._fate.seed)
        seeds = [dice.next() for _ in range(3)]
        stalls, t_ns = Stalls(self._numbers, seeds[2], self._started_ns), self._started_ns
        count, stalled_ns = 0, 0
        while True:
            stalls.after(t_ns)
            if stalls.begin >= until_ns:
                return count, stalled_ns / SECOND_NS
            count += 1
            stalled_ns += min(stalls.end, until_ns) - stalls.begin
            t_ns = stalls.end


def _sleep_until(t_ns: int) -> None:
    left_ns = t_ns - now_ns()
    if left_ns > 0:
        gevent.sleep(left_ns / SECOND_NS)
