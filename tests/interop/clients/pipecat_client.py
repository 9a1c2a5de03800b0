"""Pipecat's own WebSocket client holds a conversation: a turn, an interruption, the answer to that. Prints in JSON what it was told.

Arguments: the URL of a POST that answers with `wsUrl` and `token`, and two WAV files of 16 kHz. Runs in an environment with pipecat-ai.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi import models
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.transports.websocket.client import WebsocketClientParams, WebsocketClientTransport
from pipecat.workers.runner import WorkerRunner
from speech import Microphone

RATE = 16_000
HEARD_S = 0.8  # of an answer, before it is interrupted
MODELS = {
    "bot-ready": models.BotReady,
    "user-started-speaking": models.UserStartedSpeakingMessage,
    "user-stopped-speaking": models.UserStoppedSpeakingMessage,
    "user-input": models.UserInputMessage,
    "user-transcription": models.UserTranscriptionMessage,
    "bot-llm-started": models.BotLLMStartedMessage,
    "bot-llm-text": models.BotLLMTextMessage,
    "bot-llm-stopped": models.BotLLMStoppedMessage,
    "bot-started-speaking": models.BotStartedSpeakingMessage,
    "bot-stopped-speaking": models.BotStoppedSpeakingMessage,
    "bot-interrupted": models.BotInterruptedMessage,
    "metrics": models.MetricsMessage,
}


class Notes(FrameProcessor):
    """All that comes, in its order; messages checked against Pipecat's models."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.audio_s = 0.0
        self._news = asyncio.Condition()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is not FrameDirection.DOWNSTREAM:
            await self.push_frame(frame, direction)
            return
        if isinstance(frame, InputAudioRawFrame):
            self.audio_s += len(frame.audio) / 2 / frame.sample_rate
            await self._note("audio")
        elif isinstance(frame, InterruptionFrame):
            await self._note("interruption")
        elif isinstance(frame, InputTransportMessageFrame):
            kind = frame.message["type"]
            MODELS[kind].model_validate(frame.message)
            await self._note(kind)
        else:
            await self.push_frame(frame, direction)

    async def _note(self, what: str) -> None:
        async with self._news:
            if what != "audio" or self.told[-1:] != ["audio"]:
                self.told.append(what)
            self._news.notify_all()

    async def until(self, what: str, count: int) -> None:
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(lambda: self.told.count(what) >= count)


async def converse(worker: PipelineWorker, notes: Notes, microphone: Microphone, first: str, second: str) -> None:
    async def send(kind: str, data: dict[str, Any] | None = None) -> None:
        message = models.Message(type=kind, id=kind, data=data).model_dump(exclude_none=True)
        await worker.queue_frame(OutputTransportMessageUrgentFrame(message=message))

    async def stream() -> None:
        async for pcm in microphone.frames():
            await worker.queue_frame(OutputAudioRawFrame(pcm, RATE, 1))

    about = models.AboutClientData(library="pipecat")
    await send("client-ready", models.ClientReadyData(version=models.PROTOCOL_VERSION, about=about).model_dump(exclude_none=True))
    await notes.until("bot-ready", 1)
    streaming = asyncio.create_task(stream())
    microphone.say(first)
    await notes.until("bot-started-speaking", 1)
    await asyncio.sleep(HEARD_S)
    microphone.say(second)
    await notes.until("interruption", 1)
    await notes.until("bot-started-speaking", 2)
    await notes.until("bot-stopped-speaking", 2)
    streaming.cancel()
    await send("disconnect-bot")


async def main() -> None:
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    request = urllib.request.Request(sys.argv[1], b'{"transport":"websocket"}', {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        begun = json.loads(reply.read())
    params = WebsocketClientParams(audio_in_enabled=True, audio_out_enabled=True, serializer=ProtobufFrameSerializer())
    transport = WebsocketClientTransport(f"{begun['wsUrl']}?token={begun['token']}", params)
    notes, microphone = Notes(), Microphone(RATE)
    pipeline = Pipeline([transport.input(), notes, transport.output()])
    worker = PipelineWorker(pipeline, params=PipelineParams(audio_out_sample_rate=RATE), enable_rtvi=False, enable_turn_tracking=False)

    @transport.event_handler("on_connected")
    async def connected(transport: object, client: object) -> None:
        talking.append(asyncio.create_task(converse(worker, notes, microphone, sys.argv[2], sys.argv[3])))

    @transport.event_handler("on_disconnected")
    async def disconnected(transport: object, client: object) -> None:
        await worker.cancel()

    talking: list[asyncio.Task[None]] = []
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    await talking[0]
    print(json.dumps({"told": notes.told, "audio_s": notes.audio_s}))


if __name__ == "__main__":
    asyncio.run(main())
