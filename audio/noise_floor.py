"""How loud a stream is while nobody speaks, so that noise is not taken for speech.

In noise that lasts, WebRTC's detector hears speech without an end, even where the noise is 20 dB below speech. So a step of 10 ms counts as
speech only if it is also clearly above the stream's noise floor.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

import numpy as np

LEARNING_STEPS = 30
"""A stream that begins with sound is listened to for 300 ms first: a microphone is open before its talker speaks."""
FORGETTING_STEPS = 1000
"""A stream that was digitally silent within the last 10 s has no noise floor: every step passes."""
START_ABOVE = 10 ** (9 / 10)
HOLD_ABOVE = 10 ** (5 / 10)
"""Power above the floor with which speech starts, in one step, and goes on, in the mean of eight."""

_NATIVE_HZ = 8000
_STEP_SAMPLES = _NATIVE_HZ // 100
_PRE_EMPHASIS = np.float32(0.7)
_HELD_STEPS = 8
_RISE = 10 ** (0.01 / 10)
"""The floor rises by at most 1 dB a second, and falls at once."""


class NoiseFloor:
    """The noise floor of a stream of little-endian int16 samples at `rate` Hz, a multiple of 8 kHz.

    It is the least mean power over 300 ms, of the signal averaged down to 8 kHz with the bass lowered (first difference with 0.7).
    """

    __slots__ = ("_average", "_before", "_factor", "_floor", "_powers", "_since_silence")

    def __init__(self, rate: int) -> None:
        self._factor = rate // _NATIVE_HZ
        self._average = np.full(self._factor, 1 / self._factor, np.float32)
        self._before = np.float32(0.0)
        self._powers: deque[float] = deque(maxlen=LEARNING_STEPS)
        self._floor: float | None = None
        self._since_silence = FORGETTING_STEPS

    def silent(self) -> None:
        """The stream was digitally silent for a step or more."""
        self._since_silence, self._floor = 0, 1.0
        self._powers.clear()

    def above(self, block: bytes) -> list[tuple[bool, bool]] | None:
        """For each whole step of 10 ms of the block: whether speech may start in it, and whether it may go on. None: all may."""
        steps = len(block) // (2 * _STEP_SAMPLES * self._factor)
        if self._since_silence + steps <= FORGETTING_STEPS and self._floor is not None:
            self._since_silence += steps
            return None
        samples = np.frombuffer(block, "<i2").astype(np.float32)
        native = samples.reshape(-1, self._factor) @ self._average
        sharp = native.copy()
        sharp[1:] -= _PRE_EMPHASIS * native[:-1]
        sharp[0] -= _PRE_EMPHASIS * self._before
        self._before = native[-1]
        powers = np.square(sharp.reshape(-1, _STEP_SAMPLES)).mean(axis=1)
        return [self._judge(power) for power in powers.tolist()]

    def _judge(self, power: float) -> tuple[bool, bool]:
        if power == 0.0:
            self.silent()
            return False, False
        self._since_silence += 1
        if self._since_silence <= FORGETTING_STEPS:
            return True, True
        latest = self._powers
        latest.append(power)
        if len(latest) < LEARNING_STEPS:
            return (False, False) if self._floor is None else (True, True)
        mean = max(sum(latest) / len(latest), 1.0)
        floor = self._floor = mean if self._floor is None else min(self._floor * _RISE, mean)
        held = sum(islice(reversed(latest), _HELD_STEPS)) / _HELD_STEPS
        return power > floor * START_ABOVE, held > floor * HOLD_ABOVE
