"""Rubbish: every client event gets its answer, nothing breaks the server."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import websockets
from assistant_harness import Running, first, running, talking

from audio import ClipKind

QUESTION = first(ClipKind.QUESTION)
TEXT = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}

NESTED: Any = "deep"
for _ in range(300):
    NESTED = [NESTED]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("truth")) as server:
        yield server


def event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "mine", **fields})


def append(audio: Any) -> str:
    return event("input_audio_buffer.append", audio=audio)


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("", "invalid_json", None),
        ("{", "invalid_json", None),
        ("[1, 2]", "invalid_json", None),
        ('"x"', "invalid_json", None),
        ("\0\x01", "invalid_json", None),
        (b"\x00\xff\xfe", "invalid_message", None),
        (b"{}", "invalid_message", None),
        ("{}", "missing_required_parameter", "type"),
        ('{"type": 5}', "invalid_value", "type"),
        (event("no.such.event"), "invalid_value", "type"),
        (event("x" * 5000), "invalid_value", "type"),
        (event("input_audio_buffer.append"), "missing_required_parameter", "audio"),
        (append(5), "missing_required_parameter", "audio"),
        (append("@@@@"), "invalid_value", "audio"),
        (append("AAA"), "invalid_value", "audio"),
        (append("AAAA AAAA"), "invalid_value", "audio"),
        (append("ÄÄÄÄ"), "invalid_value", "audio"),
        (append(b64encode(b"odd").decode()), "invalid_value", "audio"),
        ('{"type":"input_audio_buffer.append","audio":"AAA"}', "invalid_value", "audio"),
        ('{"type":"input_audio_buffer.append","audio":"AA","x":"A"}', "invalid_value", "audio"),
        (append("A" * (15 * 1024 * 1024 + 4)), "string_above_max_length", "audio"),
        (event("input_audio_buffer.commit"), "input_audio_buffer_commit_empty", None),
        (event("session.update"), "missing_required_parameter", "session"),
        (event("session.update", session=5), "invalid_value", "session"),
        (event("session.update", session={}), "missing_required_parameter", "session.type"),
        (event("conversation.item.create"), "missing_required_parameter", "item"),
        (event("conversation.item.create", item=TEXT, previous_item_id="x"), "item_not_found", "previous_item_id"),
        (event("conversation.item.retrieve"), "item_not_found", "item_id"),
        (event("conversation.item.retrieve", item_id="x"), "item_not_found", "item_id"),
        (event("conversation.item.delete", item_id=[]), "item_not_found", "item_id"),
        (event("conversation.item.truncate", item_id="x"), "item_not_found", "item_id"),
        (event("response.cancel"), "response_cancel_not_active", None),
        (event("response.cancel", response_id=[]), "response_cancel_not_active", None),
        (event("response.create", response=5), "invalid_value", "response"),
        (event("response.create", response={"output_modalities": ["text"]}), "invalid_value", "response"),
        (event("response.create", response={"metadata": {"a": 1}}), "invalid_value", "response"),
        (event("conversation.item.create", item={"type": []}), "invalid_value", "item.type"),
        (event("conversation.item.create", item={**TEXT, "role": {}}), "invalid_value", "item.role"),
        (event("session.update", session=NESTED), "invalid_json", None),
        (event("output_audio_buffer.clear"), "invalid_value", "type"),
    ],
)
def test_an_error_event_and_the_session_lives(server: Running, message: str | bytes, code: str, param: str | None) -> None:
    async def talk() -> dict[str, Any]:
        async with talking(server, mic=False) as talker:
            await talker.send_raw(message)
            error: dict[str, Any] = (await talker.wait("error"))["error"]
            await talker.send("input_audio_buffer.clear")
            await talker.wait("input_audio_buffer.cleared")
            return error

    error = asyncio.run(talk())
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    if '"mine"' in str(message):
        assert error["event_id"] == "mine"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("A" * (16 * 1024 * 1024 + 1), 1009),
        (b"\x81\x82\x00\x00\x00\x00\xff\xfe", 1007),  # text that is not UTF-8
        (b"\xc1\x81\x00\x00\x00\x00x", 1002),  # a reserved bit
        (b"\x81\x01x", 1002),  # not masked
    ],
)
def test_what_breaks_the_connection_breaks_only_that_one(server: Running, message: Any, code: int) -> None:
    async def talk() -> int | None:
        async with talking(server, mic=False) as talker, talking(server) as other:
            if isinstance(message, str):
                with suppress(websockets.ConnectionClosed):
                    await talker.send_raw(message)
            else:
                talker._send.__self__.transport.write(message)
            closed, _ = await talker.closed()
            other.say(QUESTION)
            await other.wait("response.done")
            return closed

    assert asyncio.run(talk()) == code
    assert server.request("GET", "/health")[2]["healthy"] is True


def test_items_are_created_kept_and_deleted(server: Running) -> None:
    async def talk() -> list[dict[str, Any]]:
        async with talking(server, official=True, mic=False) as talker:
            await talker.send("conversation.item.create", item={**TEXT, "id": "item_a"})
            await talker.wait("conversation.item.done")
            await talker.send("conversation.item.retrieve", item_id="item_a")
            await talker.wait("conversation.item.retrieved")
            await talker.send("conversation.item.delete", item_id="item_a")
            await talker.wait("conversation.item.deleted")
            await talker.send("conversation.item.retrieve", item_id="item_a")
            await talker.wait("error")
            return talker.events

    kinds = [event["type"] for event in asyncio.run(talk())]
    assert kinds == [
        "session.created",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.retrieved",
        "conversation.item.deleted",
        "error",
    ]


def test_fields_behind_the_audio(server: Running) -> None:
    """JavaScript clients write without spaces, and may put the event's id last."""

    async def talk() -> None:
        async with talking(server, mic=False) as talker:
            audio = b64encode(QUESTION.pcm.tobytes() + bytes(48000)).decode()
            await talker.send_raw(f'{{"type":"input_audio_buffer.append","audio":"{audio}","event_id":"mine"}}')
            await talker.wait("response.done")
            assert talker.all("error") == []

    asyncio.run(talk())


def test_a_long_append_is_heard_in_slices(server: Running) -> None:
    """A minute in one message: the labelled instants lie as far apart as in the sound, whichever slice they are in."""

    async def talk() -> None:
        async with talking(server, mic=False) as talker:
            silence = bytes(2 * 24000 * 29)
            await talker.append(silence + QUESTION.pcm.tobytes() + silence)
            await talker.wait("response.done")

    before = len(server.truth("response"))
    asyncio.run(talk())
    truth = server.until("response", before + 1)[-1]
    spoken_ns = (QUESTION.offset_sample - QUESTION.onset_sample) * 1_000_000_000 // 24000
    assert truth["clip"] == QUESTION.name
    assert abs(truth["speech_offset_ns"] - truth["speech_onset_ns"] - spoken_ns) <= 2


def test_a_client_that_vanishes(server: Running) -> None:
    async def talk() -> None:
        async with talking(server) as talker:
            talker.say(QUESTION)
            await talker.wait("response.created")
            talker._send.__self__.transport.abort()

    before = len(server.truth("session"))
    asyncio.run(talk())
    server.until("session", before + 1)
    assert server.request("GET", "/health")[2]["healthy"] is True
    assert 'application_errors_total{kind="internal"}' not in server.request("GET", "/metrics")[2]


def test_too_many_sessions_are_refused_at_the_door(tmp_path_factory: pytest.TempPathFactory) -> None:
    from assistant_harness import profile

    async def talk(server: Running) -> int:
        async with talking(server, mic=False):
            assert server.request("GET", "/health/ready")[0] == 503
            try:
                async with talking(server, mic=False):
                    return 101
            except websockets.InvalidStatus as error:
                return error.response.status_code

    with running(tmp_path_factory.mktemp("truth"), profile(sessions={"max_concurrent": 1})) as server:
        assert asyncio.run(talk(server)) == 503
