"""Audio of an answer that is being heard already: the line holds it as it comes, and it is tracked some messages at a time.

It says nothing that has to be acted on, and to track it by its length alone costs a fraction (docs/performance.md).
"""

from __future__ import annotations

from bisect import bisect_right

from metrics.tracker import Tracker
from protocol import Alike
from users.clock import now_ns
from users.counted import Counted
from users.native import Line


def take_held(line: Line, until_ns: int | None = None) -> list[int]:
    """Takes what is held: arrival instant and samples of each message in turn. It came before what is handed over after it. Behind a
    network, only what has arrived by `until_ns` (None: by now)."""
    held: list[int] = line.held
    if held and line.path is not None:
        arrived = 2 * bisect_right(held[::2], now_ns() if until_ns is None else until_ns)
        line.held = held[arrived:]
        return held[:arrived]
    if held:
        line.held = []
    return held


class Held:
    """Of one session. `tracker`: None until the session is ready; what is held before is dropped."""

    __slots__ = ("_counted", "_left", "_line", "_response_id", "tracker")

    def __init__(self, line: Line, counted: Counted) -> None:
        self.tracker: Tracker | None = None
        self._line = line
        self._counted = counted
        self._response_id: str | None = None  # the answer whose audio the line holds
        self._left: list[tuple[str | None, list[int]]] = []  # what an answer has under way in the network while another is heard

    def hold(self, alike: Alike | None, response_id: str | None) -> None:
        """From now on hold text messages like these, audio of this answer: only when they came and their samples, instead of handing them
        over; None: none. Only those are held that are read whole and by themselves."""
        self._line.alike = alike
        if self._line.held:
            self._left.append((self._response_id, self._line.held))
            self._line.held = []
        self._response_id = response_id

    def tracked(self) -> Tracker:
        """The tracker, once all that has arrived is tracked. Raises RuntimeError before the session is ready."""
        if self.tracker is None:
            raise RuntimeError("the session is not open")
        self.track()
        return self.tracker

    def track(self, until_ns: int | None = None) -> None:
        """Track what is held. Behind a network, only what has arrived by `until_ns` (None: by now)."""
        if self._left:
            by_ns, left, self._left = now_ns() if until_ns is None else until_ns, self._left, []
            for response_id, under_way in left:
                arrived = 2 * bisect_right(under_way[::2], by_ns)
                self._track(response_id, under_way[:arrived])
                if arrived < len(under_way):
                    self._left.append((response_id, under_way[arrived:]))
        held = take_held(self._line, until_ns)
        if held:
            self._track(self._response_id, held)

    def _track(self, response_id: str | None, held: list[int]) -> None:
        if self.tracker is not None:
            instants_ns, samples = held[::2], held[1::2]
            self.tracker.goes_on(response_id, instants_ns, samples)
            self._counted.audio_samples_received += sum(samples)
