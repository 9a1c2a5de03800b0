"""A talker's microphone: from the start of its session it captures frame after frame, speech or silence, and the pacer sends them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from users.clock import SECOND_NS, now_ns
from users.link import Link
from users.pacer import Pacer
from users.prepared import Prepared, PreparedClip


@dataclass(frozen=True, slots=True)
class Speech:
    """A clip on its way. `start_ns`: capture instant of its first sample. `on_offset_sent` gets the instants at which the frame with the
    last speech sample was due and was handed over, and the greatest lateness of the clip's frames so far in ns; `on_detected` the instant
    at which the talker's own VAD heard the clip begin."""

    prepared: PreparedClip
    start_ns: int
    on_offset_sent: Callable[[int, int, int], None]
    on_detected: Callable[[int], None] | None

    @property
    def onset_ns(self) -> int:
        """Capture instant of the first sample of speech."""
        return self.start_ns + round(self.prepared.onset_s * SECOND_NS)

    @property
    def offset_ns(self) -> int:
        """Capture instant of the last sample of speech."""
        return self.start_ns + round(self.prepared.offset_s * SECOND_NS)


class Microphone:
    """Streams into `link` from `start_ns` on, which should lie on the pacer's grid. Ends with the link.

    `worst_ns`: greatest send lateness of its frames; None before the first.
    """

    __slots__ = (
        "_frame_ns",
        "_late_ns",
        "_link",
        "_next",
        "_pacer",
        "_send",
        "_silence",
        "_speech",
        "_speech_from",
        "_spoken_worst_ns",
        "_start_ns",
        "urgent",
        "worst_ns",
    )

    def __init__(self, link: Link, prepared: Prepared, pacer: Pacer, start_ns: int) -> None:
        self.worst_ns: int | None = None
        self._spoken_worst_ns = 0
        self._link = link
        self.urgent = False  # it speaks: what is measured begins with its frames, and not with those of the silent
        self._pacer = pacer
        self._send = link.send_frame
        self._late_ns = pacer.late_ns
        self._silence = prepared.silence
        self._start_ns = start_ns
        self._frame_ns = prepared.frame_ns
        self._next = 0
        self._speech: Speech | None = None
        self._speech_from = 0
        pacer.add(self, start_ns + self._frame_ns)

    @property
    def idle(self) -> bool:
        """Whether nothing is being spoken."""
        return self._speech is None

    def speak(
        self,
        prepared: PreparedClip,
        on_offset_sent: Callable[[int, int, int], None],
        on_detected: Callable[[int], None] | None = None,
    ) -> Speech:
        """Speak from the next frame that has not begun to be captured. Raises RuntimeError while another clip is being spoken."""
        if self._speech is not None:
            raise RuntimeError("a talker speaks one clip at a time")
        self._speech_from = self._first_free()
        start_ns = self._start_ns + self._speech_from * self._frame_ns
        self._speech = Speech(prepared, start_ns, on_offset_sent, on_detected)
        self._spoken_worst_ns = 0
        self.urgent = True
        self._pacer.hurry(self, self._start_ns + (self._next + 1) * self._frame_ns)
        return self._speech

    def onset_if_spoken_now(self, prepared: PreparedClip) -> int:
        """The instant at which this clip's speech would begin."""
        return self._start_ns + self._first_free() * self._frame_ns + round(prepared.onset_s * SECOND_NS)

    def _first_free(self) -> int:
        """The first frame that has not begun to be captured."""
        return max(self._next, -(-(now_ns() - self._start_ns) // self._frame_ns))

    def due(self, due_ns: int) -> int | None:
        """Send the frame whose last sample was captured at `due_ns`."""
        if not self._link.open:
            return None
        index = self._next
        self._next = index + 1
        speech = self._speech
        if speech is None or index < self._speech_from:
            self._send(self._silence)
            late_ns = now_ns() - due_ns
        else:
            late_ns = self._spoken(speech, index - self._speech_from, due_ns)
        self._late_ns.append(late_ns)
        if self.worst_ns is None or late_ns > self.worst_ns:
            self.worst_ns = late_ns
        return due_ns + self._frame_ns

    def _spoken(self, speech: Speech, position: int, due_ns: int) -> int:
        """Send a frame of a clip; returns how late, ns."""
        prepared = speech.prepared
        sent = self._send(prepared.frames[position])
        sent_ns = now_ns()
        self._spoken_worst_ns = max(self._spoken_worst_ns, sent_ns - due_ns)
        if sent and position == prepared.offset_frame:
            speech.on_offset_sent(due_ns, sent_ns, self._spoken_worst_ns)
        if position + 1 == len(prepared.frames):
            self._speech = None
            self.urgent = False
        if position == prepared.detected_frame and speech.on_detected is not None:
            speech.on_detected(now_ns())
        return sent_ns - due_ns
