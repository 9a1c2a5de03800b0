"""A talker's microphone: from the start of its session it captures frame after frame, speech or not, and its slot sends them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from audio import Background
from users.clock import SECOND_NS, now_ns
from users.link import Link
from users.native import Capture
from users.prepared import Prepared, PreparedClip
from users.slots import Slots


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


class Microphone(Capture):
    """Streams into `link` from `start_ns` on, which should lie on the pacer's grid. Ends with the link. `background`: the noise around
    it all along; None: none."""

    __slots__ = ("_frame_ns", "_marks", "_slot", "_speech", "_start_ns")

    def __init__(self, link: Link, prepared: Prepared, slots: Slots, start_ns: int, background: Background | None = None) -> None:
        super().__init__(link.line, prepared.idle(background))
        self._frame_ns = prepared.frame_ns
        self._start_ns = start_ns
        self._speech: Speech | None = None
        self._marks: list[int] = []  # frames after which there is something to do, the last first
        self._slot = slots.join(self, start_ns)

    @property
    def idle(self) -> bool:
        """Whether nothing is being spoken."""
        return self._speech is None

    @property
    def send_lateness_max_s(self) -> float | None:
        """Greatest send lateness of its frames; None before the first."""
        return None if self.worst_ns < 0 else self.worst_ns / SECOND_NS

    def speak(
        self,
        prepared: PreparedClip,
        on_offset_sent: Callable[[int, int, int], None],
        on_detected: Callable[[int], None] | None = None,
    ) -> Speech:
        """Speak from the next frame that has not begun to be captured. Raises RuntimeError while another clip is being spoken."""
        if self._speech is not None:
            raise RuntimeError("a talker speaks one clip at a time")
        first = self._first_free()
        self._speech = Speech(prepared, self._start_ns + first * self._frame_ns, on_offset_sent, on_detected)
        marks = {prepared.offset_frame, len(prepared.frames) - 1}
        if on_detected is not None and prepared.detected_frame is not None:
            marks.add(prepared.detected_frame)
        self._marks = sorted((first + position for position in marks), reverse=True)
        self.speech_from, self.frames, self.mark = first, prepared.frames, self._marks.pop()
        self.spoken_worst_ns = -1
        self._slot.speaks(self)
        return self._speech

    def onset_if_spoken_now(self, prepared: PreparedClip) -> int:
        """The instant at which this clip's speech would begin."""
        return self._start_ns + self._first_free() * self._frame_ns + round(prepared.onset_s * SECOND_NS)

    def _first_free(self) -> int:
        """The first frame that has not begun to be captured."""
        return max(self.next, -(-(now_ns() - self._start_ns) // self._frame_ns))

    def marked(self, due_ns: int, sent_ns: int, sent: bool) -> None:
        """A frame of the clip that means something has been handed over."""
        speech = self._speech
        if speech is None:
            return
        prepared, position = speech.prepared, self.mark - self.speech_from
        self.mark = self._marks.pop() if self._marks else -1
        if position + 1 == len(prepared.frames):
            self._speech = self.frames = None
            self.shift = (prepared.loop_frame - self.speech_from) % prepared.loop_frames  # the noise goes on where the clip's ended
        if sent and position == prepared.offset_frame:
            speech.on_offset_sent(due_ns, sent_ns, self.spoken_worst_ns)
        if position == prepared.detected_frame and speech.on_detected is not None:
            speech.on_detected(now_ns())
