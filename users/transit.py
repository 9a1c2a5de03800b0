"""A talker's network path, both ways: what is under way waits here, and is handed over when it has arrived. In C: `users/_transit.h`."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from protocol import PreparedFrame
from scenarios.network import Numbers
from users import clock
from users.way import NEVER, Dice, Way

if TYPE_CHECKING:
    from users.line import Line

GRID_NS = 1_000_000
WINDOW = 65536
"""Bytes that wait for the downlink before the socket is read no further."""
WAITING_MAX = 1 << 20
"""Bytes that wait for the uplink before further audio frames are dropped."""
READ_LEAST, READ_MOST, READ_STEP_NS = 8192, 65536, 10_000_000
"""Bytes that are read at once: as many as pass in this time, but a usual message of audio. They count as one message."""

_UP, _DOWN, _READ = 0, 1, 2
_EPOLLIN = 1


class Transit:
    """Keeps who has something to hand over, and when. `wake(at_ns)` is called where that is before `armed_ns`, which its owner sets."""

    __slots__ = ("_heap", "_made", "armed_ns", "wake")

    def __init__(self, wake: Callable[[int], None]) -> None:
        self.wake = wake
        self.armed_ns = NEVER
        self._heap: list[tuple[int, int, Line, int]] = []
        self._made = 0

    @property
    def next_ns(self) -> int:
        """When the next is due; NEVER for none."""
        return self._heap[0][0] if self._heap else NEVER

    def add(self, at_ns: int, line: Line, what: int) -> None:
        """Have `line` do this at that instant."""
        self._made += 1
        heapq.heappush(self._heap, (at_ns, self._made, line, what))
        if at_ns < self.armed_ns:
            self.wake(at_ns)

    def hand_over(self, now_ns: int) -> None:
        """Hand over all that is due; wakes nobody. One that fails holds up no other; the first exception is raised at the end."""
        self.armed_ns = 0
        failure: Exception | None = None
        while self._heap and self._heap[0][0] <= now_ns:
            _, _, line, what = heapq.heappop(self._heap)
            if line.path is not None:
                try:
                    line.path._due(line, what, now_ns)
                except Exception as error:
                    failure = failure or error
        if failure is not None:
            raise failure


class Path:
    """Both directions of one session. `start_ns`: from when on stalls are drawn. `cut_ns`: from when on nothing passes, NEVER unless set.

    `up_ns`: when what was sent last arrives, NEVER where it does not; `delayed_ns`: how long what was handed over last was under way;
    `resume_ns`: when the socket is to be read again, 0: now; `frames_lost`: audio frames that never arrive.
    """

    __slots__ = (
        "_aligned", "_coming", "_down", "_poller", "_read_ps", "_sending", "_transit", "_up", "_waiting", "_window_ns",
        "cut_ns", "delayed_ns", "frames_lost", "read_size", "resume_ns", "up_ns",
    )  # fmt: skip

    def __init__(self, transit: Transit, numbers: Numbers, seed: int, start_ns: int) -> None:
        dice = Dice(seed)
        up_seed, down_seed, stalls_seed = dice.next(), dice.next(), dice.next()
        self._up = Way(numbers, numbers.up_ps, up_seed, stalls_seed, start_ns)
        self._down = Way(numbers, numbers.down_ps, down_seed, stalls_seed, start_ns)
        self._transit = transit
        self._window_ns = WINDOW * numbers.down_ps // 1000
        self._read_ps = numbers.read_ps
        slowest_ps = max(numbers.down_ps, numbers.read_ps)
        self.read_size = min(READ_MOST, max(READ_LEAST, READ_STEP_NS * 1000 // slowest_ps)) if slowest_ps else READ_MOST
        self._sending: deque[tuple[int, PreparedFrame | bytes, int]] = deque()
        self._coming: deque[tuple[int, int, bytes | int]] = deque()
        self._waiting = 0
        self._aligned = False
        self._poller: Any = None
        self.cut_ns = NEVER
        self.up_ns = self.delayed_ns = self.resume_ns = self.frames_lost = 0

    @property
    def lost(self) -> int:
        """Segments lost so far, both ways."""
        return self._up.lost + self._down.lost

    def up(self, at_ns: int, size: int) -> int:
        """When bytes sent by the talker arrive."""
        return self._up.passes(at_ns, size, self.cut_ns)

    def down(self, at_ns: int, size: int) -> int:
        """When bytes sent by the assistant arrive."""
        return self._down.passes(at_ns, size, self.cut_ns)

    def end(self) -> None:
        """The session is over: what is under way is lost."""
        self.frames_lost += sum(not isinstance(what, bytes) for _, what, _ in self._sending)
        self._sending.clear()
        self._coming.clear()

    # What the line calls.

    def send(self, line: Line, what: PreparedFrame | bytes, size: int) -> bool:
        """A frame, or the bytes of another message."""
        audio = not isinstance(what, bytes)
        if audio and self._waiting > WAITING_MAX and line.owner is not None:
            return line.owner.overfull()
        now_ns = clock.now_ns()
        at_ns = self.up(now_ns, size)
        if at_ns == NEVER:
            self.up_ns = NEVER
            self.frames_lost += audio
            return True
        self.up_ns = at_ns = (at_ns + GRID_NS // 2) // GRID_NS * GRID_NS
        if at_ns <= now_ns and not self._sending:
            self.up_ns = now_ns
            return line.hand(what)
        self._sending.append((at_ns, what, size))
        self._waiting += size
        if len(self._sending) == 1:
            self._transit.add(at_ns, line, _UP)
        return True

    def came(self, line: Line, stamp_ns: int, what: bytes | int) -> None:
        """Bytes were read, none at the end of the stream; or an error number."""
        at_ns, now_ns = self.down(stamp_ns, len(what) if isinstance(what, bytes) and what else 1), clock.now_ns()
        if at_ns == NEVER:
            self.resume_ns = NEVER
            return
        self._read_again(now_ns, what)
        if at_ns <= now_ns and not self._coming:
            self._give(line, at_ns, stamp_ns, what)
            return
        self._coming.append((at_ns, stamp_ns, what))
        if len(self._coming) == 1:
            self._transit.add(at_ns, line, _DOWN)

    def pause(self, line: Line, poller: Any) -> None:
        """Do not read until `resume_ns`."""
        poller.unregister(line.fd)
        self._poller = poller
        if self.resume_ns != NEVER:
            self._transit.add(self.resume_ns, line, _READ)

    def _read_again(self, now_ns: int, what: bytes | int) -> None:
        if not isinstance(what, bytes) or not what:
            self.resume_ns = NEVER
            return
        resume_ns = max(self._down.free_ns - self._window_ns, now_ns + len(what) * self._read_ps // 1000)
        self.resume_ns = resume_ns if resume_ns > now_ns else 0

    def _give(self, line: Line, at_ns: int, stamp_ns: int, what: bytes | int) -> None:
        if line.owner is None:
            return
        self.delayed_ns = at_ns - stamp_ns
        if isinstance(what, bytes):
            line.owner.arrived(at_ns, what)
        else:
            line.owner.read_failed(what)

    def _due(self, line: Line, what: int, now_ns: int) -> None:
        if what == _READ:
            self.resume_ns = 0
            self._poller.register(line.fd, _EPOLLIN)
            return
        waiting: deque[Any] = self._sending if what == _UP else self._coming
        try:
            while waiting and waiting[0][0] <= now_ns:
                at_ns, *rest = waiting.popleft()
                if what == _UP:
                    self._waiting -= rest[1]
                    line.hand(rest[0])
                else:
                    self._give(line, at_ns, *rest)
        finally:
            if waiting:
                self._transit.add(waiting[0][0], line, what)
