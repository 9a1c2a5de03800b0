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
PATIENCE_S = 30


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

    async def played(self) -> None:
        """Returns once all that came has been played."""
        while (left_s := self.playing_until_s - time.monotonic()) > 0:
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
    told = asyncio.Event()

    async def corrected(original: str, now: str) -> None:
        corrections.append(now)

    async def answered(text: str) -> None:
        answers.append(text)
        told.set()

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
    async with asyncio.timeout(PATIENCE_S):
        await sound.came.wait()
    await asyncio.sleep(INTERRUPT_AFTER_S)
    for said in (second, first):
        told.clear()
        sound.microphone.say(said)
        async with asyncio.timeout(PATIENCE_S):
            await told.wait()  # this assistant tells an answer's words as a whole at its end
        await sound.played()
    await conversation.end_session()
    return {
        "messages": conversation.messages,
        "interruptions": sound.interruptions,
        "answers": answers,
        "corrections": corrections,
        "transcripts": transcripts,
    }


print(json.dumps(asyncio.run(converse(*sys.argv[1:]))))
