"""What has been heard lately: the sound of a stream, and when it came."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

MAX_MESSAGES = 3000  # remembered at most, however short

Pcm = npt.NDArray[np.int16]


class History:
    """The latest messages of a stream at `rate` Hz. `messages`: first sample, sample after the last, arrival in ns, the sound: None where
    it is silence, or known as a clip's."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self.messages: deque[tuple[int, int, int, bytes | None]] = deque(maxlen=MAX_MESSAGES)

    def add(self, start: int, end: int, arrival_ns: int, sound: bytes | None, kept_s: float) -> None:
        """Remember a message, and forget what is older than `kept_s`."""
        messages = self.messages
        messages.append((start, end, arrival_ns, sound))
        while len(messages) > 1 and messages[1][0] < end - kept_s * self._rate:
            messages.popleft()

    def instant_of(self, sample: int) -> int | None:
        """Capture instant of a sample of the stream; None where its message is forgotten or has not come."""
        for start, end, arrival_ns, _ in reversed(self.messages):
            if start <= sample < end:
                return arrival_ns - (end - sample) * 1_000_000_000 // self._rate
            if end <= sample:
                return None
        return None

    def since(self, sample: int) -> tuple[int, Pcm]:
        """The sound of the messages that hold this sample and those after it, and their first sample; what is not kept is silence."""
        found = [message for message in self.messages if message[1] > sample]
        sound = b"".join(sound or bytes(2 * (end - start)) for start, end, _, sound in found)
        return (found[0][0] if found else sample), np.frombuffer(sound, "<i2")
