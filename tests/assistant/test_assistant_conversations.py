"""Whole conversations over a real socket; every event received is checked against the official types."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from assistant_harness import Running, Talker, first, profile, running, talking

from assistant.settings import RATE
from audio import ClipKind, load_corpus

QUESTION, INTERRUPTION = first(ClipKind.QUESTION), first(ClipKind.INTERRUPTION)
LATE_MS = 100  # what a busy machine may add; a planned delay is never shortened
DONE, DELTA = "response.done", "response.output_audio.delta"
STARTED = "input_audio_buffer.speech_started"

# The order of a spoken turn (Realtime API), deltas left out.
TURN = [
    STARTED,
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.completed",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    DONE,
    "rate_limits.updated",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("truth")) as server:
        yield server


def heard(talker: Talker, response_id: str, kind: str = DELTA) -> bytes:
    deltas = [event["delta"] for event in talker.all(kind) if event["response_id"] == response_id]
    return b"".join(map(b64decode, deltas))


@pytest.mark.parametrize(("official", "beta"), [(True, False), (False, False), (False, True)])
def test_a_question_is_answered(server: Running, official: bool, beta: bool) -> None:
    async def talk() -> Talker:
        async with talking(server, official=official, beta=beta) as talker:
            talker.say(QUESTION)
            await talker.wait("rate_limits.updated")
            return talker

    talker = asyncio.run(talk())
    done = talker.all(DONE)[0]["response"]
    assert done["status"] == "completed"
    delta = "response.audio.delta" if beta else DELTA
    answers = {clip.pcm.tobytes(): clip.transcript for clip in load_corpus(rate=RATE).of(ClipKind.ANSWER)}
    assert done["output"][0]["content"][0]["transcript"] == answers[heard(talker, done["id"], delta)]
    said = talker.all("conversation.item.input_audio_transcription.completed")[0]
    assert said["transcript"] == QUESTION.transcript
    if not beta:
        order = [kind for kind in talker.kinds() if not kind.endswith(".delta") and kind != "session.created"]
        assert order == TURN


def test_the_truth_of_a_turn(server: Running) -> None:
    async def talk() -> None:
        async with talking(server, client="talker-77-1") as talker:
            talker.say(QUESTION)
            await talker.wait(DONE)

    before = len(server.truth("response"))
    asyncio.run(talk())
    truth = server.until("response", before + 1)[-1]
    assert (truth["client"], truth["turn"], truth["clip"]) == ("talker-77-1", 0, QUESTION.name)
    assert (truth["status"], truth["interrupted"], truth["underruns"]) == ("completed", False, 0)
    order = [
        "speech_onset_ns", "speech_started_ns", "speech_offset_ns", "speech_stopped_ns", "committed_ns", "transcribed_ns",
        "created_ns", "first_token_ns", "first_audio_ns", "last_audio_ns", "done_ns",
    ]  # fmt: skip
    instants = [truth[name] for name in order]
    assert instants == sorted(instants)
    stages = [("committed", "transcribed", 10), ("created", "first_token", 20), ("first_token", "first_audio", 10)]
    for begin, end, planned_ms in stages:
        took_ms = (truth[f"{end}_ns"] - truth[f"{begin}_ns"]) / 1e6
        assert planned_ms - 1 < took_ms < planned_ms + LATE_MS, end
    answer = load_corpus(rate=RATE).get(truth["answer_clip"])
    assert truth["audio_samples"] == len(answer.pcm)
    delivered_s = (truth["last_audio_ns"] - truth["first_audio_ns"]) / 1e9
    planned_s = (truth["chunks"] - 1) * 0.04 / 20
    assert planned_s - LATE_MS / 1e3 < delivered_s < planned_s + LATE_MS / 1e3
    session = server.until("session")[-1]
    assert (session["turns"], session["close_code"]) == (1, 1000)


def test_two_runs_draw_the_same(tmp_path: Path) -> None:
    how = profile(llm={"delay": {"uniform": [0.01, 0.05]}}, pace="burst", asr={"word_error_rate": 0.3})

    async def talk(server: Running) -> None:
        async with talking(server, client="talker-5", speed=20.0) as talker:
            for turn in range(2):
                talker.say(QUESTION)
                await talker.wait(DONE, turn + 1)

    drawn = []
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        with running(tmp_path / run, how, seed=9) as server:
            asyncio.run(talk(server))
            drawn.append([(line["answer_clip"], line["transcript"]) for line in server.until("response", 2)])
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) > 1


def test_the_client_commits_where_turn_detection_is_off(server: Running) -> None:
    off = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}

    async def talk() -> Talker:
        async with talking(server, mic=False) as talker:
            await talker.send("session.update", session=off)
            await talker.wait("session.updated")
            await talker.append(QUESTION.pcm.tobytes())
            await talker.send("input_audio_buffer.commit")
            await talker.wait("conversation.item.input_audio_transcription.completed")
            await talker.send("response.create")
            await talker.wait("response.created")
            await talker.send("response.create")
            await talker.wait("error")
            await talker.wait(DONE)
            await talker.send("response.create")
            await talker.wait(DONE, 2)
            return talker

    talker = asyncio.run(talk())
    assert talker.all("session.updated")[0]["session"]["audio"]["input"]["turn_detection"] is None
    said = talker.all("conversation.item.input_audio_transcription.completed")[0]
    assert said["transcript"] == QUESTION.transcript
    assert talker.all("error")[0]["error"]["code"] == "conversation_already_has_active_response"
    assert talker.all(STARTED) == []


def test_speech_without_create_response_waits_for_the_client(server: Running) -> None:
    detection = {"type": "server_vad", "silence_duration_ms": 200, "create_response": False}

    async def talk() -> Talker:
        async with talking(server) as talker:
            audio = {"input": {"turn_detection": detection, "transcription": None}}
            await talker.send("session.update", session={"type": "realtime", "audio": audio})
            await talker.wait("session.updated")
            await talker.append(bytes(2 * RATE))
            talker.say(QUESTION)
            await talker.wait("input_audio_buffer.committed")
            await talker.send("response.create")
            await talker.wait(DONE)
            return talker

    talker = asyncio.run(talk())
    started, stopped = talker.all(STARTED)[0], talker.all("input_audio_buffer.speech_stopped")[0]
    speech_ms = (QUESTION.offset_sample - QUESTION.onset_sample) * 1000 / RATE
    assert stopped["audio_end_ms"] - started["audio_start_ms"] == pytest.approx(speech_ms + 300 + 200, abs=100)
    assert talker.all("conversation.item.input_audio_transcription.completed") == []


def test_a_goodbye_when_the_server_goes_away(tmp_path: Path) -> None:
    async def talk(server: Running) -> asyncio.Task[tuple[int | None, str]]:
        async with talking(server) as talker:
            talker.say(QUESTION)
            await talker.wait("response.created")
            return await closing(talker)

    async def closing(talker: Talker) -> Any:
        closed = asyncio.ensure_future(talker.closed())
        await asyncio.to_thread(stop)
        return await closed

    context = running(tmp_path)
    server = context.__enter__()

    def stop() -> None:
        context.__exit__(None, None, None)

    code, _ = asyncio.run(talk(server))
    assert code == 1001
    truth = server.truth("response")[0]
    assert (truth["status"], truth["reason"]) == (None, "session_closed")
    assert server.truth("session")[0]["close_code"] == 1001


def test_clearing_the_buffer_drops_the_utterance(server: Running) -> None:
    async def talk() -> Talker:
        async with talking(server) as talker:
            talker.say(QUESTION)
            await talker.wait(STARTED)
            talker.hush()
            await talker.send("input_audio_buffer.clear")
            await talker.wait("input_audio_buffer.cleared")
            talker.say(INTERRUPTION)
            await talker.wait("conversation.item.input_audio_transcription.completed")
            return talker

    talker = asyncio.run(talk())
    said = talker.all("conversation.item.input_audio_transcription.completed")
    assert [event["transcript"] for event in said] == [INTERRUPTION.transcript]
    assert len(talker.all("input_audio_buffer.speech_stopped")) == 1
