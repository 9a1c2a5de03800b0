"""A reference assistant in a thread, and a talker that validates every event it gets against the official types."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, Union, get_args

import openai.types.beta.realtime as beta_types
import openai.types.realtime as types
import websockets
from openai import AsyncOpenAI
from pydantic import Field, TypeAdapter

from assistant.hub import Hub
from assistant.profile import Profile
from assistant.server import Server, bind, close_sessions, make_server
from assistant.settings import RATE
from assistant.truth import TruthLog
from audio import Clip, ClipKind, Corpus, cut, load_corpus


def strict(union: Any) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[Union[get_args(get_args(union)[0])], Field(discriminator="type")])  # noqa: UP007


GA, BETA = strict(types.RealtimeServerEvent), strict(beta_types.RealtimeServerEvent)
FRAME = RATE // 50
QUICK = {
    "asr": {"delay": {"fixed": 0.01}},
    "llm": {"delay": {"fixed": 0.02}},
    "tts": {"delay": {"fixed": 0.01}},
    "pace": 20.0,
}


def profile(**changes: Any) -> Profile:
    return Profile.model_validate({**QUICK, **changes})


def first(kind: ClipKind, corpus: Corpus | None = None) -> Clip:
    """The shortest clip of a kind: tests wait for it."""
    clips = (corpus or load_corpus(rate=RATE)).of(kind)
    return min(clips, key=lambda clip: clip.duration_s)


class Running:
    """A served hub: where it is, and the truth it wrote."""

    def __init__(self, hub: Hub, port: int, truth_file: Path) -> None:
        self.hub = hub
        self.port = port
        self._truth_file = truth_file

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, headers or {})
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        shown = {name.lower(): value for name, value in reply.getheaders()}
        is_json = shown.get("content-type", "").startswith("application/json")
        return reply.status, shown, json.loads(content) if is_json else content.decode()

    def token(self) -> str:
        return str(self.request("POST", "/rt-token")[2]["value"])

    def truth(self, kind: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._truth_file.read_text().splitlines()]
        return [line for line in lines if line["kind"] == kind]

    def until(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Truth of a kind, once there are `count` of it."""
        deadline = time.monotonic() + 10
        while len(found := self.truth(kind)) < count:
            assert time.monotonic() < deadline, f"no {count} {kind} in the truth: {found}"
            threading.Event().wait(0.005)
        return found


@contextmanager
def running(folder: Path, how: Profile | None = None, *, seed: int = 1, api_key: str | None = None) -> Iterator[Running]:
    truth_file = folder / "truth.jsonl"
    chosen = how or profile()
    truth = TruthLog(truth_file, seed=seed, profile=chosen.model_dump(mode="json", exclude_none=True))
    hub = Hub(chosen, seed, load_corpus(rate=RATE), truth, api_key=api_key)
    sock = bind("127.0.0.1", 0)
    ready = threading.Event()
    server: Server = make_server(hub, ready.set)
    stop, loops = threading.Event(), []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        serving = asyncio.ensure_future(server.serve([sock]))
        await asyncio.to_thread(stop.wait)
        await close_sessions(hub)
        server.should_exit = True
        await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield Running(hub, sock.getsockname()[1], truth_file)
    finally:
        stop.set()
        thread.join(15)
        truth.close()
        assert not thread.is_alive()


class Talker:
    """A microphone that never stops, and everything that came back, each event checked."""

    def __init__(self, send: Any, receive: Any, *, speed: float, union: TypeAdapter[Any]) -> None:
        self._send = send
        self._receive = receive
        self._speed = speed
        self._union = union
        self._frames: list[bytes] = []
        self._arrived = asyncio.Condition()
        self.events: list[dict[str, Any]] = []
        self.error: BaseException | None = None

    async def send(self, kind: str, **fields: Any) -> None:
        await self._send(json.dumps({"type": kind, **fields}))

    async def send_raw(self, message: str | bytes) -> None:
        await self._send(message)

    def say(self, clip: Clip) -> None:
        self._frames += cut(clip.pcm, FRAME)

    def hush(self) -> None:
        """Says no more of what was to be said."""
        self._frames.clear()

    async def listen(self) -> None:
        try:
            while True:
                text = await self._receive()
                self._union.validate_json(text)
                async with self._arrived:
                    self.events.append(json.loads(text))
                    self._arrived.notify_all()
        except (websockets.ConnectionClosed, ValueError) as error:
            async with self._arrived:
                self.error = error
                self._arrived.notify_all()

    async def mic(self) -> None:
        silence = bytes(2 * FRAME)
        due = time.monotonic()
        while True:
            frame = self._frames.pop(0) if self._frames else silence
            try:
                await self.append(frame)
            except websockets.ConnectionClosed:
                return
            due += 0.02 / self._speed
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def append(self, pcm: bytes) -> None:
        audio = b64encode(pcm).decode()
        await self._send(f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}')

    async def wait(self, kind: str, count: int = 1, timeout: float = 10.0) -> dict[str, Any]:
        """The count-th event of that type."""
        async with asyncio.timeout(timeout), self._arrived:
            while True:
                found = self.all(kind)
                if len(found) >= count:
                    return found[count - 1]
                assert self.error is None, f"{self.error!r} while waiting for {kind}"
                await self._arrived.wait()

    async def closed(self) -> tuple[int | None, str]:
        """Code and reason of the close frame; None where there was none."""
        async with asyncio.timeout(10), self._arrived:
            while self.error is None:
                await self._arrived.wait()
        assert isinstance(self.error, websockets.ConnectionClosed), self.error
        frame = self.error.rcvd
        return (frame.code, frame.reason) if frame else (None, "")

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]


@asynccontextmanager
async def talking(
    server: Running,
    *,
    speed: float = 16.0,
    official: bool = False,
    beta: bool = False,
    mic: bool = True,
    client: str | None = None,
) -> AsyncIterator[Talker]:
    """A session with an open microphone (`speed` times real time); `official`: through the official client."""
    headers = {"X-Client-Id": client} if client else {}
    token = server.token()
    base = f"127.0.0.1:{server.port}/v1"
    union = BETA if beta else GA
    if official:
        user = AsyncOpenAI(base_url=f"http://{base}", websocket_base_url=f"ws://{base}", api_key=token)
        async with user, user.realtime.connect(model="gpt-realtime", extra_headers=headers) as connection:

            async def send(text: str) -> None:
                await connection.send(json.loads(text))

            talker = Talker(send, connection.recv_bytes, speed=speed, union=union)
            async with _alive(talker, mic):
                yield talker
        return
    headers["Authorization"] = f"Bearer {token}"
    if beta:
        headers["OpenAI-Beta"] = "realtime=v1"
    async with websockets.connect(f"ws://{base}/realtime", additional_headers=headers, max_size=None) as socket:
        talker = Talker(socket.send, socket.recv, speed=speed, union=union)
        async with _alive(talker, mic):
            yield talker


@asynccontextmanager
async def _alive(talker: Talker, mic: bool) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(talker.listen())]
    await talker.wait("session.created")
    if mic:
        tasks.append(asyncio.ensure_future(talker.mic()))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
