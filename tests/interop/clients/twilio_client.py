"""A bot for Twilio's Media Streams, made of Pipecat's serializer: it hears a caller, answers with a tone, and stops when interrupted.

Arguments: the port to serve on, and the auth token with which callers sign. Prints what it saw, in JSON, once a call is over.
"""

from __future__ import annotations

import asyncio
import json
import math
import struct
import sys
from collections import Counter
from typing import Any

from pipecat.frames.frames import (
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from twilio.request_validator import RequestValidator
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

RATE = 16_000
ANSWER_S = 3.0
LOUD = 1500
SILENCE_S, SPEECH_S = 0.4, 0.12  # longer than the 100 ms in which the serializer sends: something of the answer comes behind a barge-in
TONE = b"".join(struct.pack("<h", round(9000 * math.sin(k * 440 * math.tau / RATE))) for k in range(RATE // 50))


class Texts:
    """A connection as Pipecat's runner reads it."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.events: list[dict[str, Any]] = []

    async def iter_text(self) -> Any:
        async for message in self.connection:
            self.events.append(json.loads(message))
            yield message


class Bot:
    """One call."""

    def __init__(self, connection: ServerConnection, serializer: TwilioFrameSerializer) -> None:
        self.connection = connection
        self.serializer = serializer
        self.told: Counter[str] = Counter()
        self.loud_s = self.quiet_s = self.heard_s = 0.0
        self.answering: asyncio.Task[None] | None = None

    async def send(self, frame: Any) -> None:
        message = await self.serializer.serialize(frame)
        if message is not None:
            self.told[json.loads(message)["event"]] += 1
            await self.connection.send(message)

    async def answer(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for k in range(round(ANSWER_S / 0.02)):
            await self.send(OutputAudioRawFrame(audio=TONE, sample_rate=RATE, num_channels=1))
            await asyncio.sleep(max(0.0, begun + 0.02 * (k + 1) - loop.time()))
        stream = self.serializer._stream_sid
        mark = {"event": "mark", "streamSid": stream, "mark": {"name": f"answer-{self.told['mark']}"}}
        await self.send(OutputTransportMessageUrgentFrame(message=mark))

    async def hear(self, frame: InputAudioRawFrame) -> None:
        peak = max(map(abs, struct.unpack(f"<{len(frame.audio) // 2}h", frame.audio)), default=0)
        frame_s = len(frame.audio) / 2 / RATE
        self.heard_s += frame_s
        quiet_before_s = self.quiet_s
        self.loud_s, self.quiet_s = (self.loud_s + frame_s, 0.0) if peak > LOUD else (self.loud_s, self.quiet_s + frame_s)
        falls_quiet = quiet_before_s < SILENCE_S <= self.quiet_s
        if self.answering is not None and not self.answering.done():
            if self.loud_s >= SPEECH_S and not self.quiet_s:
                self.answering.cancel()
                await self.send(InterruptionFrame())
        elif self.loud_s >= SPEECH_S and falls_quiet:
            self.answering = asyncio.create_task(self.answer())
        if self.quiet_s >= SILENCE_S:
            self.loud_s = 0.0


async def main(port: int, token: str) -> None:
    over: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def call(connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        signature = request.headers.get("X-Twilio-Signature", "")
        genuine = RequestValidator(token).validate(f"ws://127.0.0.1:{port}{request.path}", {}, signature)
        texts: Any = Texts(connection)
        try:
            kind, data = await parse_telephony_websocket(texts)
        except ValueError:  # a caller who only looks whether somebody is there
            return
        serializer = TwilioFrameSerializer(data["stream_id"], data["call_id"], params=TwilioFrameSerializer.InputParams(auto_hang_up=False))
        await serializer.setup(FrameProcessorSetup(clock=None, task_manager=None, pipeline_worker=None, audio_in_sample_rate=RATE))
        bot = Bot(connection, serializer)
        try:
            async for message in texts.iter_text():
                frame = await serializer.deserialize(message)
                if isinstance(frame, InputAudioRawFrame):
                    await bot.hear(frame)
        except ConnectionClosed:  # a call that the end of the run cut
            return
        told = {"kind": kind, "data": {key: value for key, value in dict(data).items() if value}, "genuine": genuine}
        if bot.told and not over.done():  # it has answered: a caller who only looked whether somebody is there said nothing
            over.set_result({**told, "events": texts.events, "heard_s": bot.heard_s, "sent": dict(bot.told)})

    async with serve(call, "127.0.0.1", port):
        print(f"listening on {port}", flush=True)
        print(json.dumps(await over), flush=True)


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
