"""Responses told apart by their sound, for wires that leave untold where one begins or ends.

The ear hears each piece of audio as it would be played: behind the one before it; where nothing is played, after the playout delay; within
a response, on arrival (audio.playout).

- A response begins with the first sound (audio.onset) after the one before was over. Silence before it is nobody's, and so is a click, but
  they are played before it.
- It is over after `quiet_s` of silence; after BREAK_S where the talker has interrupted it, or had not finished when it began: what comes
  then is more likely the answer than the rest of it.
- An interrupted response has been stopped if its sound ended within YIELD_WINDOW_S of the talker's onset, and some of it came after that.
  By sound alone one that ends by itself in that time is like one that gives way.
- While an answer to a false alarm may yet come, or the assistant may yet come back from it, the same response goes on: by sound alone the
  two are alike.
- It is over at once where the assistant says so, or has the speaker cleared; complete where a barge-in came when all of it had been sent.
- Silence within it counts once it goes on; silence at its end is not of it.

Loud pieces of a response that is heard need not be told one by one (`goes_on`): they say no more than when they came, and how long they
are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audio import FirstSound, Gap, decode, loud
from audio.onset import HOLD_MS, WINDOW_MS
from metrics.response import SECOND_NS
from metrics.turn import Turn
from metrics.windows import FALSE_STOP_S, RESUME_WINDOW_S, YIELD_WINDOW_S
from protocol import MalformedMessage
from protocol.events import AudioDelta, Cleared, Event, ResponseDone, TextDelta

QUIET_S = 1.5
"""Silence that ends a response: pauses between sentences are shorter, an assistant that thinks before it goes on is a new one."""
BREAK_S = 0.8
"""The same for one that is not, or not surely, the answer: more than FALSE_STOP_S and a pause in speech, less than it takes to be
answered."""
_PAUSE_NS = round(FALSE_STOP_S * SECOND_NS)


class ByEar:
    """Of one session. `rate` in Hz, `encoding` one of audio.codecs.ENCODINGS: of the assistant's audio. `delay_s`: of its playout."""

    __slots__ = (
        "_came_ns",
        "_count",
        "_delay_ns",
        "_encoding",
        "_first_sound",
        "_identity",
        "_opened_ns",
        "_pending",
        "_played_ns",
        "_quiet_ns",
        "_rate",
        "_sound_ns",
        "begins_ns",
        "lull_ns",
        "on_over",
        "pauses",
    )

    def __init__(self, rate: int, encoding: str, quiet_s: float = QUIET_S, delay_s: float = 0.06) -> None:
        self._rate = rate
        self._delay_ns = round(delay_s * SECOND_NS)
        self._encoding = encoding
        self._quiet_ns = round(quiet_s * SECOND_NS)
        self.lull_ns = min(self._quiet_ns, round(BREAK_S * SECOND_NS))
        """A loud piece that comes no later than this after the one before is of the same response, whatever is said meanwhile."""
        self._count = 0
        self.on_over: Callable[[], None] | None = None
        """Called when a response is over: from then on every piece has to be heard; None: nobody is."""
        self._identity: str | None = None  # of the response that is open
        self._first_sound = FirstSound(rate)
        self._pending: list[tuple[int, AudioDelta]] = []  # what may yet be of it: its first sound, or silence within
        self.begins_ns = 0
        """When the speaker comes to the first piece of the response that was told last."""
        self.pauses: list[Gap] = []
        """Where that was silent for longer than FALSE_STOP_S, and went on."""
        self._played_ns = -1  # when all that has come is played
        self._opened_ns = 0
        self._came_ns = 0  # when the last of it that is loud came, where any did
        self._sound_ns: int | None = None  # when that is played; None: nothing of it was heard

    def heard(self, t_ns: int, event: Event, turn: Turn | None) -> list[tuple[int, Event]]:
        """The events that this one comes to, with their instants; a ResponseDone that was heard, not told, has no reason. `turn`: the
        talker's present one. Raises MalformedMessage where audio is broken."""
        told = self.quiet(t_ns, turn)
        match event:
            case AudioDelta():
                told += self._audio(t_ns, event)
            case TextDelta(item_id=item_id, text=text):
                awaited = turn is not None and turn.response is None and t_ns >= turn.utterance.offset_ns
                if self._identity is not None or awaited:
                    told.append((t_ns, TextDelta(self._opened(t_ns), item_id, text)))
            case Cleared():
                told.append((t_ns, event))
                told += self._over(t_ns, "completed" if self._all_sent(turn) else "cancelled", "cleared")
                self._played_ns = min(self._played_ns, t_ns)
            case ResponseDone(status=status, reason=reason):
                told += self._over(t_ns, status, reason or "told") or [(t_ns, event)]
            case _:
                told.append((t_ns, event))
        return told

    @property
    def heard_id(self) -> str | None:
        """The response whose latest piece is loud; None: there is none."""
        return None if self._sound_ns is None or self._pending else self._identity

    def goes_on(self, instants_ns: Sequence[int], pieces: Sequence[int]) -> None:
        """That response went on by loud pieces: when each came, no more than `lull_ns` after the one before, and how many samples it has.
        As `heard` with as many AudioDeltas. Raises RuntimeError where there is none."""
        sound_ns = self._sound_ns
        if sound_ns is None or self._pending:
            raise RuntimeError("no response is heard")
        for t_ns, samples in zip(instants_ns, pieces, strict=True):
            starts_ns = max(self._played_ns, t_ns)
            self._paused(sound_ns, starts_ns)
            sound_ns = self._played_ns = starts_ns + samples * SECOND_NS // self._rate
        self._sound_ns, self._came_ns = sound_ns, instants_ns[-1]

    def quiet(self, t_ns: int, turn: Turn | None) -> list[tuple[int, Event]]:
        """Time has passed: the response is over if it has been silent for long enough."""
        due_ns = self.due_ns(turn)
        if due_ns is None or t_ns < due_ns:
            return []
        return self._over(self._opened_ns if self._sound_ns is None else self._sound_ns, "cancelled" if self._broken(turn) else "completed")

    def due_ns(self, turn: Turn | None) -> int | None:
        """When the response is over if nothing is heard before; None while there is none, or nothing of it was heard in its turn."""
        if self._identity is None:
            return None
        if self._sound_ns is None:
            return self._opened_ns + round(BREAK_S * SECOND_NS) if turn is not None and self._early(turn) else None
        if turn is not None and self._early(turn):
            return self._sound_ns + round(BREAK_S * SECOND_NS)
        due_ns = self._sound_ns + self._quiet_ns
        if turn is not None and turn.false_alarms:
            due_ns = max(due_ns, turn.false_alarms[-1].offset_ns + round(RESUME_WINDOW_S * SECOND_NS))
        return due_ns

    def _audio(self, t_ns: int, piece: AudioDelta) -> list[tuple[int, Event]]:
        try:
            audio = piece.audio()
            pcm = decode(self._encoding, audio) if self._sound_ns is None else b""
        except ValueError as error:
            raise MalformedMessage(f"audio: {error}") from None
        if not piece.samples:
            return []
        late = t_ns > self._played_ns
        starts_ns = self._played_ns if not late else t_ns + self._delay_ns if self._sound_ns is None else t_ns
        self._played_ns = starts_ns + self._lasts_ns(piece)
        sounds = loud(self._encoding, audio)
        kept = piece._replace(encoded=audio)
        if self._sound_ns is None:
            goes_on = self._begins(t_ns, starts_ns, kept, pcm, sounds)
        else:
            self._pending.append((t_ns, kept))
            goes_on = sounds
            if sounds:
                self._paused(self._sound_ns, starts_ns)
        if not goes_on:
            return []
        pending, self._pending = self._pending, []
        identity = self._opened(pending[0][0])
        self._sound_ns, self._came_ns = self._played_ns, t_ns
        return [(at_ns, one._replace(response_id=identity)) for at_ns, one in pending]

    def _begins(self, t_ns: int, starts_ns: int, piece: AudioDelta, pcm: bytes, sounds: bool) -> bool:
        """Whether a response is first heard with this piece, the last of what is pending then."""
        if not self._pending:
            if not sounds:
                return False
            self._first_sound, self.begins_ns = FirstSound(self._rate), starts_ns
        self._pending.append((t_ns, piece))
        if self._first_sound.feed(pcm) is not None:
            return True
        if not sounds and piece.samples >= self._rate * WINDOW_MS // 1000:
            self._pending.clear()
        while sum(one.samples for _, one in self._pending[1:-1]) >= self._rate * (HOLD_MS + WINDOW_MS) // 1000:
            self.begins_ns += self._lasts_ns(self._pending.pop(0)[1])
        return False

    def _paused(self, from_ns: int, until_ns: int) -> None:
        if until_ns - from_ns > _PAUSE_NS:
            self.pauses.append(Gap(from_ns, until_ns))

    def _lasts_ns(self, piece: AudioDelta) -> int:
        return piece.samples * SECOND_NS // self._rate

    def _opened(self, t_ns: int) -> str:
        if self._identity is None:
            self._count += 1
            self._identity, self._opened_ns, self.pauses = f"heard-{self._count}", t_ns, []
        return self._identity

    def _over(self, t_ns: int, status: str, reason: str | None = None) -> list[tuple[int, Event]]:
        identity, self._identity, self._sound_ns = self._identity, None, None
        self._pending.clear()
        if identity is not None and self.on_over is not None:
            self.on_over()
        return [] if identity is None else [(t_ns, ResponseDone(identity, status, reason, None))]

    def _early(self, turn: Turn) -> bool:
        """Whether the response is none that answers the whole of what the talker says."""
        own = any(response.identity == self._identity for response in (*turn.responses, *turn.strays))
        return not own or (self._opened_ns < turn.utterance.offset_ns and not turn.false_alarms)

    def _broken(self, turn: Turn | None) -> bool:
        """Whether the talker's barge-in, rather than its own end, has silenced the response."""
        if turn is None or not self._interrupted(turn) or self._all_sent(turn) or self._sound_ns is None:
            return False
        return self._sound_ns - turn.utterance.onset_ns <= round(YIELD_WINDOW_S * SECOND_NS)

    def _all_sent(self, turn: Turn | None) -> bool:
        """Whether the talker's barge-in came when all of the response had been sent."""
        if turn is None or self._sound_ns is None:
            return False
        return self._interrupted(turn) and self._came_ns <= turn.utterance.onset_ns

    def _interrupted(self, turn: Turn) -> bool:
        return turn.host is not None and turn.host.identity == self._identity
