"""Responses told apart by their sound, for wires that leave untold where one begins or ends.

The ear hears each piece of audio as it would be played: behind the one before it, or on arrival.

- A response begins with the first loud piece after the one before was over. Silence before it is nobody's.
- It is over after `quiet_s` of silence; where the talker has interrupted it, after BREAK_S, and the assistant has then been stopped if that
  silence began within YIELD_WINDOW_S of the talker's onset. While an answer to a false alarm may yet come, or the assistant may yet come
  back from it, the same response goes on: by sound alone the two are alike.
- It is over at once where the assistant has the speaker cleared.
- Silence within it counts once it goes on; silence at its end is not of it.
"""

from __future__ import annotations

from audio import loud
from metrics.response import SECOND_NS
from metrics.turn import Turn
from metrics.windows import RESUME_WINDOW_S, YIELD_WINDOW_S
from protocol import MalformedMessage
from protocol.events import AudioDelta, Cleared, Event, ResponseDone, TextDelta

QUIET_S = 1.5
"""Silence that ends a response: pauses between sentences are shorter, an assistant that thinks before it goes on is a new one."""
BREAK_S = 0.8
"""The same for one that the talker has interrupted: more than FALSE_STOP_S and a pause in speech, less than it takes to be answered."""


class ByEar:
    """Of one session. `rate` in Hz, `encoding` one of audio.codecs.ENCODINGS: of the assistant's audio."""

    __slots__ = ("_count", "_encoding", "_identity", "_pending", "_played_ns", "_quiet_ns", "_rate", "_sound_ns")

    def __init__(self, rate: int, encoding: str, quiet_s: float = QUIET_S) -> None:
        self._rate = rate
        self._encoding = encoding
        self._quiet_ns = round(quiet_s * SECOND_NS)
        self._count = 0
        self._identity: str | None = None  # of the response that is heard
        self._pending: list[tuple[int, AudioDelta]] = []  # silence that may yet be of it
        self._played_ns = 0  # when all that has come is played
        self._sound_ns = 0  # when the last of it that is loud is

    def heard(self, t_ns: int, event: Event, turn: Turn | None) -> list[tuple[int, Event]]:
        """The events that this one comes to, with their instants; a ResponseDone that was heard, not told, has no reason. `turn`: the
        talker's present one. Raises MalformedMessage where audio is
        broken."""
        told = self.quiet(t_ns, turn)
        match event:
            case AudioDelta():
                told += self._audio(t_ns, event)
            case TextDelta(item_id=item_id, text=text):
                awaited = turn is not None and turn.response is None and t_ns >= turn.utterance.offset_ns
                if self._identity is not None or awaited:
                    told.append((t_ns, TextDelta(self._opened(), item_id, text)))
            case Cleared():
                told.append((t_ns, event))
                told += self._over(t_ns, "cancelled", "cleared")
                self._played_ns = min(self._played_ns, t_ns)
            case _:
                told.append((t_ns, event))
        return told

    def quiet(self, t_ns: int, turn: Turn | None) -> list[tuple[int, Event]]:
        """Time has passed: the response is over if it has been silent for long enough."""
        due_ns = self.due_ns(turn)
        if due_ns is None or t_ns < due_ns:
            return []
        return self._over(self._sound_ns, "cancelled" if self._broken(turn) else "completed")

    def due_ns(self, turn: Turn | None) -> int | None:
        """When the response is over if nothing is heard before; None while there is none, or nothing of it was heard."""
        if self._identity is None or not self._sound_ns:
            return None
        if self._interrupted(turn):
            return self._sound_ns + round(BREAK_S * SECOND_NS)
        due_ns = self._sound_ns + self._quiet_ns
        if turn is not None and turn.false_alarms:
            due_ns = max(due_ns, turn.false_alarms[-1].offset_ns + round(RESUME_WINDOW_S * SECOND_NS))
        return due_ns

    def _audio(self, t_ns: int, piece: AudioDelta) -> list[tuple[int, Event]]:
        try:
            audio = piece.audio()
        except ValueError as error:
            raise MalformedMessage(f"audio: {error}") from None
        self._played_ns = max(self._played_ns, t_ns) + piece.samples * SECOND_NS // self._rate
        if not loud(self._encoding, audio):
            if self._identity is not None:
                self._pending.append((t_ns, piece))
            return []
        identity = self._opened()
        self._sound_ns = self._played_ns
        pending, self._pending = self._pending, []
        return [(at_ns, one._replace(response_id=identity, encoded=one.audio())) for at_ns, one in [*pending, (t_ns, piece)]]

    def _opened(self) -> str:
        if self._identity is None:
            self._count += 1
            self._identity = f"heard-{self._count}"
            self._sound_ns = 0
        return self._identity

    def _over(self, t_ns: int, status: str, reason: str | None = None) -> list[tuple[int, Event]]:
        identity, self._identity = self._identity, None
        self._pending.clear()
        return [] if identity is None else [(t_ns, ResponseDone(identity, status, reason, None))]

    def _interrupted(self, turn: Turn | None) -> bool:
        return turn is not None and turn.host is not None and turn.host.identity == self._identity

    def _broken(self, turn: Turn | None) -> bool:
        """Whether the talker's barge-in, rather than its own end, has silenced the response."""
        if turn is None or not self._interrupted(turn):
            return False
        return self._sound_ns - turn.utterance.onset_ns <= round(YIELD_WINDOW_S * SECOND_NS)
