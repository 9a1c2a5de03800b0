"""OpenAI's own Live client in a conversation: a turn that it interrupts, the answer to that, and a turn more. Prints what it saw as JSON.

Arguments: the assistant's URL, the session.start that our talkers send, two WAV files of 24 kHz.
"""

from __future__ import annotations

import array
import asyncio
import json
import sys
import time
from base64 import b64decode, b64encode
from typing import Annotated, Any, Union, get_args

import openai.types.live as live
from openai import AsyncOpenAI
from pydantic import Field, TypeAdapter
from speech import Microphone

RATE = 24_000
INTERRUPT_AFTER_S = 1.0
LOUD = 500  # of 32768: speech
QUIET_S = 1.5
OFFICIAL: TypeAdapter[Any] = TypeAdapter(Annotated[Union[get_args(get_args(live.ServerEvent)[0])], Field(discriminator="type")])  # noqa: UP007


class Caller:
    """What arrives. There is no word for a turn: the caller listens."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.microphone = Microphone(RATE)
        self.kinds: dict[str, int] = {}
        self.words = {"session.input_transcript.delta": "", "session.output_transcript.delta": ""}
        self.audio_s = 0.0
        self.first_s = self.loud_s = 0.0
        self.wrong: list[str] = []
        self.changed = asyncio.Condition()

    async def speak(self) -> None:
        async for frame in self.microphone.frames():
            await self.connection.session.input_audio.append(audio=b64encode(frame).decode())

    async def listen(self) -> None:
        while True:
            raw = await self.connection.recv_bytes()
            try:
                OFFICIAL.validate_json(raw)
            except ValueError as error:
                self.wrong.append(str(error)[:300])
            self.take(json.loads(raw))
            async with self.changed:
                self.changed.notify_all()

    def take(self, event: dict[str, Any]) -> None:
        kind, now_s = event["type"], time.monotonic()
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind in self.words:
            self.words[kind] += event["delta"]
        if kind == "session.output_audio.delta":
            pcm = b64decode(event["delta"])
            self.first_s = self.first_s or now_s
            self.audio_s += len(pcm) / 2 / RATE
            if max(map(abs, array.array("h", pcm)), default=0) > LOUD:
                self.loud_s = now_s

    async def until(self, kind: str) -> None:
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: kind in self.kinds)

    async def heard(self) -> None:
        """Returns once speech is heard from now on."""
        since_s = time.monotonic()
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: self.loud_s > since_s)

    async def silent(self, quiet_s: float) -> float:
        """Returns once nothing has been heard for so long: how long speech went on from now."""
        since_s = time.monotonic()
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: time.monotonic() - max(self.loud_s, since_s) > quiet_s)
        return max(0.0, self.loud_s - since_s)


async def main(url: str, start: str, first: str, second: str) -> None:
    minter = AsyncOpenAI(base_url=f"{url}/v1", api_key="any")
    token = (await minter.realtime.client_secrets.create(session={"type": "realtime"})).value
    client = AsyncOpenAI(base_url=f"{url}/v1", api_key=token)
    async with client.live.connect() as connection:
        caller = Caller(connection)
        tasks = [asyncio.ensure_future(caller.listen())]
        await connection.session.start(session=json.loads(start)["session"])
        await caller.until("session.started")
        tasks.append(asyncio.ensure_future(caller.speak()))
        caller.microphone.say(first)
        await caller.heard()
        await asyncio.sleep(INTERRUPT_AFTER_S)
        caller.microphone.say(second)
        stopped_s = await caller.silent(0.3)
        await caller.heard()
        await caller.silent(QUIET_S)
        caller.microphone.say(first)
        await caller.heard()
        await caller.silent(QUIET_S)
        share = caller.audio_s / (time.monotonic() - caller.first_s)
        await connection.session.close()
        await caller.until("session.closed")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps({"kinds": caller.kinds, "words": caller.words, "stopped_s": stopped_s, "share": share, "wrong": caller.wrong}))


asyncio.run(main(*sys.argv[1:]))
