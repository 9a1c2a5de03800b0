"""Interruptions and false alarms over a real socket: what the assistant does, and what its truth says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from assistant_harness import Running, Talker, first, profile, running, talking

from assistant.settings import RATE
from audio import Clip, ClipKind

QUESTION, INTERRUPTION = first(ClipKind.QUESTION), first(ClipKind.INTERRUPTION)
BACKCHANNEL = first(ClipKind.BACKCHANNEL)
LATE_MS = 100  # what a busy machine may add; a planned delay is never shortened
DONE, DELTA = "response.done", "response.output_audio.delta"
STARTED = "input_audio_buffer.speech_started"


@pytest.mark.parametrize("official", [True, False])
def test_an_interruption_is_obeyed_and_answered(tmp_path: Path, official: bool) -> None:
    how = profile(pace=1.0, interruption={"stop_delay_s": {"fixed": 0.05}})

    async def talk(server: Running) -> Talker:
        async with talking(server, official=official, speed=14.0) as talker:
            talker.say(QUESTION)
            await talker.wait(DELTA, 5)
            talker.say(INTERRUPTION)
            await talker.wait(DONE)
            item = talker.all(DELTA)[0]["item_id"]
            await talker.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=100)
            await talker.wait("conversation.item.truncated")
            await talker.wait("response.created", 2)
            await talker.wait(DELTA, len(talker.all(DELTA)) + 3)
            await talker.send("response.cancel")
            await talker.wait(DONE, 2)
            return talker

    with running(tmp_path, how) as server:
        talker = asyncio.run(talk(server))
        barge_in = server.until("barge_in")[0]
        turns = server.until("response", 2)
    cut, last = (event["response"] for event in talker.all(DONE))
    assert cut["status"] == last["status"] == "cancelled"
    assert cut["status_details"]["reason"] == "turn_detected"
    assert last["status_details"]["reason"] == "client_cancelled"
    kinds = talker.kinds()
    assert DELTA not in kinds[kinds.index(DONE) : kinds.index("response.created", kinds.index(DONE))]
    assert (barge_in["reaction"], barge_in["clip"]) == ("cancelled", INTERRUPTION.name)
    assert (barge_in["response_id"], barge_in["answer_response_id"]) == (cut["id"], last["id"])
    assert barge_in["onset_ns"] < barge_in["detected_ns"] < barge_in["stopped_ns"]
    assert turns[0]["interrupted"]
    assert 49 < (turns[0]["done_ns"] - barge_in["detected_ns"]) / 1e6 < 50 + LATE_MS
    assert turns[1]["clip"] == INTERRUPTION.name


def test_a_deaf_assistant_answers_afterwards(tmp_path: Path) -> None:
    how = profile(pace=12.0, interruption={"ignore_rate": 1.0})

    async def talk(server: Running) -> Talker:
        async with talking(server) as talker:
            talker.say(QUESTION)
            await talker.wait(DELTA, 3)
            talker.say(INTERRUPTION)
            await talker.wait("response.created", 2)
            return talker

    with running(tmp_path, how) as server:
        talker = asyncio.run(talk(server))
        truth = server.until("barge_in")[0]
    assert talker.all(DONE)[0]["response"]["status"] == "completed"
    assert truth["reaction"] == "none"
    assert truth["answer_response_id"] == talker.all("response.created")[1]["response"]["id"]


def test_what_was_generated_already_cannot_be_cancelled(tmp_path: Path) -> None:
    async def talk(server: Running) -> Talker:
        async with talking(server, speed=6.0) as talker:
            talker.say(QUESTION)
            await talker.wait(DONE)
            await asyncio.sleep(0.3)  # at this speed an onset is dated back by more than it took: it must not come before the audio
            talker.say(INTERRUPTION)
            await talker.wait(DONE, 2)
            return talker

    with running(tmp_path, profile(pace="burst")) as server:
        talker = asyncio.run(talk(server))
        truth = server.until("barge_in")[0]
    assert [event["response"]["status"] for event in talker.all(DONE)] == ["completed", "completed"]
    assert (truth["reaction"], truth["stopped_ns"]) == ("already_generated", None)


def garbled(clip: Clip) -> Clip:
    """The clip with every other 2.5 ms upside down: as loud as ever, and unlike in all else."""
    signs = np.where(np.arange(len(clip.pcm)) // 60 % 2, -1, 1)
    return replace(clip, pcm=(clip.pcm * signs).astype(np.int16))


@pytest.mark.parametrize(("clip", "kind"), [(INTERRUPTION, "barge_in"), (BACKCHANNEL, "false_alarm")])
def test_what_is_recognised_late(tmp_path: Path, clip: Clip, kind: str) -> None:
    """Speech that is not known at once interrupts; what it was is found out when it has ended."""

    async def talk(server: Running) -> Talker:
        async with talking(server, speed=12.0) as talker:
            talker.say(QUESTION)
            await talker.wait(DELTA, 3)
            talker.say(garbled(clip))
            await talker.wait("conversation.item.input_audio_transcription.completed", 2)
            await talker.send("response.cancel")
            return talker

    with running(tmp_path, profile(pace=1.0)) as server:
        talker = asyncio.run(talk(server))
        truth = server.until(kind)[0]
    assert talker.all(DONE)[0]["response"]["status_details"]["reason"] == "turn_detected"
    assert truth.get("reaction", truth.get("action")) in ("cancelled", "answered")
    assert truth["clip"] is None or truth["clip"].split("-")[0] == clip.kind
    if kind == "barge_in":
        assert truth["clip"] == clip.name
        assert truth["onset_ns"] < truth["detected_ns"]


def test_speaking_again_before_the_answer_supersedes_the_turn(tmp_path: Path) -> None:
    async def talk(server: Running) -> Talker:
        async with talking(server) as talker:
            talker.say(QUESTION)
            await talker.wait("input_audio_buffer.committed")
            talker.say(INTERRUPTION)
            await talker.wait("response.created")
            return talker

    with running(tmp_path, profile(asr={"delay": {"fixed": 0.15}}, endpointing={"extra": {"fixed": 0.02}})) as server:
        talker = asyncio.run(talk(server))
        dropped, answered = server.until("response", 2)
        assert server.truth("barge_in") == []
    assert len(talker.all("response.created")) == 1
    assert (dropped["clip"], dropped["response_id"], dropped["status"]) == (QUESTION.name, None, "cancelled")
    assert answered["clip"] == INTERRUPTION.name


def test_an_interruption_is_heard_and_not_obeyed_where_the_client_wants_that(tmp_path: Path) -> None:
    spared = {"type": "server_vad", "interrupt_response": False}

    async def talk(server: Running) -> Talker:
        async with talking(server) as talker:
            await talker.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": spared}}})
            talker.say(QUESTION)
            await talker.wait(DELTA, 3)
            talker.say(INTERRUPTION)
            await talker.wait(DONE, 2)
            return talker

    with running(tmp_path, profile(pace=12.0)) as server:
        talker = asyncio.run(talk(server))
        truth = server.until("barge_in")[0]
    assert [event["response"]["status"] for event in talker.all(DONE)] == ["completed", "completed"]
    assert truth["reaction"] == "none"


def test_the_client_cancels_and_truncates(tmp_path: Path) -> None:
    async def talk(server: Running) -> Talker:
        async with talking(server) as talker:
            talker.say(QUESTION)
            item_id = (await talker.wait(DELTA, 3))["item_id"]
            cut = {"item_id": item_id, "content_index": 0}
            await talker.send("conversation.item.truncate", **cut, audio_end_ms=40)
            await talker.send("response.cancel")
            await talker.wait(DONE)
            await talker.send("conversation.item.retrieve", item_id=item_id)
            await talker.wait("conversation.item.retrieved")
            await talker.send("conversation.item.truncate", **cut, audio_end_ms=3_600_000)
            await talker.wait("error")
            await talker.send("response.cancel")
            await talker.wait("error", 2)
            return talker

    with running(tmp_path, profile(pace=1.0)) as server:
        talker = asyncio.run(talk(server))
    assert talker.all(DONE)[0]["response"]["status_details"]["reason"] == "client_cancelled"
    assert talker.all("conversation.item.truncated")[0]["audio_end_ms"] == 40
    # The end of the response does not bring back what was forgotten.
    assert talker.all("conversation.item.retrieved")[0]["item"]["content"][0]["transcript"] == ""
    errors = [event["error"]["code"] for event in talker.all("error")]
    assert errors == ["invalid_value", "response_cancel_not_active"]


def test_an_interruption_that_is_cleared_is_in_the_truth(tmp_path: Path) -> None:
    async def talk(server: Running) -> None:
        async with talking(server, speed=12.0) as talker:
            talker.say(QUESTION)
            await talker.wait(DELTA, 3)
            talker.say(INTERRUPTION)
            await talker.wait(STARTED, 2)
            talker.hush()
            await talker.send("input_audio_buffer.clear")
            await talker.wait(DONE)
            await asyncio.to_thread(server.until, "barge_in")

    with running(tmp_path, profile(pace=1.0, interruption={"stop_delay_s": {"fixed": 0.1}})) as server:
        asyncio.run(talk(server))
        truth, response = server.truth("barge_in"), server.until("response")[0]
    assert [(line["reaction"], line["clip"]) for line in truth] == [("cancelled", INTERRUPTION.name)]
    assert truth[0]["stopped_ns"] == response["last_audio_ns"]


def test_two_utterances_in_one_message(tmp_path: Path) -> None:
    """The first turn is superseded before its task has begun, and does not stand in the way of what comes."""
    silence = bytes(2 * RATE)
    both = QUESTION.pcm.tobytes() + silence + INTERRUPTION.pcm.tobytes() + silence

    async def talk(server: Running) -> Talker:
        async with talking(server, mic=False) as talker:
            await talker.append(both)
            await talker.wait(DONE)
            assert len(server.truth("response")) == 2
            await talker.send("response.create", response={"metadata": {"topic": "none"}})
            await talker.wait(DONE, 2)
            return talker

    with running(tmp_path) as server:
        talker = asyncio.run(talk(server))
        truth = server.truth("response")
    assert [line["status"] for line in truth] == ["cancelled", "completed", "completed"]
    assert [line["clip"] for line in truth] == [QUESTION.name, INTERRUPTION.name, None]
    assert [event["response"]["metadata"] for event in talker.all(DONE)] == [None, {"topic": "none"}]
