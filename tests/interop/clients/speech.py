"""A microphone for vendors' clients: frames of a WAV file, and silence before and behind, at the pace at which they are spoken.

Standard library alone: it runs in each client's own environment.
"""

from __future__ import annotations

import asyncio
import time
import wave
from collections.abc import AsyncIterator


class Microphone:
    """Streams without end, as a microphone does. `rate` in Hz, PCM16 mono, frames of `frame_ms`."""

    def __init__(self, rate: int, frame_ms: int = 20) -> None:
        self._size = 2 * rate * frame_ms // 1000
        self._frame_s = frame_ms / 1000
        self._speech = b""
        self.spoken = asyncio.Event()
        """Set once what was to be said has been."""

    def say(self, path: str) -> None:
        """Speak a WAV file from the next frame on."""
        with wave.open(path) as file:
            self._speech = file.readframes(file.getnframes())
        self.spoken.clear()

    async def frames(self) -> AsyncIterator[bytes]:
        """Frame by frame."""
        due = time.monotonic()
        while True:
            frame, self._speech = self._speech[: self._size], self._speech[self._size :]
            if frame and not self._speech:
                self.spoken.set()
            yield frame + bytes(self._size - len(frame))
            due += self._frame_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
