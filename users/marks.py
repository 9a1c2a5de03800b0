"""What a telephone network does with marks: each comes back once the audio before it has been played, or has been dropped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import gevent

from users.clock import SECOND_NS, now_ns


class Marks:
    """Of one session. `rate`: of the assistant's audio, Hz. `send(name)` gives a mark back; it is called later, or at once."""

    def __init__(self, rate: int, send: Callable[[str], None]) -> None:
        self._rate = rate
        self._send: Callable[[str], None] | None = send
        self._played_ns = 0  # when all that has come is played
        self._waiting: deque[tuple[int, str]] = deque()
        self._timer: gevent.Greenlet | None = None

    def audio(self, t_ns: int, samples: int) -> None:
        """Audio came: it is played behind what came before."""
        self._played_ns = max(self._played_ns, t_ns) + samples * SECOND_NS // self._rate

    def mark(self, t_ns: int, name: str) -> None:
        """A mark came."""
        self._waiting.append((max(self._played_ns, t_ns), name))
        self._due()

    def cleared(self, t_ns: int) -> None:
        """What has not been played is dropped; all marks come back."""
        self._played_ns = min(self._played_ns, t_ns)
        self._give_back(None)

    def close(self) -> None:
        """The session is over: no more marks come back."""
        self._send = None
        self._waiting.clear()
        if self._timer is not None:
            self._timer.kill(block=False)

    def _due(self) -> None:
        self._give_back(now_ns())
        if self._waiting and self._timer is None:
            self._timer = gevent.spawn_later(max(0, self._waiting[0][0] - now_ns()) / SECOND_NS, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._due()

    def _give_back(self, until_ns: int | None) -> None:
        while self._waiting and self._send is not None and (until_ns is None or self._waiting[0][0] <= until_ns):
            self._send(self._waiting.popleft()[1])
