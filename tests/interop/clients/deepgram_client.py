"""Deepgram's own client in a conversation: a turn that it interrupts, the answer to that, and a turn more. Prints what it saw as JSON.

Arguments: the assistant's URL, the Settings that our talkers send, two WAV files of 24 kHz.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import deepgram.agent.v1.types as types
from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from speech import Microphone

RATE = 24_000
INTERRUPT_AFTER_S = 1.0


class Caller:
    """What arrives, and what is done about it: the caller's side of Deepgram's advice on playing."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.microphone = Microphone(RATE)
        self.kinds: list[str] = []
        self.words: dict[str, list[str]] = {"user": [], "assistant": []}
        self.ends = 0
        self.playing_until_s = 0.0
        self.wrong: list[str] = []
        self.changed = asyncio.Condition()

    async def speak(self) -> None:
        async for frame in self.microphone.frames():
            await self.connection.send_media(frame)

    async def listen(self) -> None:
        async for message in self.connection:
            self.take(message)
            async with self.changed:
                self.changed.notify_all()

    def take(self, message: Any) -> None:
        now_s = time.monotonic()
        if isinstance(message, bytes):
            self.playing_until_s = max(self.playing_until_s, now_s) + len(message) / 2 / RATE
            kind = "audio"
        else:
            kind = message.type
            official = type(message)
            if official.__name__ != f"AgentV1{kind}":
                self.wrong.append(f"{kind} is taken for {official.__name__}")
            try:
                official.model_validate_json(message.model_dump_json(exclude_none=True), strict=True)
            except ValueError as error:
                self.wrong.append(str(error))
        if kind == "UserStartedSpeaking":
            self.playing_until_s = min(self.playing_until_s, now_s)
        elif kind == "ConversationText":
            self.words[message.role].append(message.content)
        elif kind == "AgentAudioDone":
            self.ends += 1
        if self.kinds[-1:] != [kind]:
            self.kinds.append(kind)

    async def until(self, seen: Any) -> None:
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(seen)


async def converse(url: str, settings: str, first: str, second: str) -> dict[str, Any]:
    socket = url.replace("http", "ws", 1)
    place = DeepgramClientEnvironment(base=url, production=socket, agent=socket, agent_rest=url)
    granted = await AsyncDeepgramClient(api_key="none is asked for", environment=place).auth.v1.tokens.grant()
    client = AsyncDeepgramClient(access_token=granted.access_token, environment=place)
    async with client.agent.v1.connect() as connection:
        caller = Caller(connection)
        await connection.send_settings(types.AgentV1Settings.model_validate_json(settings))
        listening = asyncio.ensure_future(caller.listen())
        await caller.until(lambda: "SettingsApplied" in caller.kinds)
        speaking = asyncio.ensure_future(caller.speak())
        caller.microphone.say(first)
        await caller.until(lambda: "audio" in caller.kinds)
        await asyncio.sleep(INTERRUPT_AFTER_S)
        caller.microphone.say(second)
        await caller.until(lambda: caller.ends == 1)
        await asyncio.sleep(max(0.0, caller.playing_until_s - time.monotonic()))
        caller.microphone.say(first)
        await caller.until(lambda: caller.ends == 2)
        for task in (speaking, listening):
            task.cancel()
    return {
        "kinds": caller.kinds,
        "words": caller.words,
        "expires_in": granted.expires_in,
        "wrong": caller.wrong,
    }


print(json.dumps(asyncio.run(converse(*sys.argv[1:5]))))
