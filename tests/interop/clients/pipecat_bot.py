"""A Pipecat bot that answers each turn with a WAV file: FastAPI's WebSocket transport, protobuf frames, RTVI, Silero's VAD.

Prints its URL, then serves until it is stopped. Runs in an environment with pipecat-ai.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import wave

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_processor import UserTurnProcessor
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

RATE = 24_000
THINKS_S = 0.2


class Canned(FrameProcessor):
    """In the place of model and voice: says the same at every turn."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self._answer = answer
        self._saying: asyncio.Task[None] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, InterruptionFrame) and self._saying is not None:
            await self.cancel_task(self._saying)
            self._saying = None
        elif isinstance(frame, UserStoppedSpeakingFrame) and direction is FrameDirection.DOWNSTREAM:
            self._saying = self.create_task(self._say())

    async def _say(self) -> None:
        await self.push_frame(LLMFullResponseStartFrame())
        await asyncio.sleep(THINKS_S)
        await self.push_frame(LLMTextFrame("Let me see."))
        await self.push_frame(LLMFullResponseEndFrame())
        await self.push_frame(TTSStartedFrame())
        for start in range(0, len(self._answer), RATE // 5):
            await self.push_frame(TTSAudioRawFrame(self._answer[start : start + RATE // 5], RATE, 1))
        await self.push_frame(TTSStoppedFrame())


def app(answer: bytes) -> FastAPI:
    made = FastAPI()

    @made.websocket("/ws")
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        params = FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=ProtobufFrameSerializer())
        transport = FastAPIWebsocketTransport(websocket=websocket, params=params)
        strategies = UserTurnStrategies(
            start=[VADUserTurnStartStrategy()],
            stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.3, wait_for_transcript=False)],
        )
        turns = UserTurnProcessor(user_turn_strategies=strategies)
        listening = [transport.input(), VADProcessor(vad_analyzer=SileroVADAnalyzer()), turns]
        pipeline = Pipeline([*listening, Canned(answer), transport.output()])
        worker = PipelineWorker(pipeline, params=PipelineParams(audio_out_sample_rate=RATE), enable_rtvi=True)

        @transport.event_handler("on_client_disconnected")
        async def gone(transport: object, client: object) -> None:
            await worker.cancel()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()

    return made


def main() -> None:
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    with wave.open(sys.argv[1]) as file:
        answer = file.readframes(file.getnframes())
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"listening on http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app(answer), log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main()
