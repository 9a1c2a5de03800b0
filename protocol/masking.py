"""What a client sends: frames with their payload masked (RFC 6455, section 5.3), and audio frames encoded once and masked at every send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.rfc6455 import MAX_CONTROL_PAYLOAD, Opcode

_Words = npt.NDArray[np.uint32]

_FIN: Final = 0x80
_FIRST_CONTROL: Final = 0x8
_KEYS: Final = 1024
_xor = np.bitwise_xor


def mask_keys(random: Callable[[int], bytes]) -> Iterator[np.uint32]:
    """Masking keys without end. `random` gives so many unpredictable bytes, as `os.urandom` does; it is asked for 4 KiB at a time."""
    while True:
        yield from np.frombuffer(random(4 * _KEYS), np.uint32)


def mask(payload: bytes, key: bytes) -> bytes:
    """`payload` XOR the 4-byte `key` repeated (section 5.3); its own inverse."""
    size = len(payload)
    words = np.frombuffer(payload + bytes(-size % 4), np.uint32)
    return (words ^ np.frombuffer(key, np.uint32)).tobytes()[:size]


def encode(opcode: Opcode, payload: bytes, key: bytes | None, *, fin: bool = True) -> bytes:
    """One frame. `key`: 4 unpredictable bytes on a client, None on a server; `fin=False`: more fragments follow.

    Raises ValueError for a key of another length and for a control frame that is fragmented or over 125 bytes.
    """
    if key is None:
        return _header(opcode, len(payload), False, fin) + payload
    if len(key) != 4:
        raise ValueError(f"masking key must be 4 bytes, not {len(key)}")
    return b"".join((_header(opcode, len(payload), True, fin), key, mask(payload, key)))


class PreparedFrame:
    """A client's frame prepared once and masked afresh at every send, without a copy and without an allocation.

    `wire`: the frame with a key of zero, and zeros after it up to whole words of its key and payload. As the key stands directly before the
    payload, one XOR of those words with the key both writes it and masks the payload; it goes into a buffer that all frames of the same
    header share. `size`: bytes of the frame.
    """

    __slots__ = ("_out", "_payload_at", "_view", "_words", "size", "wire")

    def __init__(self, opcode: Opcode, payload: bytes) -> None:
        header = _header(opcode, len(payload), True, True)
        self._payload_at = len(header) + 4
        self.size = len(header) + 4 + len(payload)
        self.wire = b"".join((header, bytes(4), payload, bytes(-len(payload) % 4)))
        self._words: _Words = np.frombuffer(self.wire, np.uint32, offset=len(header))
        self._out, self._view = _buffer(header, len(payload))

    @property
    def payload(self) -> bytes:
        """What it carries."""
        return self.wire[self._payload_at : self.size]

    def masked(self, key: np.uint32) -> memoryview:
        """The bytes that `encode(opcode, payload, key.tobytes())` gives, until the next call of any frame of the same length: the caller
        hands them to the kernel at once, or copies them."""
        _xor(self._words, key, self._out)
        return self._view


@lru_cache(maxsize=64)
def _buffer(header: bytes, size: int) -> tuple[_Words, memoryview]:
    """Room for one frame: its words from the key on, aligned, and the frame's bytes with `header` in place."""
    words = 1 + (size + 3) // 4
    begin = -len(header) % 4
    raw = bytearray(begin + len(header) + 4 * words)
    raw[begin : begin + len(header)] = header
    return np.frombuffer(raw, np.uint32, offset=begin + len(header)), memoryview(raw)[begin : begin + len(header) + 4 + size]


def _header(opcode: Opcode, size: int, masked: bool, fin: bool) -> bytes:
    """A frame's bytes before key and payload. Raises ValueError where a control frame is too long or fragmented."""
    if opcode >= _FIRST_CONTROL and (size > MAX_CONTROL_PAYLOAD or not fin):
        raise ValueError(f"{opcode.name} frame must be whole and of at most {MAX_CONTROL_PAYLOAD} bytes: {size=}, {fin=}")
    first = opcode | (_FIN if fin else 0)
    bit = 0x80 if masked else 0
    if size <= MAX_CONTROL_PAYLOAD:
        return bytes((first, bit | size))
    if size <= 0xFFFF:
        return bytes((first, bit | 126, size >> 8, size & 0xFF))
    return bytes((first, bit | 127)) + size.to_bytes(8, "big")
