"""The gate through which talkers go to open a session: one after the other.

Locust starts a second's talkers all at once, and calls may end together. Fifty openings in one pass of the event loop would hold up
everyone who talks for as long as they take together; a few milliseconds apart they hold up nobody.
"""

from __future__ import annotations

from users.clock import SECOND_NS, now_ns

SPACING_NS = 5_000_000
"""Between two openings, each of which takes 1 to 2 ms of the processor; 200 a second are four times what a worker is asked for."""


class Gate:
    """Hands out the instants at which talkers may open their sessions."""

    def __init__(self) -> None:
        self._next_ns = 0

    def wait_s(self) -> float:
        """How long whoever asks now is to wait, in seconds; 0 where nobody has gone through just now. Asking takes the place."""
        t_ns = now_ns()
        mine_ns = max(t_ns, self._next_ns)
        self._next_ns = mine_ns + SPACING_NS
        return (mine_ns - t_ns) / SECOND_NS
