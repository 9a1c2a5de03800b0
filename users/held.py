"""Audio of an answer that is being heard already: the line holds it as it comes, and it is tracked some messages at a time.

It says nothing that has to be acted on, and to track it by its length alone costs a fraction (docs/performance.md). By ear, only what is
surely loud is held. Behind a network, only what names its response: there a response may be over before what was held for it has arrived.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import partial

from audio.codecs import PCM16, surely_loud
from metrics.tracker import Notice, Tracker
from protocol import Alike, Opcode
from protocol.events import AudioDelta, Event
from users.clock import now_ns
from users.native import Line
from users.wired import Wired

_AUDIBLE = int(Notice.AUDIBLE)


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
    """Of one session. `tracker`: None until `begin`; what is held before is dropped."""

    __slots__ = ("_left", "_line", "_response_id", "_wired", "tracker")

    def __init__(self, line: Line, wired: Wired) -> None:
        self.tracker: Tracker | None = None
        self._line = line
        self._wired = wired
        self._response_id: str | None = None  # the answer whose audio the line holds
        self._left: list[tuple[str | None, list[int]]] = []  # what an answer has under way in the network while another is heard

    def begin(self, tracker: Tracker) -> None:
        """The session is ready, and tracked by this tracker."""
        self.tracker = tracker
        if tracker.ear is not None:
            self._line.lull_ns = tracker.ear.lull_ns
            tracker.ear.on_over = partial(setattr, self._line, "alike", None)  # no circle: the line knows nobody here

    def told(self, arrived_ns: int, event: Event, notice: int, message: bytes, opcode: Opcode) -> None:
        """The assistant has told this by this message, with these notices (metrics.tracker): from now on, messages that are audio of the
        same answer are held, or none are."""
        tracker = self.tracker
        if tracker is None:
            return
        if tracker.ear is not None:
            self._by_ear(tracker, arrived_ns, event, notice, message, opcode)
        elif notice:
            response_id = event.response_id if isinstance(event, AudioDelta) and notice & _AUDIBLE else None
            pcm16 = self._wired.dialect.output_encoding == PCM16  # of which it is enough to know how much came
            alike = self._wired.dialect.alike(message, opcode) if response_id is not None and pcm16 else None
            if alike is not None and response_id is not None and self._line.path is not None and not _names(alike, response_id):
                alike = None
            self._hold(alike, response_id)

    def _by_ear(self, tracker: Tracker, arrived_ns: int, event: Event, notice: int, message: bytes, opcode: Opcode) -> None:
        samples = event.samples if isinstance(event, AudioDelta) else 0
        if not samples and not notice:
            return
        line, heard_id = self._line, tracker.heard_id if samples else None
        if heard_id is None or line.path is not None:
            self._hold(None, None)
        elif heard_id != self._response_id:
            alike = self._wired.dialect.alike(message, opcode)
            self._hold(alike.asking(surely_loud(self._wired.dialect.output_encoding)) if alike is not None else None, heard_id)
        line.heard_ns = arrived_ns

    def _hold(self, alike: Alike | None, response_id: str | None) -> None:
        """From now on hold messages like these, audio of this answer: only when they came and their samples, instead of handing them over;
        None: none. Only those are held that are read whole and by themselves."""
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
            self._wired.audio_held(instants_ns, samples)


def _names(alike: Alike, response_id: str) -> bool:
    return any(b'"%b"' % response_id.encode() in literal for literal in alike[1:])
