"""OpenAI's Agents SDK in a conversation: a turn that it interrupts, the answer to that, and a turn more. Prints what it saw as JSON.

Arguments: the assistant's URL, two WAV files of 24 kHz.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from typing import Any

from agents.realtime import RealtimeAgent, RealtimeRunner
from speech import Microphone

RATE = 24_000
INTERRUPT_AFTER_S = 1.0


class Caller:
    """What the session tells."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.microphone = Microphone(RATE)
        self.kinds: list[str] = []
        self.errors: list[str] = []
        self.changed = asyncio.Condition()

    async def speak(self) -> None:
        async for frame in self.microphone.frames():
            await self.session.send_audio(frame)

    async def listen(self) -> None:
        async for event in self.session:
            if event.type == "raw_model_event":
                continue
            self.kinds.append(event.type)
            if event.type == "error":
                self.errors.append(str(event.error))
            async with self.changed:
                self.changed.notify_all()

    async def until(self, count: int, kind: str) -> None:
        """Returns once `count` events of this kind have come."""
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: self.kinds.count(kind) >= count)


def token(url: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(f"{url}/rt-token", method="POST")) as reply:
        return str(json.load(reply)["value"])


async def main(url: str, first: str, second: str) -> None:
    runner = RealtimeRunner(RealtimeAgent(name="caller", instructions="Be brief."))
    detection = {"type": "server_vad", "silence_duration_ms": 300, "interrupt_response": True, "create_response": True}
    settings = {"turn_detection": detection, "input_audio_transcription": {"model": "whisper-1"}}
    address = f"{url.replace('http', 'ws', 1)}/v1/realtime?model=gpt-realtime"
    config: Any = {"url": address, "api_key": await asyncio.to_thread(token, url), "initial_model_settings": settings}
    async with await runner.run(model_config=config) as session:
        caller = Caller(session)
        tasks = [asyncio.ensure_future(caller.listen()), asyncio.ensure_future(caller.speak())]
        caller.microphone.say(first)
        await caller.until(1, "audio")
        await asyncio.sleep(INTERRUPT_AFTER_S)
        caller.microphone.say(second)
        await caller.until(1, "audio_interrupted")
        await caller.until(2, "audio_end")
        await asyncio.sleep(INTERRUPT_AFTER_S)
        ended = caller.kinds.count("audio_end")
        caller.microphone.say(first)
        await caller.until(ended + 1, "audio_end")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps({"kinds": caller.kinds, "errors": caller.errors}))


asyncio.run(main(*sys.argv[1:]))
