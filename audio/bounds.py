"""Where speech begins and ends in a clip that nobody has labelled, found with the whole clip at hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audio.vad import STEP_MS, Vad

# Speech is where 3 of 6 steps of 10 ms are voiced.
SPAN_STEPS = 6
SPAN_VOICED = 3

WINDOW_MS = 5
REACH_MS = 150
QUIET = 32768 * 10 ** (-50 / 20)  # RMS in int16 units
ABOVE_NOISE = 10 ** (10 / 20)
BELOW_LOUDEST = 10 ** (-20 / 20)


def detect_bounds(pcm: npt.NDArray[np.int16], rate: int) -> tuple[int, int] | None:
    """First and last sample of speech in ``pcm`` (int16, mono); None where there is none.

    Voice activity detection finds the speech to 10 ms: a soft onset late, and the end too late, as it holds on for some
    steps. Energy then moves both bounds: inwards over windows of 5 ms that are not clearly above the clip's own noise,
    and outwards, up to 150 ms, over neighbouring ones that are. Clearly above is 10 dB above the quietest tenth of the
    windows or 20 dB below the loudest one, whichever is lower, but at least -50 dBFS.

    Raises ``ValueError`` for a rate other than 8000, 16000, 24000, 48000 Hz.
    """
    vad = Vad(rate)
    step = rate * STEP_MS // 1000
    whole = len(pcm) - len(pcm) % step
    voiced = np.array(vad.decide(pcm[:whole].astype("<i2", copy=False).tobytes()), dtype=np.int64)
    if len(voiced) < SPAN_STEPS:
        return None
    total = np.concatenate(([0], np.cumsum(voiced)))
    spans = np.flatnonzero(total[SPAN_STEPS:] - total[:-SPAN_STEPS] >= SPAN_VOICED)
    if not len(spans):
        return None
    steps = np.flatnonzero(voiced)
    first = int(steps[steps >= spans[0]][0])
    last = int(steps[steps < spans[-1] + SPAN_STEPS][-1])
    return _refined(pcm, rate * WINDOW_MS // 1000, first * step, (last + 1) * step - 1)


def _refined(pcm: npt.NDArray[np.int16], size: int, first: int, last: int) -> tuple[int, int] | None:
    """The bounds moved to edges of windows of ``size`` samples; None where no window is clearly above the noise."""
    windows = len(pcm) // size
    level = np.sqrt(np.square(pcm[: windows * size], dtype=np.float64).reshape(windows, size).mean(axis=1))
    clear = level > max(QUIET, min(float(np.quantile(level, 0.1)) * ABOVE_NOISE, float(level.max()) * BELOW_LOUDEST))
    low, high = first // size, last // size
    inside = np.flatnonzero(clear[low : high + 1])
    if not len(inside):
        return None
    low, high = low + int(inside[0]), low + int(inside[-1])
    reach = REACH_MS // WINDOW_MS
    low -= _leading(clear[max(0, low - reach) : low][::-1])
    high += _leading(clear[high + 1 : high + 1 + reach])
    return low * size, (high + 1) * size - 1


def _leading(flags: npt.NDArray[np.bool_]) -> int:
    """How many flags are true before the first false one."""
    return len(flags) if flags.all() else int(np.argmin(flags))
