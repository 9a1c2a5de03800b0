"""OpenAI's own client in a conversation: a turn that it interrupts, the answer to that, and a turn more. Prints what it saw as JSON.

Arguments: openai, azure (a dated version, which is the beta) or xai; the assistant's URL; the message by which our talkers configure the
session; two WAV files of 24 kHz.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from base64 import b64decode, b64encode
from typing import Annotated, Any, Union, get_args

import openai.types.beta.realtime as beta
import openai.types.realtime as ga
from openai import AsyncAzureOpenAI, AsyncOpenAI
from pydantic import Field, TypeAdapter
from speech import Microphone

RATE = 24_000
INTERRUPT_AFTER_S = 1.0
AUDIO = ("response.output_audio.delta", "response.audio.delta")


def strict(union: Any) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[Union[get_args(get_args(union)[0])], Field(discriminator="type")])  # noqa: UP007


class Caller:
    """What arrives, and what is done about it: as OpenAI's guide has clients do."""

    def __init__(self, connection: Any, official: TypeAdapter[Any]) -> None:
        self.connection = connection
        self.official = official
        self.microphone = Microphone(RATE)
        self.kinds: list[str] = []
        self.statuses: list[str] = []
        self.transcripts: list[str] = []
        self.item = ""
        self.began_s = self.until_s = 0.0
        self.wrong: set[str] = set()
        self.changed = asyncio.Condition()

    async def speak(self) -> None:
        async for frame in self.microphone.frames():
            await self.connection.input_audio_buffer.append(audio=b64encode(frame).decode())

    async def listen(self) -> None:
        while True:
            raw = await self.connection.recv_bytes()
            event = json.loads(raw)
            try:
                self.official.validate_json(raw)
            except ValueError:
                self.wrong.add(event["type"])
            await self.take(event)
            async with self.changed:
                self.changed.notify_all()

    async def take(self, event: dict[str, Any]) -> None:
        kind, now_s = event["type"], time.monotonic()
        self.kinds.append(kind)
        if kind in AUDIO:
            if event["item_id"] != self.item:
                self.item, self.began_s, self.until_s = event["item_id"], now_s, now_s
            self.until_s = max(self.until_s, now_s) + len(b64decode(event["delta"])) / 2 / RATE
        elif kind == "input_audio_buffer.speech_started" and now_s < self.until_s:
            played_ms = int(1000 * (now_s - self.began_s))
            self.until_s = now_s
            await self.connection.conversation.item.truncate(item_id=self.item, content_index=0, audio_end_ms=played_ms)
        elif kind == "response.done":
            self.statuses.append(event["response"]["status"])
        elif kind == "conversation.item.input_audio_transcription.completed":
            self.transcripts.append(event["transcript"])

    async def until(self, count: int, *kinds: str) -> None:
        """Returns once `count` events of these kinds have come."""
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: sum(self.kinds.count(kind) for kind in kinds) >= count)

    async def converse(self, first: str, second: str) -> None:
        self.microphone.say(first)
        await self.until(1, *AUDIO)
        await asyncio.sleep(INTERRUPT_AFTER_S)
        self.microphone.say(second)
        await self.until(2, "response.done")
        await asyncio.sleep(max(0.0, self.until_s - time.monotonic()))
        self.microphone.say(first)
        await self.until(3, "response.done")


async def client_of(vendor: str, url: str) -> Any:
    """The client as its users make it, with a token of the assistant's."""
    sockets = url.replace("http", "ws", 1)
    if vendor == "xai":
        minter = AsyncOpenAI(base_url=f"{url}/xai/v1", api_key="any")
        token = (await minter.realtime.client_secrets.create(expires_after={"anchor": "created_at", "seconds": 300})).value
        return AsyncOpenAI(base_url=f"{url}/xai/v1", websocket_base_url=f"{sockets}/xai/v1", api_key=token)
    minter = AsyncOpenAI(base_url=f"{url}/v1", api_key="any")
    token = (await minter.realtime.client_secrets.create(session={"type": "realtime"})).value
    if vendor == "azure":
        azure = f"{sockets}/openai"
        return AsyncAzureOpenAI(azure_endpoint=url, websocket_base_url=azure, api_version="2025-04-01-preview", api_key=token)
    return AsyncOpenAI(base_url=f"{url}/v1", websocket_base_url=f"{sockets}/v1", api_key=token)


async def main(vendor: str, url: str, configuration: str, first: str, second: str) -> None:
    client = await client_of(vendor, url)
    official = strict(beta.RealtimeServerEvent if vendor == "azure" else ga.RealtimeServerEvent)
    async with client.realtime.connect(model="voice") as connection:
        caller = Caller(connection, official)
        tasks = [asyncio.ensure_future(caller.listen())]
        await caller.until(1, "session.created")
        await connection.send(json.loads(configuration))
        await caller.until(1, "session.updated")
        tasks.append(asyncio.ensure_future(caller.speak()))
        await caller.converse(first, second)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    kinds = [kind for kind, before in zip(caller.kinds, ["", *caller.kinds], strict=False) if kind != before]
    seen = {"kinds": kinds, "statuses": caller.statuses, "transcripts": caller.transcripts, "wrong": sorted(caller.wrong)}
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
