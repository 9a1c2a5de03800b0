"""A dialect checked by itself, without a server: what every dialect must be, whatever its wire. Pure."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from inspect import signature
from typing import Any, Final, get_args

from protocol.alike import Alike
from protocol.conformance import excerpt
from protocol.dialect import Dialect, Encoding, Fact, MalformedMessage, SessionSettings, wrong_rates
from protocol.events import AudioDelta, Event
from protocol.rfc6455 import Opcode

_FRAME_S: Final = 0.02
_SECRET: Final = "not-a-secret"
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]{24,}={0,2}")
_EVENTS: Final = get_args(Event)
_TYPES: Final = ("audio", "error", "session.updated", "response.done", "start", "media", "mark", "transcript", "message", "ping")
_VALUES: Final = ("null", "true", "-1", "1e999", '""', '"a"', '"AAA"', "[]", "{}", '{"a":{"a":null}}', '"\\ud800"', "9" * 400)

RUBBISH: Final[tuple[bytes, ...]] = (
    b"", b"\0", b"\xff\xfe\xfd", b"abc", bytes(639), bytes(640), b"RIFF", b"RIFF\0\0\0\0WAVE", b"\x0a\xff\xff\xff\xff\x7f", b"\x12\x05abc",
    b"{", b"[]", b"{}", b"null", b"5", b'"text"', b"[[[[[[[[]]]]]]]]", b"[" * 3000, b'{"type":', b"\xef\xbb\xbf{}",
    *(f'{{"type":{value}}}'.encode() for value in _VALUES),
    *(f'{{"event":{value}}}'.encode() for value in _VALUES),
    *(f'{{"type":"{kind}","{kind}":{value}}}'.encode() for kind in _TYPES for value in _VALUES),
    *(f'{{"event":"{kind}","{kind}":{value}}}'.encode() for kind in _TYPES for value in _VALUES),
    *(f'{{"{kind}":{value}}}'.encode() for kind in _TYPES for value in _VALUES),
)  # fmt: skip
"""Messages that no server sends: none is to be met with anything but an event or MalformedMessage."""


def violations(made: Callable[[], Dialect]) -> list[str]:
    """What is wrong with a dialect, a line each; `made` gives a fresh one."""
    found: list[str] = []
    for part in (_what_it_is, _how_it_gets_in, _what_it_sends, _what_it_hears, _what_is_alike):
        try:
            found += part(made)
        except Exception as error:
            found.append(f"{part.__name__.strip('_').replace('_', ' ')}: raised {type(error).__name__}: {error}")
    return found


def notes(made: Callable[[], Dialect]) -> list[str]:
    """What may be right or wrong with a dialect that has no violations, a line each."""
    audio = _audio(made(), 7)
    if _holds(_sent(made(), audio), audio):
        return []
    return ["the message of append does not hold the audio, as it is or in base64: right only if the server takes what is there instead"]


def _what_it_is(made: Callable[[], Dialect]) -> Iterator[str]:
    one = made()
    if not is_dataclass(one.Options):
        yield f"Options is {one.Options!r:.60}, and no dataclass"
    yield from wrong_rates(one)
    for side in ("input", "output"):
        encoding = getattr(one, f"{side}_encoding")
        if not isinstance(encoding, Encoding):
            yield f"{side}_encoding is {encoding!r:.60}: there are {', '.join(Encoding)}"
    if not all(isinstance(fact, Fact) for fact in one.untold):
        yield "untold holds what is no Fact"
    if one.by_ear and not {Fact.CREATED, Fact.DONE} & one.untold:
        yield "by_ear, though it promises to tell where a response begins and ends: one of Fact.CREATED and Fact.DONE belongs into untold"


def _how_it_gets_in(made: Callable[[], Dialect]) -> Iterator[str]:
    one = made()
    for base, scheme in (("http://voice.example", "ws://"), ("https://voice.example", "wss://"), ("wss://voice.example/a?b=c", "wss://")):
        url = one.endpoint(base, "a-model")
        if not url.startswith(f"{scheme}voice.example"):
            yield f"endpoint of {base} is {url!r:.100}, and not below {scheme}voice.example"
    for base in ("ftp://voice.example", "http://", "voice.example"):
        if not _refuses(lambda base=base: one.endpoint(base, None)):  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            yield f"endpoint takes {base!r}: it should raise ValueError"
    for secret in (None, _SECRET):
        told = one.headers(secret)
        if not all(isinstance(text, str) for pair in told.items() for text in pair):
            yield "headers holds what is no text"
    if one.headers(_SECRET) != one.headers(None) and not _refuses(lambda: one.headers("a\r\nb")):
        yield "headers takes a secret with a line end: it should raise ValueError"
    if not all(isinstance(name, str) for name in one.subprotocols()):
        yield "subprotocols holds what is no text"


def _what_it_sends(made: Callable[[], Dialect]) -> Iterator[str]:
    one, other = made(), made()
    if not all(isinstance(message, bytes) for message in one.configure(SessionSettings())):
        yield "configure gives what is no bytes"
    audio = _audio(one, 7)
    message = one.append(audio)
    if not isinstance(message, bytes):
        yield "append gives no bytes"
        return
    if message != one.append(audio) or message != other.append(audio):
        yield "append gives other bytes for the same audio: what differs from message to message belongs into stamp"
    sent = _sent(made(), audio)
    if not isinstance(sent, bytes):
        yield "stamp gives no bytes"
        return
    if sent == _sent(made(), _audio(one, 11)):
        yield "append gives the same message for different audio"
    if one.stamps and one.stamp(message) == one.stamp(message):
        yield "stamps, though stamp gives the same message twice"
    says = (one.cancel(None), one.cancel("r"), one.truncate("i", 0, 100), one.played("m"), one.farewell())
    if not all(told is None or isinstance(told, bytes) for told in says):
        yield "cancel, truncate, played or farewell gives what is neither bytes nor None"


def _what_it_hears(made: Callable[[], Dialect]) -> Iterator[str]:
    for name in ("decode", "decode_binary"):
        one = made()
        first: dict[str, bytes] = {}
        for message in RUBBISH:
            wrong = _decoding(getattr(one, name), message)
            if wrong is not None:
                first.setdefault(wrong, message)
        yield from (f"{name} {wrong} for {excerpt(message)!r}" for wrong, message in first.items())


def _what_is_alike(made: Callable[[], Dialect]) -> Iterator[str]:
    """`alike` is asked of messages that were decoded as audio, and of no others."""
    try:
        signature(made().alike).bind(b"", Opcode.TEXT)
    except TypeError as error:
        yield f"alike does not take a message and its opcode: {error}"
        return
    for name, opcode in (("decode", Opcode.TEXT), ("decode_binary", Opcode.BINARY)):
        one = made()
        told = (one.alike(message, opcode) for message in RUBBISH if _is_audio(getattr(one, name), message))
        wrong = next((found for found in told if not (found is None or isinstance(found, Alike))), None)
        if wrong is not None:
            yield f"alike gives {type(wrong).__name__} for a message of {name}: it is an Alike or None"


def _decoding(decode: Callable[[bytes], Any], message: bytes) -> str | None:
    """What is wrong with how a message is met; None where nothing is."""
    try:
        events = decode(message)
    except MalformedMessage:
        return None
    except Exception as error:
        return f"raised {type(error).__name__} ({str(error)[:60]}), and not MalformedMessage,"
    listed = events if isinstance(events, list) else [events]
    wrong = [type(event).__name__ for event in listed if not isinstance(event, _EVENTS)]
    return f"gave {wrong[0]}, which is no event," if wrong else None


def _is_audio(decode: Callable[[bytes], Any], message: bytes) -> bool:
    try:
        events = decode(message)
    except Exception:  # which `_what_it_hears` tells
        return False
    return any(isinstance(event, AudioDelta) and event.samples for event in (events if isinstance(events, list) else [events]))


def _audio(one: Dialect, step: int) -> bytes:
    """A frame of microphone audio; another `step`, other audio."""
    samples = round(one.input_rate * _FRAME_S)
    return bytes(at * step % 251 for at in range(samples * one.input_encoding.sample_bytes))


def _sent(one: Dialect, audio: bytes) -> bytes:
    """The message of this audio, as it goes out."""
    message = one.append(audio)
    return one.stamp(message) if one.stamps else message


def _holds(message: bytes, audio: bytes) -> bool:
    if audio in message:
        return True
    return any(audio in b64decode(found + b"=" * (-len(found) % 4)) for found in _BASE64.findall(message) if len(found) % 4 != 1)


def _refuses(call: Callable[[], object]) -> bool:
    try:
        call()
    except ValueError:
        return True
    return False
