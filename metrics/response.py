"""What was received of one response of the assistant, and how it sounded at the virtual speaker."""

from __future__ import annotations

import math
from collections.abc import Sequence

from audio import FirstSound, Gap, Playout, decode, loud
from audio.codecs import PCM16
from protocol import MalformedMessage
from protocol.events import AudioDelta, ResponseDone

SECOND_NS = 1_000_000_000
COMPLETE = frozenset({"completed", "incomplete"})
"""Statuses of a response that ended by itself."""


class Response:
    """Gathers one response from its events, in order of arrival. All instants are monotonic ns.

    `identity` is the wire's response id (None where it has none), `opened_ns` the arrival of the first event about it, `rate` the sample
    rate of its audio in Hz, `not_before_ns` the instant until which the speaker is busy with the response before, `encoding` how its audio
    is written (audio.codecs). `done_by_ear`: its end was heard, not told. `pauses`: of one told by ear, where it was
    silent for longer than FALSE_STOP_S, whether audio came or not.

    Audio may come when the end has been told already. Silence in it counts once it goes on, silence at its end is not of it: an assistant
    may send silence for as long as it says nothing.
    """

    __slots__ = (
        "_audio_before",
        "_before_sound",
        "_encoding",
        "_first_sound",
        "_late_silence",
        "_mean_s",
        "_rate",
        "_spread",
        "chunks",
        "content_index",
        "created_ns",
        "done_by_ear",
        "done_ns",
        "downlink_s",
        "first_audible_ns",
        "first_audio_ns",
        "first_token_ns",
        "identity",
        "item_id",
        "last_audio_ns",
        "last_event_ns",
        "network_down_s",
        "opened_ns",
        "pauses",
        "playout",
        "reason",
        "rendering_s",
        "rfc3550_s",
        "silenced_ns",
        "status",
        "usage",
    )

    def __init__(
        self, identity: str | None, opened_ns: int, rate: int, playout_delay_s: float, not_before_ns: int = 0, encoding: str = PCM16
    ) -> None:
        self.identity = identity
        self.item_id: str | None = None
        self.content_index = 0
        self.created_ns: int | None = None
        self.first_token_ns: int | None = None
        self.first_audio_ns: int | None = None
        self.first_audible_ns: int | None = None
        self.last_audio_ns: int | None = None
        self.opened_ns = opened_ns
        self.last_event_ns = opened_ns
        self.done_ns: int | None = None
        self.silenced_ns: int | None = None
        self.status: str | None = None
        self.reason: str | None = None
        self.usage: dict[str, object] = {}
        self.rendering_s: float | None = None
        self.downlink_s: float | None = None
        self.network_down_s: float | None = None
        self.playout = Playout(rate, playout_delay_s, not_before_ns)
        self.chunks = 0
        self.rfc3550_s = 0.0
        self.done_by_ear = False
        self.pauses: Sequence[Gap] = ()
        self._rate = rate
        self._encoding = encoding
        self._before_sound = 0  # samples that were played before the first sound was looked for afresh
        self._first_sound: FirstSound | None = FirstSound(rate)
        self._late_silence: list[tuple[int, int]] = []  # behind the end: when it came, and how many samples
        self._audio_before = 0
        self._mean_s = 0.0
        self._spread = 0.0

    def created(self, t_ns: int) -> None:
        """The event that opens the response arrived; a second one changes nothing."""
        self.last_event_ns = t_ns
        if self.created_ns is None:
            self.created_ns = t_ns

    def text(self, t_ns: int) -> None:
        """A piece of text or transcript arrived."""
        self.last_event_ns = t_ns
        if self.first_token_ns is None:
            self.first_token_ns = t_ns

    def audio(self, t_ns: int, delta: AudioDelta) -> None:
        """A piece of audio arrived. Raises MalformedMessage where its base64 turns out to be broken, and counts nothing of it.

        Decoded only until the first sound is found, and behind the end: other pieces are needed by length alone.
        """
        sound: int | None = None
        silent = False
        try:
            if self._first_sound is not None:
                sound = self._first_sound.feed(decode(self._encoding, delta.audio()))
            if self.done_ns is not None:
                silent = sound is None and not loud(self._encoding, delta.audio())
        except ValueError as error:
            raise MalformedMessage(f"audio delta: {error}") from None
        if silent:
            if delta.samples:
                self._late_silence.append((t_ns, delta.samples))
            return
        self.last_event_ns = t_ns
        if not delta.samples:
            return
        self.item_id, self.content_index = delta.item_id, delta.content_index
        pieces, self._late_silence = [*self._late_silence, (t_ns, delta.samples)], []
        if self.first_audio_ns is None:
            self.first_audio_ns = pieces[0][0]
        self.goes_on([came_ns for came_ns, _ in pieces], [samples for _, samples in pieces])
        if sound is not None:
            self.first_audible_ns = self.playout.instant_of(self._before_sound + sound)
            self._first_sound = None

    def goes_on(self, instants_ns: Sequence[int], pieces: Sequence[int]) -> None:
        """Audio went on by pieces: when each came, and how many samples it has, at least one."""
        push, rate = self.playout.push, self._rate
        chunks, before_ns, audio_before = self.chunks, self.last_audio_ns, self._audio_before
        mean_s, spread, rfc3550_s = self._mean_s, self._spread, self.rfc3550_s
        for t_ns, samples in zip(instants_ns, pieces, strict=True):
            if before_ns is not None:
                spacing_s = (t_ns - before_ns) / SECOND_NS
                step = spacing_s - mean_s
                mean_s += step / chunks
                spread += step * (spacing_s - mean_s)
                rfc3550_s += (abs(spacing_s - audio_before / rate) - rfc3550_s) / 16.0
            push(t_ns, samples)
            audio_before, before_ns = samples, t_ns
            chunks += 1
        self.chunks, self.last_audio_ns, self._audio_before = chunks, before_ns, audio_before
        self._mean_s, self._spread, self.rfc3550_s = mean_s, spread, rfc3550_s
        if before_ns is not None:
            self.last_event_ns = before_ns

    def done(self, t_ns: int, event: ResponseDone) -> None:
        """The response was closed; a second closing changes nothing."""
        if self.done_ns is None:
            self.last_event_ns = self.done_ns = t_ns
            self.status, self.reason, self.usage = event.status, event.reason, event.usage or {}

    def clear(self, t_ns: int) -> None:
        """The assistant has the speaker drop what it has not played."""
        self.playout.clear(t_ns)
        self._late_silence = []
        if self._first_sound is not None:
            self._first_sound, self._before_sound = FirstSound(self._rate), self.playout.samples

    def silence(self, t_ns: int) -> int:
        """The talker silenced the speaker; returns how much of the response was played, in ms rounded down."""
        if self.silenced_ns is None:
            self.silenced_ns = t_ns
        return self.playout.played_samples(self.silenced_ns) * 1000 // self._rate

    @property
    def heard_until_ns(self) -> int | None:
        """The instant at which the speaker falls silent, as things stand; None while nothing is due to be played."""
        end = self.playout.end_ns
        return end if end is None or self.silenced_ns is None else min(end, self.silenced_ns)

    @property
    def jitter_s(self) -> float | None:
        """Standard deviation of the spacing of audio messages, over all n spacings; None below two of them."""
        spacings = self.chunks - 1
        return math.sqrt(self._spread / spacings) if spacings > 1 else None

    @property
    def gaps_s(self) -> list[float]:
        """Durations of the underruns that were heard: as far as they lie before the talker silenced the speaker."""
        gaps, until = self.playout.gaps, self.silenced_ns
        if until is None:
            return [(g.end_ns - g.start_ns) / SECOND_NS for g in gaps]
        return [(min(g.end_ns, until) - g.start_ns) / SECOND_NS for g in gaps if g.start_ns < until]

    def audible_at(self, t_ns: int) -> bool:
        """Whether the listener hears the response at this instant."""
        return (self.silenced_ns is None or t_ns < self.silenced_ns) and self.playout.audible_at(t_ns)
