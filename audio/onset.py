"""Where sound begins and ends in samples that may carry leading silence.

Sound begins with the first 10 ms whose RMS is above -40 dBFS and stays there for 50 ms, looked for in steps of 1 ms
(the rule of Pipecat's time-to-first-audio measurement). Within that window the first sample whose magnitude is above
-40 dBFS is the first sound: a loud onset lifts the window's RMS with its last millisecond already, and the window's own
start would then be reported up to 9 ms early.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

THRESHOLD_DBFS = -40.0
THRESHOLD = 32768 * 10 ** (THRESHOLD_DBFS / 20)  # RMS and magnitude in int16 units, 0 dBFS being full scale
WINDOW_MS = 10
HOLD_MS = 50
HOLD_WINDOWS = HOLD_MS - WINDOW_MS + 1  # windows in steps of 1 ms that together span 50 ms


def samples_per_ms(rate: int) -> int:
    """Samples in 1 ms, to the nearest whole one: at 22.05 and 44.1 kHz a step lasts 0.998 ms. Raises ``ValueError`` below 8000 Hz."""
    if rate < 8000:
        raise ValueError(f"sound is looked for in steps of 1 ms: the rate must be 8000 Hz or more, not {rate}")
    return round(rate / 1000)


def loud_windows(pcm: npt.NDArray[np.int16], rate: int) -> npt.NDArray[np.bool_]:
    """For each window of 10 ms in steps of 1 ms: is its RMS above -40 dBFS? Window ``i`` begins at ``i`` ms.

    ``pcm`` is int16, mono. Shape: (whole milliseconds - 9,), or empty where the sound is shorter than 10 ms.
    """
    step = samples_per_ms(rate)
    whole = len(pcm) // step
    if whole < WINDOW_MS:
        return np.zeros(0, np.bool_)
    energy = np.square(pcm[: whole * step], dtype=np.float64).reshape(whole, step).sum(axis=1)
    total = np.concatenate(([0.0], np.cumsum(energy)))
    loud: npt.NDArray[np.bool_] = total[WINDOW_MS:] - total[:-WINDOW_MS] > THRESHOLD**2 * WINDOW_MS * step
    return loud


def last_sound(pcm: npt.NDArray[np.int16], rate: int) -> int | None:
    """The last sample of sound in ``pcm`` (int16, mono): the last one above -40 dBFS in the last loud window of 10 ms.

    None where no window is loud. Raises ``ValueError`` for a rate below 8000 Hz.
    """
    step = samples_per_ms(rate)
    # Sound up to the very end is looked at as if silence followed: a last millisecond that is not whole counts too.
    loud = np.flatnonzero(loud_windows(np.concatenate([pcm, np.zeros(-len(pcm) % step, np.int16)]), rate))
    if not len(loud):
        return None
    start = int(loud[-1]) * step
    return start + int(_above(pcm[start : start + WINDOW_MS * step])[-1])


def sound_bounds(pcm: npt.NDArray[np.int16], rate: int) -> tuple[int, int] | None:
    """First and last sample of sound in ``pcm`` (int16, mono), by the rule of ``last_sound`` from either end.

    Other than ``FirstSound`` it does not ask the sound to hold, so a click counts. None where no window is loud.
    Raises ``ValueError`` for a rate below 8000 Hz.
    """
    last = last_sound(pcm, rate)
    first = last_sound(pcm[::-1], rate)
    return None if first is None or last is None else (len(pcm) - 1 - first, last)


class FirstSound:
    """Looks for the first sound in a stream of samples that comes in pieces of any length.

    Raises ``ValueError`` for a rate below 8000 Hz.
    """

    __slots__ = ("_found", "_kept", "_kept_from", "_rate", "_step")

    def __init__(self, rate: int) -> None:
        self._step = samples_per_ms(rate)
        self._rate = rate
        self._kept = b""  # what a later piece may still complete to 50 ms of sound
        self._kept_from = 0  # stream index of its first sample
        self._found: int | None = None

    def feed(self, pcm: bytes) -> int | None:
        """The next piece (little-endian int16, mono). Returns the stream index of the first sound's first sample.

        None while there is none; once it is found every call returns the same index. The decision needs the 50 ms after
        the onset, so it may come pieces later than the onset itself. Raises ``ValueError`` for an odd number of bytes.
        """
        if self._found is not None:
            return self._found
        if len(pcm) % 2:
            raise ValueError(f"a piece of int16 samples cannot be {len(pcm)} bytes long")
        self._kept += pcm
        if len(self._kept) < 2 * HOLD_MS * self._step:  # too short to hold
            return None
        samples = np.frombuffer(self._kept, "<i2")
        loud = loud_windows(samples, self._rate)
        run = _first_run(loud, HOLD_WINDOWS)
        if run is None:
            # A window that does not begin a run yet may still do so: keep from the first window of the trailing run.
            quiet = np.flatnonzero(~loud)
            drop = (int(quiet[-1]) + 1 if len(quiet) else 0) * self._step
            self._kept = self._kept[2 * drop :]
            self._kept_from += drop
            return None
        start = run * self._step
        first = int(_above(samples[start : start + WINDOW_MS * self._step])[0])
        self._found = self._kept_from + start + first
        self._kept = b""
        return self._found


def _first_run(flags: npt.NDArray[np.bool_], length: int) -> int | None:
    """Index at which the first run of ``length`` true flags begins; None where there is none."""
    if len(flags) < length:
        return None
    total = np.concatenate(([0], np.cumsum(flags)))
    runs = np.flatnonzero(total[length:] - total[:-length] == length)
    return int(runs[0]) if len(runs) else None


def _above(pcm: npt.NDArray[np.int16]) -> npt.NDArray[np.intp]:
    """Indices of the samples above the threshold; never empty where the RMS of ``pcm`` is above it."""
    return np.flatnonzero(np.abs(pcm.astype(np.int32)) > THRESHOLD)
