"""Pipecat: frames of protobuf, as `pipecat/frames/frames.proto` of pipecat-ai has them, and RTVI messages within them.

As a bot that runs in Pipecat's development runner: POST /start (or /connect, as in its examples) gives the WebSocket's URL.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import JSONResponse, Response
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from assistant.minting import Unminted, mint, session_url
from assistant.wires.base import RATES, Answer, Bye, Format, Message, Received, Refused, Sound, Told, Tuned, Wire

IN_RATE, OUT_RATE = 16_000, 24_000  # of PipelineParams, where a bot does not say otherwise
TTL_S = 300  # of the runner's tokens
RTVI = "rtvi-ai"
VERSION = "2.2.0"
SCHEMA = {
    "TextFrame": "id:u name:s text:s",
    "AudioRawFrame": "id:u name:s audio:b sample_rate:u num_channels:u pts:u",
    "TranscriptionFrame": "id:u name:s text:s user_id:s timestamp:s",
    "MessageFrame": "data:s",
    "InterruptionFrame": "id:u name:s",
    "Frame": "text:TextFrame audio:AudioRawFrame transcription:TranscriptionFrame message:MessageFrame interruption:InterruptionFrame",
}  # fields numbered from 1; those of Frame are a oneof
Kind = descriptor_pb2.FieldDescriptorProto
SCALARS = {"u": Kind.TYPE_UINT64, "s": Kind.TYPE_STRING, "b": Kind.TYPE_BYTES}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="pipecat.proto", package="pipecat", syntax="proto3")
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate((one.split(":") for one in fields.split()), 1):
            made = message.field.add(name=field, number=number, label=Kind.LABEL_OPTIONAL)
            if kind in SCALARS:
                made.type = SCALARS[kind]
            else:
                made.type, made.type_name, made.oneof_index = Kind.TYPE_MESSAGE, f".pipecat.{kind}", 0
        if name == "Frame":
            message.oneof_decl.add(name="frame")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"pipecat.{name}")) for name in SCHEMA}


FRAME = _classes()["Frame"]


class Pipecat(Wire):
    """A bot behind a WebSocket transport with the ProtobufFrameSerializer. It hears at the rate of the first audio that comes, and speaks
    at 24 kHz, or at `?audio_out_sample_rate=`."""

    name = "pipecat"
    paths = ("/ws", "/ws-client")
    tuned_at_once = False
    input = Format(IN_RATE, base64=False)
    output = Format(OUT_RATE, base64=False)

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self._heard = False
        self._speaking = False

    @classmethod
    def secret(cls, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> str | None:
        """The bearer token, else `?token=`."""
        return super().secret(headers, query, protocols) or query.get("token")

    @classmethod
    def opened(cls, tag: str, headers: Mapping[str, str], query: Mapping[str, str], protocols: list[str]) -> Pipecat:
        """At the rate that is asked for."""
        wire = cls(tag)
        asked = query.get("audio_out_sample_rate", "")
        if asked in map(str, RATES):
            wire.output = Format(int(asked), base64=False)
        return wire

    @classmethod
    def routes(cls, hub: Any) -> list[tuple[str, str, Callable[..., Awaitable[Any]]]]:
        """POST /start, as Pipecat's runner has it, and POST /connect, as its examples."""

        async def begin(request: Request, endpoint: str) -> str | Response:
            if not hub.tokens.may_mint(Wire.secret(request.headers, {}, [])):
                return JSONResponse({"detail": "Incorrect API key provided."}, 401)
            token = await mint(hub, request, endpoint, TTL_S)
            return JSONResponse({"detail": token.text}, token.status, token.headers) if isinstance(token, Unminted) else token

        async def start(request: Request) -> Response:
            token = await begin(request, "/start")
            if isinstance(token, Response):
                return token
            return JSONResponse({"wsUrl": session_url(request, "/ws-client"), "sessionId": secrets.token_hex(16), "token": token})

        async def connect(request: Request) -> Response:
            token = await begin(request, "/connect")
            return token if isinstance(token, Response) else JSONResponse({"ws_url": session_url(request, f"/ws?token={token}")})

        return [("POST", "/start", start), ("POST", "/connect", connect)]

    def event(self, kind: str, **fields: Any) -> Told:
        """What RTVI has a message for, and the frame that interrupts."""
        match kind:
            case "input_audio_buffer.speech_started":
                return self._rtvi("user-started-speaking")
            case "input_audio_buffer.speech_stopped":
                return self._rtvi("user-stopped-speaking")
            case "conversation.item.input_audio_transcription.completed":
                said = {"text": fields["transcript"], "timestamp": datetime.now(UTC).isoformat(), "final": True, "user_id": ""}
                return [self._rtvi("user-input", {**said, "input_type": "transcription"}), self._rtvi("user-transcription", said)]
            case "response.created":
                return self._rtvi("bot-llm-started")
            case "output_audio_buffer.cleared":
                return [_written(interruption={}), self._rtvi("bot-interrupted")]
            case "response.done":
                return self._done(fields["response"])
        return None

    def _done(self, response: Mapping[str, Any]) -> list[Message]:
        told: list[Message] = []
        if response["status"] == "failed":
            told.append(self._rtvi("error", {"error": response["status_details"]["error"]["message"], "fatal": False}))
        if response["status"] != "cancelled":
            told.append(self._rtvi("bot-llm-stopped"))
        if (usage := response["usage"]) is not None:
            used = usage.as_dict()
            tokens = {
                "prompt_tokens": used["input_tokens"],
                "completion_tokens": used["output_tokens"],
                "total_tokens": used["total_tokens"],
            }
            told.append(self._rtvi("metrics", {"tokens": [tokens]}))
        if self._speaking:
            self._speaking = False
            told.append(self._rtvi("bot-stopped-speaking"))
        return told

    def audio_delta(self, frame: tuple[str, str], chunk: Message) -> Told:
        """An audio frame; `bot-started-speaking` before the first of a response."""
        written = _written(audio={"audio": chunk, "sample_rate": self.output.rate, "num_channels": 1})
        if self._speaking:
            return written
        self._speaking = True
        return [self._rtvi("bot-started-speaking"), written]

    def text_delta(self, frame: tuple[str, str], text: str) -> Told:
        """`bot-llm-text`."""
        return self._rtvi("bot-llm-text", {"text": text})

    def error(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
        kind: str = "invalid_request_error",
    ) -> Told:
        """`error`."""
        return self._rtvi("error", {"error": message, "fatal": False})

    def received(self, message: Message) -> list[Received]:
        """A frame: audio, or an RTVI message. What is neither says nothing here, as in Pipecat."""
        if isinstance(message, str):
            return [Refused("Text messages are not part of this wire: send frames.")]
        try:
            frame = FRAME.FromString(message)
        except DecodeError:
            return [Refused(f"A message of {len(message)} bytes is no frame.")]
        kind = frame.WhichOneof("frame")
        if kind == "audio":
            return self._sound(frame.audio)
        if kind == "message":
            return self._asked(frame.message.data)
        return []

    def _sound(self, frame: Any) -> list[Received]:
        audio: bytes = frame.audio
        if frame.sample_rate not in RATES or frame.num_channels != 1:
            return [Refused(f"Audio of {frame.sample_rate} Hz and {frame.num_channels} channels: expected mono at one of {RATES}.")]
        if audio.startswith(b"RIFF"):
            audio = audio[audio.find(b"data") + 8 :]
        if not self._heard:
            self._heard, self.input = True, Format(frame.sample_rate, base64=False)
            return [Tuned(), Sound(audio)]
        if frame.sample_rate != self.input.rate:
            return [Refused(f"Audio of {frame.sample_rate} Hz after audio of {self.input.rate} Hz.")]
        return [Sound(audio)]

    def _asked(self, data: str) -> list[Received]:
        try:
            fields = orjson.loads(data)
        except orjson.JSONDecodeError:
            return [Refused("The message is not JSON.")]
        if not isinstance(fields, dict) or fields.get("label") != RTVI:
            return []
        asked = fields.get("id")
        match fields.get("type"):
            case "client-ready":
                return [Answer(self._rtvi("bot-ready", {"version": VERSION, "about": {"library": "doubletalk"}}, asked))]
            case "disconnect-bot":
                return [Bye()]
            case kind:
                return [Answer(self._rtvi("error-response", {"error": f"Unsupported type {kind!s:.80}"}, asked))]

    def _rtvi(self, kind: str, data: dict[str, Any] | None = None, answers: Any = None) -> bytes:
        self.number += 1
        identity = answers if isinstance(answers, str) else f"{self.tag}-{self.number}"
        fields = {"label": RTVI, "type": kind, "id": identity, **({} if data is None else {"data": data})}
        return _written(message={"data": orjson.dumps(fields).decode()})


def _written(**frame: Any) -> bytes:
    written: bytes = FRAME(**frame).SerializeToString()
    return written
