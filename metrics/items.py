"""What the assistant heard of the talker: its turn events, laid at the utterance that they are about."""

from __future__ import annotations

from collections.abc import Sequence

from metrics.utterance import Utterance
from protocol.events import Committed, Event, SpeechStarted, SpeechStopped, Transcribed

_REMEMBERED = 32
"""Items whose utterance is known yet: some minutes of conversation, whatever the session's length."""


class Items:
    """Remembers which item of the assistant's conversation is which utterance or false alarm, for one session.

    An utterance may be several items, where the assistant's endpointing splits it: the first start and the last stop count.
    """

    __slots__ = ("_said",)

    def __init__(self) -> None:
        self._said: dict[str, Utterance] = {}

    def heard(self, t_ns: int, event: Event, said: Sequence[Utterance]) -> None:
        """An event came; `said` is what the talker has said of late, in order, empty where it is silent.

        An item that is known stays with its utterance, however late; one that is new, or an event without one, belongs to what the
        talker had begun last, or to the last of `said` where it has begun none of them yet. Other events say nothing of the talker.
        """
        if not isinstance(event, SpeechStarted | SpeechStopped | Committed | Transcribed):
            return
        whom = self._said.get(event.item_id) if event.item_id is not None else None
        if whom is None:
            if not said:
                return
            whom = next((u for u in reversed(said) if u.onset_ns <= t_ns), said[-1])
            if event.item_id is not None:
                self._said[event.item_id] = whom
                if len(self._said) > _REMEMBERED:
                    del self._said[next(iter(self._said))]
        _note(t_ns, event, whom)


def _note(t_ns: int, event: SpeechStarted | SpeechStopped | Committed | Transcribed, said: Utterance) -> None:
    match event:
        case SpeechStarted():
            if said.speech_started_ns is None:
                said.speech_started_ns = t_ns
        case SpeechStopped():
            said.speech_stopped_ns = t_ns
        case Committed():
            said.committed_ns = t_ns
        case Transcribed(transcript=text, goes_on=True) if said.transcripts:
            said.transcribed_ns = t_ns
            said.transcripts[-1] += text or ""
        case Transcribed(transcript=text, goes_on=goes_on):
            if text or (text is not None and not goes_on):
                said.transcribed_ns = t_ns
                said.transcripts.append(text)
