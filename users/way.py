"""One direction of a talker's network path: when bytes that are sent arrive. Pure. In C: `users/_way.h`, to the same numbers.

A message leaves when those before it have left, takes its time at the bandwidth, travels for the base delay and a drawn jitter, and arrives
no sooner than those before it, as TCP hands over in order. A lost segment arrives by a retransmission, and holds up all that follows. In a
stall nothing leaves and nothing arrives; from `cut_ns` on nothing does any more. `docs/networks.md` tells the model in full.
"""

from __future__ import annotations

from scenarios.network import Numbers

NEVER = (1 << 63) - 1
"""The instant of what does not arrive."""

MSS, HEADERS = 1448, 52
"""Payload of a segment on Ethernet, and its IP and TCP headers with time stamps."""
RTO_MIN_NS, RTO_MAX_NS = 200_000_000, 120_000_000_000
"""What Linux adds to the round trip at least, and the most it waits (RFC 6298; include/net/tcp.h)."""

_MASK = (1 << 64) - 1


class Dice:
    """splitmix64 (Steele, Lea and Flood 2014): 64 bits at a time."""

    __slots__ = ("state",)

    def __init__(self, seed: int) -> None:
        self.state = seed & _MASK

    def next(self) -> int:
        """The next 64 bits."""
        self.state = z = (self.state + 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _MASK
        return z ^ z >> 31


class Stalls:
    """When nothing passes, for one who asks in order of time; all who start with the same seed are told the same."""

    __slots__ = ("_dice", "_gaps", "_lengths", "begin", "end")

    def __init__(self, numbers: Numbers, seed: int, start_ns: int) -> None:
        self._gaps, self._lengths = (memoryview(table).cast("q") for table in (numbers.gaps, numbers.lengths))
        self._dice = Dice(seed)
        self.begin, self.end = 0, start_ns

    def after(self, t_ns: int) -> int:
        """The first instant from `t_ns` on at which something passes."""
        if not self._gaps:
            return t_ns
        while self.end <= t_ns:
            self.begin = self.end + self._gaps[self._dice.next() >> 54]
            self.end = self.begin + self._lengths[self._dice.next() >> 54]
        return self.end if self.begin <= t_ns else t_ns


class Way:
    """One direction. `lost`: segments so far, retransmissions included; `free_ns`: when all that was sent has left."""

    __slots__ = (
        "_base_ns",
        "_before_ns",
        "_dice",
        "_jitter",
        "_landing",
        "_last_ns",
        "_leaving",
        "_loss",
        "_ps",
        "_rtt_ns",
        "free_ns",
        "lost",
    )

    def __init__(self, numbers: Numbers, ps_per_byte: int, seed: int, stalls_seed: int, start_ns: int) -> None:
        self._base_ns, self._ps, self._loss, self._rtt_ns = numbers.base_ns, ps_per_byte, numbers.loss, numbers.rtt_ns
        self._jitter = memoryview(numbers.jitter).cast("q")
        self._dice = Dice(seed)
        self._leaving, self._landing = (Stalls(numbers, stalls_seed, start_ns) for _ in range(2))
        self.free_ns = self._last_ns = 0
        self._before_ns = start_ns - 2 * numbers.rtt_ns
        self.lost = 0

    def passes(self, at_ns: int, size: int, cut_ns: int) -> int:
        """When the last of `size` bytes arrives that are sent at `at_ns`, which never goes back: later than all before, so that their order
        can be told by their instants."""
        gap_ns, self._before_ns = at_ns - self._before_ns, at_ns
        start_ns = self._leaving.after(max(at_ns, self.free_ns))
        if start_ns >= cut_ns:
            return NEVER
        jitter_ns = self._jitter[self._dice.next() >> 54]
        segments = max(1, -(-size // MSS))
        self.free_ns = arrives_ns = start_ns + (size + segments * HEADERS) * self._ps // 1000
        if self._loss:
            for n in range(1, segments + 1):
                late_ns = self._retransmission(gap_ns if n == segments else 0)
                if late_ns:
                    left = min(n * MSS, size) + n * HEADERS
                    arrives_ns = max(arrives_ns, start_ns + left * self._ps // 1000 + late_ns)
        arrives_ns = max(self._last_ns + 1, self._landing.after(max(self._last_ns, arrives_ns + self._base_ns + jitter_ns)))
        self._last_ns = arrives_ns
        return arrives_ns if arrives_ns < cut_ns else NEVER

    def _retransmission(self, gap_ns: int) -> int:
        """How much later a segment arrives by being lost; 0 where it is not. `gap_ns`: how long after it another is sent."""
        if self._dice.next() >> 32 >= self._loss:
            return 0
        rtt_ns = self._rtt_ns
        late_ns, timer_ns = min(rtt_ns + max(rtt_ns // 4, gap_ns), 2 * rtt_ns), rtt_ns + RTO_MIN_NS
        self.lost += 1
        while self._dice.next() >> 32 < self._loss:
            self.lost += 1
            late_ns += timer_ns
            timer_ns = min(2 * timer_ns, RTO_MAX_NS)
        return late_ns
