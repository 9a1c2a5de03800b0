"""A coverage-guided fuzzer at the frame decoder and the messages behind it: `make fuzz` runs a million inputs.

It ends with the input printed and kept where anything but the codec's own errors is raised, or where the way in which the stream happened
to be cut changes what comes out.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["protocol"]):
    import protocol
    from protocol import FrameDecoder, FrameError, MalformedMessage, Message, Opcode, parse_close

_DIALECT = protocol.OpenAIRealtime()


def read(data: bytes, masked: bool, limit: int, step: int) -> tuple[list[Message], tuple[int, str] | None, int]:
    """The messages in `data`, read in pieces of `step` bytes as a link does; the fault that ended it; what is held back."""
    decoder = FrameDecoder(expect_masked=masked, max_message=limit)
    messages: list[Message] = []
    for at in range(0, len(data), step):
        piece = data[at : at + step]
        whole = decoder.whole(piece)
        if whole is not None:
            messages.append(whole)
            continue
        try:
            messages += decoder.feed(piece)
        except FrameError as fault:
            return [*messages, *fault.messages], (fault.code, str(fault)), decoder.pending
    return messages, None, decoder.pending


def one(data: bytes) -> None:
    """One input: four bytes say how it is read, the rest is what the peer sends."""
    if len(data) < 4:
        return
    masked, limit, step, rest = bool(data[0] & 1), 1 + 97 * data[1], 1 + data[2], data[4:]
    at_once = read(rest, masked, limit, len(rest) or 1)
    assert at_once == read(rest, masked, limit, step), "how the stream is cut decides nothing"
    for message in at_once[0]:
        try:
            if message.opcode is Opcode.CLOSE:
                parse_close(message.payload)
            elif message.opcode is Opcode.TEXT:
                _DIALECT.decode(message.payload)
        except (FrameError, MalformedMessage):
            pass


atheris.Setup(sys.argv, one)
atheris.Fuzz()
