"""Google's own client in a conversation: a turn that it interrupts, the answer to that, and a turn more. Prints what it saw as JSON.

Arguments: the assistant's URL, the messages that our talkers send as a JSON array, two WAV files of 16 kHz.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import warnings
from typing import Any

from google import genai
from google.genai import types
from speech import Microphone

RATE, SPOKEN_RATE = 16_000, 24_000
INTERRUPT_AFTER_S = 1.0


class Caller:
    """What arrives, turn by turn, and what is played of it."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.microphone = Microphone(RATE)
        self.seen: list[str] = []
        self.heard = self.said = ""
        self.tokens: list[int] = []
        self.until_s = 0.0
        self.dropped_s = 0.0
        self.changed = asyncio.Condition()

    async def speak(self) -> None:
        async for frame in self.microphone.frames():
            await self.session.send_realtime_input(audio=types.Blob(data=frame, mime_type=f"audio/pcm;rate={RATE}"))

    async def listen(self) -> None:
        while True:
            async for message in self.session.receive():
                self.take(message)
                async with self.changed:
                    self.changed.notify_all()

    def take(self, message: Any) -> None:
        now_s, content = time.monotonic(), message.server_content
        if message.voice_activity is not None:
            self.seen.append(message.voice_activity.voice_activity_type.value)
        if message.usage_metadata is not None:
            self.tokens.append(message.usage_metadata.total_token_count)
        if content is None:
            return
        if content.interrupted:
            self.seen.append("interrupted")
            self.dropped_s = max(0.0, self.until_s - now_s)
            self.until_s = min(self.until_s, now_s)
        if message.data:
            if self.seen[-1:] != ["audio"]:
                self.seen.append("audio")
            self.until_s = max(self.until_s, now_s) + len(message.data) / 2 / SPOKEN_RATE
        self.heard += (content.input_transcription.text or "") if content.input_transcription else ""
        self.said += (content.output_transcription.text or "") if content.output_transcription else ""
        self.seen += [name for name in ("generation_complete", "turn_complete") if getattr(content, name)]

    async def until(self, count: int, what: str) -> None:
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: self.seen.count(what) >= count)


def check(messages: list[dict[str, Any]]) -> None:
    """The package's types forbid what they do not know; that of setup lacks a field that the package itself sends."""
    for message in messages:
        if "setup" in message:
            types.RealtimeInputConfig.model_validate(message["setup"].pop("realtimeInputConfig"))
        types.LiveClientMessage.model_validate(message)


async def main(url: str, ours: str, first: str, second: str) -> None:
    warnings.simplefilter("ignore")
    check(json.loads(ours))
    options = types.HttpOptions(base_url=url, api_version="v1alpha")
    minter = genai.Client(api_key="any", http_options=options)
    token = (await minter.aio.auth_tokens.create(config={"uses": 1})).name
    client = genai.Client(api_key=token, http_options=options)
    config = types.LiveConnectConfig(
        response_modalities=[types.Modality.AUDIO],
        system_instruction=types.Content(parts=[types.Part(text="Be brief.")]),
        input_audio_transcription=types.AudioTranscriptionConfig(),
        output_audio_transcription=types.AudioTranscriptionConfig(),
        realtime_input_config=types.RealtimeInputConfig(
            automatic_activity_detection=types.AutomaticActivityDetection(silence_duration_ms=300),
        ),
        session_resumption=types.SessionResumptionConfig(),
    )
    async with client.aio.live.connect(model="gemini-3.8-live", config=config) as session:
        caller = Caller(session)
        tasks = [asyncio.ensure_future(caller.listen()), asyncio.ensure_future(caller.speak())]
        caller.microphone.say(first)
        await caller.until(1, "audio")
        await asyncio.sleep(INTERRUPT_AFTER_S)
        caller.microphone.say(second)
        await caller.until(1, "interrupted")
        await caller.until(2, "turn_complete")
        await asyncio.sleep(max(0.0, caller.until_s - time.monotonic()))
        caller.microphone.say(first)
        await caller.until(3, "turn_complete")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        identity = session.session_id
    seen = {"seen": caller.seen, "heard": caller.heard, "said": caller.said, "tokens": caller.tokens, "session": identity}
    print(json.dumps({**seen, "token": token[:12], "dropped_s": caller.dropped_s}))


asyncio.run(main(*sys.argv[1:]))
