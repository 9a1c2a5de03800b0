"""Twilio Media Streams, as the telephone network speaks it: the talker is the caller, and the assistant the bot that Twilio would dial.

JSON text messages both ways; audio is base64 of mu-law at 8 kHz, 20 ms at a time to the bot. The wire knows no turns and no words. What
the bot sends is buffered and played in order; `mark` asks to be told when all before it was played, `clear` empties the buffer.
The messages: https://www.twilio.com/docs/voice/media-streams/websocket-messages
The signature: https://www.twilio.com/docs/usage/security#validating-requests
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from binascii import b2a_base64
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from protocol.alike import Alike, alike
from protocol.dialect import Dialect, Encoding, Fact, SessionSettings, sayable, websocket_url
from protocol.encoded import samples
from protocol.events import AudioDelta, Cleared, Event, Mark
from protocol.fields import need, read, unknown
from protocol.rfc6455 import Opcode

RATE: Final = 8_000
"""Hz; the only rate of the telephone network."""
_PER_MS: Final = RATE // 1000


@dataclass(frozen=True, slots=True)
class Options:
    """What the telephone network tells the bot of a call. `account_sid`: "" for one that is made up. `parameters`: what TwiML's
    `<Parameter>` gives, as `name=value&name=value`. `path`: of the WebSocket below the host, where the host does not name it."""

    account_sid: str = ""
    parameters: str = ""
    path: str = ""

    def __post_init__(self) -> None:
        if self.account_sid and not (self.account_sid.startswith("AC") and len(self.account_sid) == 34 and self.account_sid.isalnum()):
            raise ValueError(f"account_sid {self.account_sid!r:.60}: Twilio's begin with AC and have 32 letters and digits behind it")
        try:
            parse_qsl(self.parameters, strict_parsing=bool(self.parameters), keep_blank_values=True)
        except ValueError:
            raise ValueError(f"parameters {self.parameters!r:.60}: write name=value, or several as name=value&name=value") from None


class Twilio(Dialect):
    """A call of the telephone network, made up anew for each session. Its state: ids, and how much it has sent.

    `append` gives the payload alone, which all sessions share; `stamp` makes a message of it.
    """

    name = "twilio"
    Options = Options
    stamps = True
    ready_at_once = True
    by_ear = True
    untold = frozenset(Fact) - {Fact.CANCELLED}
    key_variable = "TWILIO_AUTH_TOKEN"
    input_rate = output_rate = RATE
    input_encoding = output_encoding = Encoding.MULAW

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._account = self.options.account_sid or f"AC{token_hex(16)}"
        self._call, self._stream = f"CA{token_hex(16)}", f"MZ{token_hex(16)}"
        self._url = ""
        self._messages = self._chunks = self._samples = 0
        self._media = (
            b'{"event":"media","sequenceNumber":"%%d","media":{"track":"inbound","chunk":"%%d","timestamp":"%%d","payload":"%%b"},\
"streamSid":"%b"}'
            % self._stream.encode()
        )

    def endpoint(self, base_url: str, model: str | None) -> str:
        """The bot's WebSocket: `path` below the host. The model is not told."""
        self._url = websocket_url(base_url, self.options.path)
        return self._url

    def headers(self, secret: str | None) -> dict[str, str]:
        """With the account's auth token: Twilio's signature of the URL that `endpoint` gave last. The token itself is never sent."""
        if secret is None:
            return {}
        signature = hmac.digest(sayable(secret).encode(), self._url.encode(), "sha1")
        return {"X-Twilio-Signature": b64encode(signature).decode()}

    def configure(self, settings: SessionSettings) -> list[bytes]:
        """`connected` and `start`. A bot has its own settings; it is told none."""
        start = {
            "accountSid": self._account,
            "streamSid": self._stream,
            "callSid": self._call,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE, "channels": 1},
            "customParameters": dict(parse_qsl(self.options.parameters, keep_blank_values=True)),
        }
        return [orjson.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}), self._message("start", start)]

    def append(self, audio: bytes) -> bytes:
        """The payload of a `media` message."""
        return b2a_base64(audio, newline=False)

    def stamp(self, message: bytes) -> bytes:
        """The next `media` message. `timestamp`: milliseconds of the stream before it."""
        self._messages += 1
        self._chunks += 1
        before = self._samples
        self._samples = before + len(message) // 4 * 3 - message.count(b"=", -2)
        return self._media % (self._messages, self._chunks, before // _PER_MS, message)

    def alike(self, message: bytes, opcode: Opcode) -> Alike | None:
        """A bot's `media` messages differ in their payload."""
        return alike(message, "payload")

    def played(self, mark: str) -> bytes:
        """`mark`, given back."""
        return self._message("mark", {"name": mark})

    def farewell(self) -> bytes:
        """`stop`."""
        return self._message("stop", {"accountSid": self._account, "callSid": self._call})

    def decode(self, message: bytes) -> Event:
        """`media`, `mark` or `clear`. For which stream they say they are does not matter: the socket has one."""
        fields = read(message)
        kind = need("message", fields, "event", str)
        if kind == "media":
            payload = need(kind, need(kind, fields, "media", dict), "payload", str, "media.")
            return AudioDelta(None, None, 0, samples(payload, Encoding.MULAW), payload)
        if kind == "mark":
            return Mark(need(kind, need(kind, fields, "mark", dict), "name", str, "mark."))
        if kind == "clear":
            return Cleared()
        return unknown(kind)

    def _message(self, event: str, told: dict[str, Any]) -> bytes:
        self._messages += 1
        return orjson.dumps({"event": event, "sequenceNumber": str(self._messages), event: told, "streamSid": self._stream})
