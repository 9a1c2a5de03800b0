"""Vapi's own REST client creates a call, and a conversation is held on its WebSocket: a turn, an interruption, the answer to that. Each
message is checked against Vapi's published types.

Arguments: the URL of the API, and two WAV files of 16 kHz. Prints in JSON what it was told.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from speech import Microphone
from vapi import Vapi
from vapi.calls.types.create_call_dto_transport import CreateCallDtoTransport_VapiWebsocket
from vapi.types import AudioFormat, ClientMessageSpeechUpdate, ClientMessageTranscript, ClientMessageUserInterrupted
from websockets.asyncio.client import ClientConnection, connect

RATE = 16_000
HEARD_S = 0.8  # of an answer, before it is interrupted
CHECKED = {
    "speech-update": ClientMessageSpeechUpdate,
    "transcript": ClientMessageTranscript,
    "user-interrupted": ClientMessageUserInterrupted,
}
"""The types know no `status-update`, which Vapi's documentation has, and want an object for `model-output`'s token, which is a text."""


class Heard:
    """What was told so far."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.audio_s = 0.0
        self.news = asyncio.Condition()

    async def listen(self, socket: ClientConnection) -> None:
        async for message in socket:
            async with self.news:
                if isinstance(message, bytes):
                    self.audio_s += len(message) / 2 / RATE
                else:
                    self.told.append(self._named(json.loads(message)))
                self.news.notify_all()

    def _named(self, fields: dict[str, Any]) -> str:
        kind = str(fields["type"])
        if kind in CHECKED:
            CHECKED[kind].model_validate(fields)
        return " ".join([kind, fields["role"], fields["status"]]) if kind == "speech-update" else kind

    async def until(self, what: str, count: int) -> None:
        async with asyncio.timeout(30), self.news:
            await self.news.wait_for(lambda: self.told.count(what) >= count)


async def converse(url: str, first: str, second: str) -> Heard:
    heard, microphone = Heard(), Microphone(RATE)

    async def stream(socket: ClientConnection) -> None:
        async for pcm in microphone.frames():
            await socket.send(pcm)

    async with connect(url) as socket:
        tasks = [asyncio.create_task(heard.listen(socket)), asyncio.create_task(stream(socket))]
        microphone.say(first)
        await heard.until("speech-update assistant started", 1)
        await asyncio.sleep(HEARD_S)
        microphone.say(second)
        await heard.until("user-interrupted", 1)
        await heard.until("speech-update assistant stopped", 2)
        await socket.send('{"type":"hangup"}')
        await tasks[0]
        tasks[1].cancel()
        heard.told.append(f"closed {socket.close_code}")
    return heard


def main() -> None:
    transport = CreateCallDtoTransport_VapiWebsocket(audio_format=AudioFormat(format="pcm_s16le", container="raw", sample_rate=RATE))
    call = Vapi(token="none", base_url=sys.argv[1]).calls.create(assistant_id="a1", transport=transport)
    heard = asyncio.run(converse(call.transport.websocketCallUrl, sys.argv[2], sys.argv[3]))
    called = {"assistant": call.assistant_id, "status": call.status, "type": call.type}
    print(json.dumps({**called, "told": heard.told, "audio_s": heard.audio_s}))


if __name__ == "__main__":
    main()
