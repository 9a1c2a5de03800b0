"""Cut clips into frames: the unit in which a microphone delivers sound."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SHORTEST_FRAME_MS = 10
LONGEST_FRAME_MS = 200


def frame_samples(rate: int, frame_ms: float) -> int:
    """Samples in one frame of ``frame_ms`` milliseconds at ``rate`` samples a second.

    A frame is a multiple of 10 ms, because voice activity detection works in steps of 10 ms, and at most 200 ms,
    because a longer frame would by itself add more latency than an assistant is allowed.

    Raises ``ValueError`` where the length is not allowed or is not a whole number of samples.
    """
    if frame_ms % 10 or not SHORTEST_FRAME_MS <= frame_ms <= LONGEST_FRAME_MS:
        raise ValueError(
            f"a frame of {frame_ms:g} ms is not possible: choose a multiple of 10 ms from "
            f"{SHORTEST_FRAME_MS} to {LONGEST_FRAME_MS} ms (10, 20, 30, ... 200)"
        )
    samples, rest = divmod(rate * int(frame_ms), 1000)
    if rest or samples <= 0:
        raise ValueError(
            f"a frame of {frame_ms:g} ms is {rate * frame_ms / 1000:g} samples at {rate} Hz, which is not a whole "
            f"number above 0: choose a rate that is a multiple of 100 Hz (8000, 16000, 24000, 48000)"
        )
    return samples


def cut(pcm: npt.NDArray[np.int16], samples: int) -> list[bytes]:
    """Frames of ``samples`` samples that cover ``pcm`` (int16, mono) exactly, in order.

    Each frame is ``2 * samples`` bytes of little-endian int16. The last one is padded with digital silence. An empty
    ``pcm`` gives no frame. Raises ``ValueError`` where ``samples`` is below 1.
    """
    if samples < 1:
        raise ValueError(f"a frame holds at least 1 sample, not {samples}")
    size = 2 * samples
    data = pcm.astype("<i2", copy=False).tobytes()
    data += bytes(-len(data) % size)
    return [data[at : at + size] for at in range(0, len(data), size)]


def silence(samples: int) -> bytes:
    """``samples`` samples of digital silence as little-endian int16, hence ``2 * samples`` zero bytes."""
    return bytes(2 * samples)
