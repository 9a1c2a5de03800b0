"""The words of RFC 6455: opcodes, close codes, messages, and the error of a peer that breaks its rules.

Section numbers are those of the RFC.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

MAX_CONTROL_PAYLOAD: Final = 125
"""Bytes that a ping, pong or close frame may carry (section 5.5)."""


class Opcode(IntEnum):
    """What a frame carries (section 5.2). A decoded `Message` never has CONTINUATION."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(IntEnum):
    """Why a connection ends (section 7.4.1, IANA's registry). 3000-3999 belong to libraries, 4000-4999 to no one."""

    NORMAL = 1000  # the purpose of the connection is fulfilled
    GOING_AWAY = 1001  # the peer shuts down or has reached a limit of the session
    PROTOCOL_ERROR = 1002  # the frames break the rules
    UNSUPPORTED_DATA = 1003  # a kind of data that the peer does not take
    NO_STATUS = 1005  # never sent: the close frame had no code
    ABNORMAL = 1006  # never sent: the connection ended without a close frame
    INVALID_DATA = 1007  # text that is not UTF-8
    POLICY_VIOLATION = 1008  # refused for a reason that has no code of its own
    MESSAGE_TOO_BIG = 1009  # longer than the peer takes
    MANDATORY_EXTENSION = 1010  # the client needed an extension that the server did not accept
    INTERNAL_ERROR = 1011  # the server cannot go on
    SERVICE_RESTART = 1012  # the server restarts: come back after a random pause
    TRY_AGAIN_LATER = 1013  # the server is overloaded
    BAD_GATEWAY = 1014  # a proxy got an invalid answer from the server behind it
    TLS_HANDSHAKE = 1015  # never sent: TLS failed


class Message(NamedTuple):
    """A whole message (TEXT or BINARY, put together from its fragments) or a control frame (PING, PONG, CLOSE)."""

    opcode: Opcode
    payload: bytes


class FrameError(Exception):
    """The peer broke the framing rules. `code` is the close code that tells it so: 1002, 1007 or 1009.

    `messages` are those that were complete before the fault in the bytes of the same `feed`, so that where the stream
    happened to be split decides nothing.
    """

    def __init__(self, code: CloseCode, text: str, messages: Iterable[Message] = ()) -> None:
        super().__init__(text)
        self.code = code
        self.messages = tuple(messages)


_NEVER_SENT = frozenset((CloseCode.NO_STATUS, CloseCode.ABNORMAL, CloseCode.TLS_HANDSHAKE))
_SENDABLE = frozenset(CloseCode) - _NEVER_SENT


def _may_be_sent(code: int) -> bool:
    return code in _SENDABLE or 3000 <= code <= 4999


def close_payload(code: int, reason: str = "") -> bytes:
    """The payload of a close frame.

    Raises ValueError for a code that may not be sent and for a reason over 123 bytes of UTF-8.
    """
    if not _may_be_sent(code):
        raise ValueError(f"close code {code} may not be sent")
    payload = code.to_bytes(2, "big") + reason.encode()
    if len(payload) > MAX_CONTROL_PAYLOAD:
        raise ValueError(f"close reason is {len(payload) - 2} bytes; at most {MAX_CONTROL_PAYLOAD - 2} fit")
    return payload


def parse_close(payload: bytes) -> tuple[int | None, str]:
    """Code and reason of a close frame; None where it gives no code (what APIs call 1005).

    Raises FrameError: 1002 for a cut or forbidden code, 1007 for a reason that is not UTF-8.
    """
    if not payload:
        return None, ""
    if len(payload) == 1:
        raise FrameError(CloseCode.PROTOCOL_ERROR, "close code is cut to one byte")
    code = int.from_bytes(payload[:2], "big")
    if not _may_be_sent(code):
        raise FrameError(CloseCode.PROTOCOL_ERROR, f"close code {code} may not be sent")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise FrameError(CloseCode.INVALID_DATA, "close reason is not UTF-8") from None
