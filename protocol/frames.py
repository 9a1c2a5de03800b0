"""RFC 6455 frames without I/O: bytes from the peer in, whole messages out.

Covered: framing, fragmentation, masking. Not covered: the opening handshake, extensions (a reserved bit is an error),
and UTF-8 of text messages: their content is JSON here, whose parser refuses invalid UTF-8 itself.
"""

from __future__ import annotations

from typing import Final

from protocol.masking import mask
from protocol.rfc6455 import MAX_CONTROL_PAYLOAD, CloseCode, FrameError, Message, Opcode

_FIN: Final = 0x80
_RSV: Final = 0x70
_FIRST_CONTROL: Final = 0x8
_OPCODES: Final = {int(opcode): opcode for opcode in Opcode}
_TEXT: Final = Opcode.TEXT
_WHOLE_TEXT: Final = _FIN | int(_TEXT)
_WHOLE_LONG: Final = {bytes((_FIN | int(opcode), 126)): opcode for opcode in (Opcode.TEXT, Opcode.BINARY)}
"""How a server's frame begins that is a whole message and has a 16-bit length."""


class FrameDecoder:
    """Cuts a byte stream into messages.

    `max_message`: the largest payload in bytes, counted over all fragments of a message. `expect_masked`: True on a
    server, whose peer must mask every frame; False on a client, whose peer must not (section 5.1).

    After a close frame everything is ignored (section 5.5.1). After a FrameError every further `feed` raises it again.
    """

    __slots__ = ("_between", "_closed", "_failure", "_fragments", "_key_size", "_mask_bit", "_max", "_need", "_opcode", "_rest")

    def __init__(self, *, max_message: int = 16 * 2**20, expect_masked: bool = False) -> None:
        self._max = max_message
        self._mask_bit = 0x80 if expect_masked else 0
        self._key_size = 4 if expect_masked else 0
        self._rest = bytearray()  # the beginning of a frame that is not complete
        self._need = 2  # length that _rest must reach before another look at it can tell more
        self._opcode: Opcode | None = None  # of the fragmented message under way
        self._fragments = bytearray()
        self._closed = False
        self._failure: tuple[CloseCode, str] | None = None
        self._between = not expect_masked  # on a client, while nothing is held back and nothing has ended

    @property
    def pending(self) -> int:
        """Bytes held back: of an incomplete frame, and of the fragments of an incomplete message."""
        return len(self._rest) + len(self._fragments)

    @property
    def closed(self) -> bool:
        """Whether a close frame has come."""
        return self._closed

    @property
    def between(self) -> bool:
        """Whether what comes next begins a message, so that `whole` may find one. False on a server, whose peer masks."""
        return self._between

    def whole(self, data: bytes) -> Message | None:
        """The message that `data` is, neither more nor less, as most reads of a call are; None for anything else, which `feed` takes.

        Nothing is left to do for `feed` where it is not None; at a quarter of its cost.
        """
        opcode = _WHOLE_LONG.get(data[:2]) if self._between else None
        if opcode is not None:
            size = len(data) - 4
            if MAX_CONTROL_PAYLOAD < size <= self._max and size == data[2] << 8 | data[3]:
                return Message(opcode, data[4:])
        return None

    def feed(self, data: bytes | bytearray | memoryview) -> list[Message]:
        """The messages that `data` completes, in order. `bytes` are quickest: anything else is copied once.

        Raises FrameError; what was complete before the fault is in its `messages`.
        """
        if self._failure is not None:
            raise FrameError(*self._failure)
        if self._closed:
            return []
        if self._rest:
            if len(self._rest) + len(data) < self._need:
                self._rest += data
                return []
            data = b"".join((self._rest, data))
            self._rest = bytearray()
        elif not isinstance(data, bytes):
            data = bytes(data)
        messages: list[Message] = []
        try:
            end = self._cut(data, messages)
        except FrameError as fault:
            self._failure = fault.code, str(fault)
            self._between = False
            self._fragments = bytearray()
            fault.messages = tuple(messages)
            raise
        if end < len(data):
            self._rest += memoryview(data)[end:]
        self._between = not (self._rest or self._opcode or self._closed or self._mask_bit)
        return messages

    def _cut(self, data: bytes, messages: list[Message]) -> int:
        """Appends to `messages` what is complete in `data`; returns where the first incomplete frame begins.

        Faults of a header are raised as soon as the header is there, before its payload is waited for.
        """
        start, end = 0, len(data)
        mask_bit, key_size = self._mask_bit, self._key_size
        while end - start >= 2:
            first = data[start]
            length = data[start + 1] ^ mask_bit
            body = start + 2
            if length > 0x7F:
                raise FrameError(CloseCode.PROTOCOL_ERROR, f"frame is {'not masked' if mask_bit else 'masked'}")
            if first != _WHOLE_TEXT or self._opcode is not None:
                self._check(first, length)
            if length > MAX_CONTROL_PAYLOAD:
                body += 2 if length == 126 else 8
                if body > end:
                    self._need = body - start
                    return start
                length = _extended_length(data[start + 2 : body])
            if length > self._max - len(self._fragments) and not first & _FIRST_CONTROL:
                size = length + len(self._fragments)
                raise FrameError(CloseCode.MESSAGE_TOO_BIG, f"message of at least {size} bytes; limit {self._max}")
            body += key_size
            stop = body + length
            if stop > end:
                self._need = stop - start
                return start
            payload = data[body:stop]
            if key_size:
                payload = mask(payload, data[body - 4 : body])
            start = stop
            if first == _WHOLE_TEXT:
                messages.append(Message(_TEXT, payload))
                continue
            self._take(first, payload, messages)
            if self._closed:
                return end
        self._need = 2
        return start

    def _check(self, first: int, length: int) -> None:
        """Refuses a first byte (and 7-bit length) that is illegal, or illegal amid a fragmented message."""
        if first & _RSV:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "reserved bit is set, but no extension was negotiated")
        opcode = _OPCODES.get(first & 0x0F)
        if opcode is None:
            raise FrameError(CloseCode.PROTOCOL_ERROR, f"opcode {first & 0x0F:#x} is reserved")
        if opcode >= _FIRST_CONTROL:
            if not first & _FIN:
                raise FrameError(CloseCode.PROTOCOL_ERROR, f"{opcode.name} frame is fragmented")
            if length > MAX_CONTROL_PAYLOAD:
                raise FrameError(CloseCode.PROTOCOL_ERROR, f"{opcode.name} frame is over {MAX_CONTROL_PAYLOAD} bytes")
        elif opcode is Opcode.CONTINUATION and self._opcode is None:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "CONTINUATION frame without a message to continue")
        elif opcode is not Opcode.CONTINUATION and self._opcode is not None:
            raise FrameError(CloseCode.PROTOCOL_ERROR, f"{opcode.name} frame inside a fragmented message")

    def _take(self, first: int, payload: bytes, messages: list[Message]) -> None:
        """Files a checked frame: under its message where it is a fragment, else as a message."""
        opcode = _OPCODES[first & 0x0F]
        if opcode >= _FIRST_CONTROL:
            messages.append(Message(opcode, payload))
            self._closed = opcode is Opcode.CLOSE
            if self._closed:
                self._fragments = bytearray()
        elif self._opcode is None and first & _FIN:
            messages.append(Message(opcode, payload))
        else:
            if self._opcode is None:
                self._opcode = opcode
            self._fragments += payload
            if first & _FIN:
                messages.append(Message(self._opcode, bytes(self._fragments)))
                self._opcode = None
                self._fragments = bytearray()


def _extended_length(field: bytes) -> int:
    """The 16- or 64-bit length. It must need its width, and leave the top bit of 64 clear (section 5.2)."""
    length = int.from_bytes(field, "big")
    if length >> 63:
        raise FrameError(CloseCode.PROTOCOL_ERROR, "top bit of a 64-bit length is set")
    if length <= (MAX_CONTROL_PAYLOAD if len(field) == 2 else 0xFFFF):
        raise FrameError(CloseCode.PROTOCOL_ERROR, f"length {length} is written in {len(field)} bytes, more than it needs")
    return length
