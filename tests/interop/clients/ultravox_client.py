"""Pipecat's Ultravox service, a client of Ultravox's server WebSocket, holds a conversation: a turn, an interruption, the answer to that.

Arguments: the URL at which calls are created, and two WAV files of 48 kHz. Prints in JSON what it was told.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from typing import ClassVar

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.ultravox.llm import JoinUrlInputParams, UltravoxRealtimeLLMService
from pipecat.workers.runner import WorkerRunner
from speech import Microphone

RATE = 48_000  # that of the service
HEARD_S = 0.8  # of an answer, before it is interrupted
KINDS = {
    TTSStartedFrame: "started",
    TTSStoppedFrame: "stopped",
    InterruptionFrame: "interruption",
    TranscriptionFrame: "transcript",
    LLMTextFrame: "text",
}


class Notes(FrameProcessor):
    """What the service makes of what it is told, before and behind it in the pipeline."""

    told: ClassVar[list[str]] = []
    audio_s = 0.0
    news = asyncio.Condition()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        kind = KINDS.get(type(frame))
        upstream = direction is FrameDirection.UPSTREAM
        async with Notes.news:
            if isinstance(frame, TTSAudioRawFrame):
                Notes.audio_s += len(frame.audio) / 2 / frame.sample_rate
            elif kind is not None and upstream == (kind == "transcript"):
                Notes.told.append(kind)
            Notes.news.notify_all()
        await self.push_frame(frame, direction)


async def until(what: str, count: int) -> None:
    async with asyncio.timeout(30), Notes.news:
        await Notes.news.wait_for(lambda: Notes.told.count(what) >= count)


async def converse(worker: PipelineWorker, first: str, second: str) -> None:
    microphone = Microphone(RATE)

    async def stream() -> None:
        async for pcm in microphone.frames():
            await worker.queue_frame(InputAudioRawFrame(pcm, RATE, 1))

    streaming = asyncio.create_task(stream())
    microphone.say(first)
    await until("started", 1)
    await asyncio.sleep(HEARD_S)
    microphone.say(second)
    await until("interruption", 1)
    await until("started", 2)
    await until("stopped", 2)
    streaming.cancel()
    await worker.cancel()


async def main() -> None:
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    medium = {"serverWebSocket": {"inputSampleRate": RATE, "clientBufferSizeMs": 30_000}}
    headers = {"Content-Type": "application/json", "X-API-Key": "none"}
    with urllib.request.urlopen(urllib.request.Request(sys.argv[1], json.dumps({"medium": medium}).encode(), headers)) as reply:
        call = json.loads(reply.read())
    service = UltravoxRealtimeLLMService(params=JoinUrlInputParams(join_url=call["joinUrl"]))
    pipeline = Pipeline([Notes(), service, Notes()])
    worker = PipelineWorker(pipeline, params=PipelineParams(audio_in_sample_rate=RATE), enable_rtvi=False, enable_turn_tracking=False)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    talking = asyncio.create_task(converse(worker, sys.argv[2], sys.argv[3]))
    await runner.run()
    await talking
    print(json.dumps({"told": Notes.told, "audio_s": Notes.audio_s}))


if __name__ == "__main__":
    asyncio.run(main())
