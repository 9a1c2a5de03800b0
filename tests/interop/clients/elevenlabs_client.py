"""ElevenLabs' own client in a conversation: a turn that it interrupts, the answer to that, and a turn more. Prints what it saw as JSON.

Arguments: the assistant's URL, two WAV files of 16 kHz.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from elevenlabs.client import ElevenLabs
from elevenlabs.conversational_ai.conversation import AsyncAudioInterface, AsyncConversation
from speech import Microphone

RATE = 16_000
INTERRUPT_AFTER_S = 1.0
QUIET_S = 0.6
"""The wire tells no end of an answer: it is over once nothing has been played for so long."""


class Sound(AsyncAudioInterface):
    """Microphone and speaker of the caller."""

    def __init__(self) -> None:
        self.microphone = Microphone(RATE)
        self.playing_until_s = 0.0
        self.interruptions = 0
        self.came = asyncio.Event()

    async def start(self, input_callback: Callable[[bytes], Awaitable[None]]) -> None:
        async def speak() -> None:
            async for frame in self.microphone.frames():
                await input_callback(frame)

        self._speaking = asyncio.ensure_future(speak())

    async def stop(self) -> None:
        self._speaking.cancel()

    async def output(self, audio: bytes) -> None:
        self.playing_until_s = max(self.playing_until_s, time.monotonic()) + len(audio) / 2 / RATE
        self.came.set()

    async def interrupt(self) -> None:
        self.interruptions += 1
        self.playing_until_s = time.monotonic()

    async def answer(self) -> None:
        """Returns once an answer has begun."""
        self.came.clear()
        async with asyncio.timeout(30):
            await self.came.wait()

    async def quiet(self) -> None:
        """Returns once an answer has been played."""
        while (left_s := self.playing_until_s + QUIET_S - time.monotonic()) > 0:
            await asyncio.sleep(left_s)


class Told(AsyncConversation):
    """The client itself, which notes what it is told. `messages`: the first of each type, as it came."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.messages: dict[str, Any] = {}

    async def _handle_message(self, message: Any, ws: Any) -> None:
        self.messages.setdefault(message["type"], message)
        await super()._handle_message(message, ws)


async def converse(url: str, first: str, second: str) -> dict[str, Any]:
    sound = Sound()
    answers: list[str] = []
    corrections: list[str] = []
    transcripts: list[str] = []

    async def corrected(original: str, now: str) -> None:
        corrections.append(now)

    async def answered(text: str) -> None:
        answers.append(text)

    async def heard(text: str) -> None:
        transcripts.append(text)

    conversation = Told(
        ElevenLabs(api_key="none is asked for", base_url=url),
        "agent_1",
        requires_auth=True,
        audio_interface=sound,
        callback_agent_response=answered,
        callback_agent_response_correction=corrected,
        callback_user_transcript=heard,
    )
    await conversation.start_session()
    while "conversation_initiation_metadata" not in conversation.messages:
        await asyncio.sleep(0.01)
    sound.microphone.say(first)
    await sound.answer()
    await asyncio.sleep(INTERRUPT_AFTER_S)
    sound.microphone.say(second)
    await sound.microphone.spoken.wait()
    for following in (first, None):
        await sound.answer()
        await sound.quiet()
        if following is not None:
            sound.microphone.say(following)
    await conversation.end_session()
    return {
        "messages": conversation.messages,
        "interruptions": sound.interruptions,
        "answers": answers,
        "corrections": corrections,
        "transcripts": transcripts,
    }


print(json.dumps(asyncio.run(converse(*sys.argv[1:4]))))
