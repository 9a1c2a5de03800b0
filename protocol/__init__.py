"""The wire, sans-I/O: RFC 6455 frames, the events of a voice assistant, and one dialect per vendor's message format.

Nothing here opens a socket, waits, reads a clock or logs: bytes go in, events come out, and the other way round.
"""

from __future__ import annotations

from protocol.access import Recipe, Request, Reuse, filled, variables
from protocol.alike import Alike
from protocol.dialect import Dialect, Encoding, Fact, MalformedMessage, SessionSettings, websocket_url, wrong_rates
from protocol.dialects import DIALECTS
from protocol.dialects.openai_realtime import TOKENS, OpenAIRealtime, OpenAIRealtimeBeta
from protocol.events import Event
from protocol.frames import FrameDecoder
from protocol.grant import Grant, Lacking, found
from protocol.masking import PreparedFrame, encode, mask, mask_keys
from protocol.registry import find, make
from protocol.rfc6455 import CloseCode, FrameError, Message, Opcode, close_payload, parse_close

__all__ = [
    "DIALECTS",
    "TOKENS",
    "Alike",
    "CloseCode",
    "Dialect",
    "Encoding",
    "Event",
    "Fact",
    "FrameDecoder",
    "FrameError",
    "Grant",
    "Lacking",
    "MalformedMessage",
    "Message",
    "Opcode",
    "OpenAIRealtime",
    "OpenAIRealtimeBeta",
    "PreparedFrame",
    "Recipe",
    "Request",
    "Reuse",
    "SessionSettings",
    "close_payload",
    "encode",
    "filled",
    "find",
    "found",
    "make",
    "mask",
    "mask_keys",
    "parse_close",
    "variables",
    "websocket_url",
    "wrong_rates",
]
