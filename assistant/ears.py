"""What the assistant hears in one session: when speech starts and stops, and which clip it is.

The clock is the stream's own: samples received. Arrival instants of messages are kept only to tell, for the truth log, when a
labelled sample was captured: it is known to be older than the arrival of its message by the audio that follows it there.
"""

from __future__ import annotations

from dataclasses import dataclass

from assistant.history import History, Pcm
from assistant.onsets import Onsets
from assistant.recognise import ClipIndex
from assistant.settings import TurnDetection
from audio import Clip, ClipKind, SpeechDetector, SpeechStart, SpeechStop

QUIET_HISTORY_S = 1.0  # of the stream remembered between utterances
SPEECH_HISTORY_S = 30.0  # of an utterance, from its first sound until it is committed, pauses and all
FALSE_KINDS = (ClipKind.BACKCHANNEL, ClipKind.NOISE)
SHORT_SPEECH_S = 0.7  # unrecognised speech shorter than this counts as a backchannel
LOOK_BACK_S = 0.5
DOUBT_S = 0.1  # in noise, speech that is like no clip yet is told of so much later, if it still is


@dataclass(slots=True, eq=False)
class Heard:
    """A recognised clip in the stream. `*_ns`: capture instant of the labelled sample, None while it has not arrived."""

    clip: Clip
    start_sample: int
    onset_ns: int | None = None
    offset_ns: int | None = None
    triggered: bool = False

    @property
    def is_false_alarm(self) -> bool:
        return self.clip.kind in FALSE_KINDS

    @property
    def onset_sample(self) -> int:
        return self.start_sample + self.clip.onset_sample

    @property
    def offset_sample(self) -> int:
        return self.start_sample + self.clip.offset_sample

    @property
    def end_sample(self) -> int:
        return self.start_sample + len(self.clip.pcm)


@dataclass(frozen=True, slots=True)
class Started:
    """The VAD: somebody speaks since `sample`. `heard`: the clip, where it is known already."""

    sample: int
    heard: Heard | None


@dataclass(frozen=True, slots=True)
class Joined:
    """Another clip began while somebody was already speaking."""

    heard: Heard


@dataclass(frozen=True, slots=True)
class Stopped:
    """The VAD: the speech since `start` ended with `sample`, decided at `decided`."""

    start: int
    sample: int
    decided: int


@dataclass(frozen=True, slots=True)
class Unnoticed:
    """A clip went by and the VAD never triggered."""

    heard: Heard


Event = Started | Joined | Stopped | Unnoticed


class Ears:
    """One session's hearing. `turns` None: no VAD, clips are recognised all the same."""

    def __init__(self, index: ClipIndex, turns: TurnDetection | None) -> None:
        self._index = index
        self._onsets: Onsets = index.onsets
        self.position = 0
        self.buffer_start = 0
        self._carry = b""
        self._history = History(index.rate)
        self._current: Heard | None = None
        self.last_heard: Heard | None = None
        self._number = -1  # of the current clip in the index
        self._open: list[Heard] = []  # clips whose offset has not arrived, or that the VAD may still miss
        self._speech_start: int | None = None
        self._doubt_ends: int | None = None  # speech has started and is not told of yet; it is at this sample
        self._uncommitted = False  # somebody has spoken since the last commit
        self._zeros = b""
        self._turns: TurnDetection | None = None
        self._detector: SpeechDetector | None = None
        self.configure(turns)

    @property
    def speaking(self) -> bool:
        return self._speech_start is not None

    @property
    def buffered_s(self) -> float:
        """Audio received since the last commit or clear."""
        return (self.position - self.buffer_start) / self._index.rate

    def configure(self, turns: TurnDetection | None) -> bool:
        """Takes new turn detection; returns whether speech under way was forgotten by it."""
        old, self._turns = self._turns, turns
        if old and turns and (old.threshold, old.silence_ms) == (turns.threshold, turns.silence_ms):
            return False
        return self._listen_afresh()

    def _listen_afresh(self) -> bool:
        turns, cut = self._turns, self.speaking
        self._speech_start, self._uncommitted, self._doubt_ends = None, False, None
        self._base = self.position
        self._detector = None
        if turns is not None:
            self._detector = SpeechDetector(self._index.rate, threshold=turns.threshold, silence_ms=turns.silence_ms, in_noise=True)
        return cut

    def clear(self) -> bool:
        """Drops the buffer; returns whether speech under way was dropped with it."""
        self.buffer_start = self.position
        return self._listen_afresh() if self.speaking else False

    def commit(self) -> None:
        """The buffer becomes an item, or is let go: its sound is needed no more."""
        self.buffer_start = self.position
        self._uncommitted = False

    def hear(self, pcm: bytes, arrival_ns: int) -> list[Event]:
        """Takes a message's audio (little-endian int16, an even number of bytes) and tells what it changed."""
        if len(self._zeros) != len(pcm):
            self._zeros = bytes(len(pcm))
        silent = pcm == self._zeros
        start = self.position
        self.position = end = start + len(pcm) // 2
        events: list[Event] = []
        known = silent
        if not silent or self._carry or len(pcm) % self._index.block_bytes:
            known = self._recognise(pcm, start, events) or silent
        kept_s = SPEECH_HISTORY_S if self._uncommitted else QUIET_HISTORY_S
        self._history.add(start, end, arrival_ns, None if known else pcm, kept_s)
        if self._open:
            self._stamp(end)
        if self._doubt_ends is not None:
            self._doubt(events)
        if self._detector is not None:
            for event in self._detector.feed(pcm):
                self._speech(event, events)
        if self._open and not self.speaking:
            self._close_passed(events)
        return events

    def _recognise(self, pcm: bytes, start: int, events: list[Event]) -> bool:
        """Looks for the start of a clip; returns whether the message belongs to a known clip."""
        index, size = self._index, self._index.block_bytes
        data = self._carry + pcm
        first = start - len(self._carry) // 2
        whole = len(data) // size * size
        self._carry = data[whole:]
        for at in range(0, whole, size):
            place = index.find(data[at : at + size])
            if place is None:
                continue
            number, block = place
            begun = first + at // 2 - block * index.block_samples
            current = self._current
            if current is None or number != self._number or begun != current.start_sample:
                self._begin(Heard(index.clips[number], begun), number, events)
            return True
        return self._current is not None and first < self._current.end_sample

    def _begin(self, heard: Heard, number: int, events: list[Event]) -> None:
        self._current, self._number = heard, number
        self.last_heard = heard
        self._open.append(heard)
        if self.speaking:
            heard.triggered = True
            events.append(Joined(heard))

    def _stamp(self, end: int) -> None:
        for heard in self._open:
            if heard.onset_ns is None and end > heard.onset_sample:
                heard.onset_ns = self.instant_of(heard.onset_sample)
            if heard.offset_ns is None and end > heard.offset_sample:
                heard.offset_ns = self.instant_of(heard.offset_sample)

    def instant_of(self, sample: int) -> int | None:
        """Capture instant of a sample of the stream; None where its message is forgotten or has not come."""
        return self._history.instant_of(sample)

    def _speech(self, event: object, events: list[Event]) -> None:
        if isinstance(event, SpeechStart):
            self._speech_start, self._uncommitted = self._base + event.sample, True
            heard = self._current
            if heard is not None and self._speech_start < heard.end_sample:
                heard.triggered = True
            else:
                heard = self._spotted()
            if heard is None and self._in_noise():
                self._doubt_ends = self.position + round(DOUBT_S * self._index.rate)
                return
            events.append(Started(self._speech_start, heard))
        elif isinstance(event, SpeechStop) and self._speech_start is not None:
            if self._doubt_ends is not None:
                self._doubt_ends = None
                events.append(Started(self._speech_start, None))
            sample, decided = self._base + event.sample, self._base + event.decided
            events.append(Stopped(self._speech_start, sample, decided))
            self._speech_start = None

    def _doubt(self, events: list[Event]) -> None:
        """Speech has started in noise, and was like no clip so far."""
        heard = self._spotted()
        if self._speech_start is not None and (heard is not None or self.position >= (self._doubt_ends or 0)):
            self._doubt_ends = None
            events.append(Started(self._speech_start, heard))

    def _latest(self) -> Pcm:
        """The sound in which the onset of a clip is looked for."""
        return self._history.since(self.position - self._onsets.samples)[1][-self._onsets.samples :]

    def _in_noise(self) -> bool:
        """Whether there was sound all along before the VAD heard speech."""
        latest = self._latest()
        size = self._index.block_samples
        whole = latest[: len(latest) // size * size].reshape(-1, size)
        return len(latest) == self._onsets.samples and bool(whole.any(axis=1).all())

    def _spotted(self) -> Heard | None:
        """The clip that has just begun amid noise; None: like no clip."""
        onset = self._onsets.find(self._latest(), self.position - self._onsets.samples)
        if onset is None:
            return None
        heard = Heard(self._index.clips[onset.number], onset.start_sample, triggered=True)
        self._current = self.last_heard = heard
        self._number = onset.number
        self._open.append(heard)
        self._stamp(self.position)
        return heard

    def _close_passed(self, events: list[Event]) -> None:
        """Lets go of clips that are over; tells of those that the VAD never noticed."""
        still_open = []
        for heard in self._open:
            if self.position < heard.end_sample:
                still_open.append(heard)
            elif not heard.triggered and self._detector is not None:
                events.append(Unnoticed(heard))
        self._open = still_open
        if self._current is not None and self.position >= self._current.end_sample:
            self._current = None

    def identify(self, start: int, end: int) -> Heard | None:
        """The clip spoken between two samples of the stream, by its course of loudness. None: like no clip, or forgotten."""
        first, pcm = self._history.since(start - int(LOOK_BACK_S * self._index.rate))
        match = self._index.match(pcm, first, (start, end))
        if match is None:
            return None
        heard = Heard(match.clip, match.start_sample, triggered=True)
        heard.onset_ns = self.instant_of(heard.onset_sample)
        heard.offset_ns = self.instant_of(heard.offset_sample)
        return heard
