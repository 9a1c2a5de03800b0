"""Voice activity: is somebody speaking, since when, and until when.

The detector is WebRTC's (``webrtcvad``), in steps of 10 ms. It takes 8, 16, 32 and 48 kHz and decides on six bands
from 80 to 4000 Hz. A stream of 24 kHz is therefore brought to 8 kHz by averaging each 3 samples, a crude but cheap
low-pass filter; 8, 16 and 48 kHz are handed over as they are.

Digital silence (all bytes zero) is never speech and never reaches the detector: that is exact, it leaves the detector's
estimate of the noise as it was, and it makes the silence between utterances nearly free.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import webrtcvad

from audio.noise_floor import NoiseFloor

STEP_MS = 10
RATES = (8000, 16000, 24000, 48000)

_AVERAGED = 3
_AVERAGE = np.full(_AVERAGED, 1 / _AVERAGED, np.float32)


@dataclass(frozen=True, slots=True)
class SpeechStart:
    """Speech began. ``sample`` is its estimated first sample, ``decided`` the number of samples of the stream that the
    decision needed; both count from the first sample fed."""

    sample: int
    decided: int


@dataclass(frozen=True, slots=True)
class SpeechStop:
    """Speech ended. ``sample`` is its estimated last sample, ``decided`` the number of samples of the stream that the
    decision needed (hence ``sample`` plus the silence waited for); both count from the first sample fed."""

    sample: int
    decided: int


class Vad:
    """Decides for steps of exactly 10 ms (little-endian int16, mono). It adapts to the noise, so order matters.

    ``aggressiveness`` goes from 0 (calls much speech) to 3 (calls little speech).
    Raises ``ValueError`` for a rate other than 8000, 16000, 24000, 48000 Hz or an aggressiveness outside 0 to 3.
    """

    __slots__ = ("_detector", "_native_rate", "_native_size", "_silence", "_size", "rate")

    def __init__(self, rate: int, aggressiveness: int = 2) -> None:
        if rate not in RATES:
            raise ValueError(f"no voice activity detection at {rate} Hz: choose one of {', '.join(map(str, RATES))}")
        if aggressiveness not in (0, 1, 2, 3):
            raise ValueError(f"aggressiveness is 0, 1, 2 or 3, not {aggressiveness}")
        self.rate = rate
        self._detector = webrtcvad.Vad(aggressiveness)
        self._native_rate = rate // _AVERAGED if rate == 24000 else rate
        self._native_size = 2 * self._native_rate * STEP_MS // 1000
        self._size = 2 * rate * STEP_MS // 1000
        self._silence = bytes(self._size)

    def is_speech(self, step: bytes) -> bool:
        """Whether a step of exactly 10 ms is speech. Raises ``ValueError`` for any other length."""
        if len(step) != self._size:
            raise ValueError(f"a step of 10 ms at {self.rate} Hz is {self._size} bytes, not {len(step)}")
        return self.decide(step)[0]

    def decide(self, steps: bytes) -> list[bool]:
        """One decision per step of a block, which costs less than step by step.

        Raises ``ValueError`` where the block is not a whole number of steps.
        """
        size = self._size
        if len(steps) % size:
            raise ValueError(f"a block at {self.rate} Hz is a multiple of {size} bytes (10 ms), not {len(steps)}")
        quiet = self._silence
        native = steps if self._native_rate == self.rate else _averaged(steps)
        native_size = self._native_size
        is_speech = self._detector.is_speech
        rate = self._native_rate
        return [
            steps[at : at + size] != quiet and is_speech(native[start : start + native_size], rate)
            for at, start in zip(range(0, len(steps), size), range(0, len(native), native_size), strict=True)
        ]


class SpeechDetector:
    """Finds where speech starts and stops in a stream of little-endian int16 samples, in pieces of any length.

    The rules:

    - Speech starts once a share of the latest ``min_speech_ms`` is voiced: (1/4 + threshold / 2) of its steps, rounded
      up, so 30 of 60 ms by default. Its first sample is the first one of the first voiced step among them.
    - Speech stops once ``silence_ms`` have passed without a voiced step. Its last sample is the last one of the last
      voiced step.

    ``threshold`` (0 to 1, the higher the surer it must be) also sets the aggressiveness of the detector: 0 below 0.25,
    then 1, 2 from 0.5 on, 3 from 0.75 on. Times are multiples of 10 ms; others are rounded up.

    ``in_noise``: voiced steps count only if they are clearly above the stream's noise floor (``audio.noise_floor``), else a noise that
    lasts would be speech without an end. A stream with digital silence in it, at least every 10 s, is heard as without.

    Raises ``ValueError`` for a rate that ``Vad`` refuses, a threshold outside 0 to 1, or times below 10 ms.
    """

    __slots__ = (
        "_aggressiveness",
        "_fed",
        "_floor",
        "_in_noise",
        "_last_voiced",
        "_needed",
        "_rate",
        "_rest",
        "_silence_steps",
        "_size",
        "_speaking",
        "_start_steps",
        "_step",
        "_steps_done",
        "_vad",
        "_voiced",
        "_zeros",
    )

    def __init__(
        self, rate: int, *, threshold: float = 0.5, min_speech_ms: int = 60, silence_ms: int = 500, in_noise: bool = False
    ) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"the threshold of a speech detector goes from 0 to 1, not {threshold}")
        if min_speech_ms < STEP_MS or silence_ms < STEP_MS:
            raise ValueError(f"speech and silence take a detector at least 10 ms, not {min_speech_ms} and {silence_ms} ms")
        self._rate = rate
        self._aggressiveness = min(3, int(4 * threshold))
        self._start_steps = math.ceil(min_speech_ms / STEP_MS)
        self._needed = max(1, math.ceil(self._start_steps * (0.25 + threshold / 2)))
        self._silence_steps = math.ceil(silence_ms / STEP_MS)
        self._step = rate * STEP_MS // 1000
        self._size = 2 * self._step
        self._zeros = b""
        self._in_noise = in_noise
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next sample fed is sample 0."""
        self._vad = Vad(self._rate, self._aggressiveness)
        self._floor = NoiseFloor(self._rate) if self._in_noise else None
        self._rest = b""
        self._fed = 0
        self._steps_done = 0
        self._speaking = False
        self._voiced: list[int] = []  # while silent: the voiced steps among the latest min_speech_ms
        self._last_voiced = 0  # while speaking: the latest voiced step

    @property
    def speaking(self) -> bool:
        """Whether speech has started and not stopped yet, by the samples fed so far."""
        return self._speaking

    @property
    def position(self) -> int:
        """Samples fed so far."""
        return self._fed

    def feed(self, pcm: bytes) -> list[SpeechStart | SpeechStop]:
        """The next piece of the stream; returns what was decided in it, in order (mostly nothing).

        A step is decided once its 10 ms are complete, so what is decided does not depend on how the stream is cut.
        Raises ``ValueError`` for an odd number of bytes.
        """
        length = len(pcm)
        if length % 2:
            raise ValueError(f"a piece of int16 samples cannot be {length} bytes long")
        self._fed += length // 2
        if not self._rest and not length % self._size:
            block = pcm
        else:
            data = self._rest + pcm
            whole = len(data) - len(data) % self._size
            block, self._rest = data[:whole], data[whole:]
        if len(self._zeros) != len(block):
            self._zeros = bytes(len(block))
        if block == self._zeros:
            if self._floor is not None and block:
                self._floor.silent()
            return self._silent(len(block) // self._size)
        return self._decided(block)

    def _silent(self, steps: int) -> list[SpeechStart | SpeechStop]:
        """``steps`` steps without a voiced one."""
        self._steps_done += steps
        if self._speaking:
            stop = self._last_voiced + self._silence_steps + 1
            if self._steps_done >= stop:
                return [self._stop(stop)]
        return []

    def _decided(self, block: bytes) -> list[SpeechStart | SpeechStop]:
        """Whole steps of which at least one is not digital silence."""
        events: list[SpeechStart | SpeechStop] = []
        step = self._steps_done
        above = self._floor.above(block) if self._floor is not None else None
        for at, voiced in enumerate(self._vad.decide(block)):
            if voiced and above is not None:
                voiced = above[at][self._speaking]
            if self._speaking:
                if voiced:
                    self._last_voiced = step
                elif step - self._last_voiced >= self._silence_steps:
                    events.append(self._stop(step + 1))
            elif voiced:
                oldest = step - self._start_steps
                self._voiced = [at for at in self._voiced if at > oldest]
                self._voiced.append(step)
                if len(self._voiced) >= self._needed:
                    events.append(SpeechStart(self._voiced[0] * self._step, (step + 1) * self._step))
                    self._speaking, self._last_voiced, self._voiced = True, step, []
            step += 1
        self._steps_done = step
        return events

    def _stop(self, steps: int) -> SpeechStop:
        self._speaking = False
        return SpeechStop((self._last_voiced + 1) * self._step - 1, steps * self._step)


def _averaged(steps: bytes) -> bytes:
    """Each 3 samples of little-endian int16 averaged into one: a third of the rate."""
    return (np.frombuffer(steps, "<i2").astype(np.float32).reshape(-1, _AVERAGED) @ _AVERAGE).astype("<i2").tobytes()
