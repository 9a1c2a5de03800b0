"""Whole conversations over a real socket; every event received is checked against the official types."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assistant_harness import Running, Talker, first, profile, running, talking

from assistant.settings import RATE
from audio import Clip, ClipKind, load_corpus

QUESTION, INTERRUPTION = first(ClipKind.QUESTION), first(ClipKind.INTERRUPTION)
BACKCHANNEL = first(ClipKind.BACKCHANNEL)
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
    assert planned_s - 0.001 < delivered_s < planned_s + LATE_MS / 1e3
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


@pytest.mark.parametrize("official", [True, False])
def test_an_interruption_is_obeyed_and_answered(tmp_path: Path, official: bool) -> None:
    how = profile(pace=1.0, interruption={"stop_delay_s": {"fixed": 0.05}})

    async def talk(server: Running) -> Talker:
        async with talking(server, official=official, speed=8.0) as talker:
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
    how = profile(pace=6.0, interruption={"ignore_rate": 1.0})

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
        async with talking(server, speed=3.0) as talker:
            talker.say(QUESTION)
            await talker.wait(DONE)
            talker.say(INTERRUPTION)
            await talker.wait(DONE, 2)
            return talker

    with running(tmp_path, profile(pace="burst")) as server:
        talker = asyncio.run(talk(server))
        truth = server.until("barge_in")[0]
    assert [event["response"]["status"] for event in talker.all(DONE)] == ["completed", "completed"]
    assert (truth["reaction"], truth["stopped_ns"]) == ("already_generated", None)


@pytest.mark.parametrize(
    ("false_alarm", "action"),
    [
        ({}, "ignored"),
        ({"mistake_rate": 1.0, "resume_delay_s": {"fixed": 0.1}}, "resumed"),
        ({"mistake_rate": 1.0, "resume_rate": 0.0}, "stuck"),
        ({"answer_rate": 1.0}, "answered"),
    ],
)
def test_false_alarms(tmp_path: Path, false_alarm: dict[str, Any], action: str) -> None:
    how = profile(pace=1.0, false_alarm=false_alarm)

    async def talk(server: Running) -> Talker:
        async with talking(server, speed=8.0) as talker:
            talker.say(QUESTION)
            await talker.wait(DELTA, 3)
            talker.say(BACKCHANNEL)
            while not server.truth("false_alarm"):
                await asyncio.sleep(0.01)
            count = len(talker.all(DELTA))
            if action != "stuck":
                await talker.wait(DELTA, count + 3)
            talker.say(INTERRUPTION)
            await talker.wait("conversation.item.input_audio_transcription.completed", 3 if action == "answered" else 2)
            return talker

    with running(tmp_path, how) as server:
        talker = asyncio.run(talk(server))
        truth = server.truth("false_alarm")[0]
        barge_in = server.until("barge_in")[0]
        response = server.until("response")[0]
    assert (truth["action"], truth["clip"]) == (action, BACKCHANNEL.name)
    assert truth["onset_ns"] < truth["offset_ns"]
    cancelled = talker.all(DONE)[0]["response"]
    assert cancelled["status_details"]["reason"] == "turn_detected"
    if action == "stuck":
        assert response["last_audio_ns"] == truth["paused_ns"]
    assert barge_in["reaction"] == "cancelled"
    if action == "ignored":
        assert len(talker.all(STARTED)) == 2
        assert truth["paused_ns"] is None
    else:
        assert len(talker.all(STARTED)) == 3
    if action == "resumed":
        assert truth["paused_ns"] < truth["resumed_ns"]
        assert truth["silence_s"] > 0
        assert len(talker.all("response.created")) <= 2
    if action in ("stuck", "resumed"):
        assert truth["response_id"] == talker.all("response.created")[0]["response"]["id"]


def test_a_planned_gap_is_an_underrun_whatever_the_lead(tmp_path: Path) -> None:
    how = profile(pace=8.0, gaps={"rate": 1.0, "after_s": 2.0, "silence_s": {"fixed": 0.1}})

    async def talk(server: Running) -> None:
        async with talking(server) as talker:
            talker.say(QUESTION)
            await talker.wait(DONE)

    with running(tmp_path, how) as server:
        asyncio.run(talk(server))
        truth = server.until("response")[0]
    assert (truth["gaps_injected"], truth["underruns"]) == (1, 1)
    assert 0.099 < truth["underrun_s"] < 0.1 + LATE_MS / 1e3


@pytest.mark.parametrize(
    ("stage", "code", "audio"),
    [
        ("asr", "asr_error", False),
        ("llm", "server_error", False),
        ("tts", "tts_error", False),
        ("rate_limit", "rate_limit_exceeded", False),
    ],
)
def test_failing_stages(tmp_path: Path, stage: str, code: str, audio: bool) -> None:
    async def talk(server: Running) -> Talker:
        async with talking(server) as talker:
            talker.say(QUESTION)
            await talker.wait(DONE)
            return talker

    with running(tmp_path, profile(failures={stage: 1.0})) as server:
        talker = asyncio.run(talk(server))
        truth = server.until("response")[0]
        assert f'application_errors_total{{kind="{code}"}} 1.0' in server.request("GET", "/metrics")[2]
    done = talker.all(DONE)[0]["response"]
    assert (done["status"], done["status_details"]["error"]["code"]) == ("failed", code)
    assert (truth["status"], truth["reason"]) == ("failed", code)
    assert talker.all(DELTA) == []
    assert bool(talker.all("conversation.item.input_audio_transcription.failed")) is (stage == "asr")


def test_no_answer(tmp_path: Path) -> None:
    async def talk(server: Running) -> Talker:
        async with talking(server) as talker:
            talker.say(QUESTION)
            await talker.wait("conversation.item.input_audio_transcription.completed")
            while not server.truth("response"):
                await asyncio.sleep(0.01)
            return talker

    with running(tmp_path, profile(failures={"no_answer": 1.0})) as server:
        talker = asyncio.run(talk(server))
        assert server.truth("response")[0]["reason"] == "no_answer"
    assert talker.all("response.created") == []


def test_a_dropped_session_and_the_reconnection(tmp_path: Path) -> None:
    async def talk(server: Running) -> tuple[int | None, str]:
        async with talking(server, client="talker-1") as talker:
            talker.say(QUESTION)
            return await talker.closed()

    with running(tmp_path, profile(failures={"drop_session": 1.0})) as server:
        assert asyncio.run(talk(server)) == (None, "")
        assert server.until("session")[0]["close_code"] == 1006
        assert asyncio.run(talk(server)) == (None, "")
        assert "streaming_reconnections_total 1.0" in server.request("GET", "/metrics")[2]


def test_a_session_has_its_longest(tmp_path: Path) -> None:
    async def talk(server: Running) -> Talker:
        async with talking(server, mic=False) as talker:
            code, reason = await talker.closed()
            assert code == 1001
            assert "maximum duration" in reason
            return talker

    with running(tmp_path, profile(sessions={"max_s": 0.2})) as server:
        talker = asyncio.run(talk(server))
        assert server.until("session")[0]["close_code"] == 1001
    assert talker.all("error")[0]["error"]["code"] == "session_expired"


def test_responses_queue_for_a_slot(tmp_path: Path) -> None:
    how = profile(capacity={"slots": 1}, pace="burst", llm={"delay": {"fixed": 0.15}})

    async def ask(server: Running) -> None:
        async with talking(server) as talker:
            talker.say(QUESTION)
            await talker.wait(DONE)

    async def both(server: Running) -> None:
        await asyncio.gather(ask(server), ask(server))

    with running(tmp_path, how) as server:
        asyncio.run(both(server))
        one, two = sorted(server.until("response", 2), key=lambda line: int(line["created_ns"]))
    assert two["created_ns"] >= one["done_ns"]


def test_sessions_slow_each_other_down(tmp_path: Path) -> None:
    how = profile(capacity={"slowdown_per_session": 3.0}, pace="burst", llm={"delay": {"fixed": 0.05}})

    async def ask(server: Running) -> None:
        async with talking(server, mic=False), talking(server) as talker:
            talker.say(QUESTION)
            await talker.wait(DONE)

    with running(tmp_path, how) as server:
        asyncio.run(ask(server))
        truth = server.until("response")[0]
    assert 199 < (truth["first_token_ns"] - truth["created_ns"]) / 1e6 < 200 + LATE_MS


def test_a_leak_is_kept(tmp_path: Path) -> None:
    async def ask(server: Running) -> None:
        async with talking(server) as talker:
            talker.say(QUESTION)
            await talker.wait(DONE)

    with running(tmp_path, profile(pace="burst", leak_kib_per_turn=512)) as server:
        asyncio.run(ask(server))
        server.until("session")
        assert sum(map(len, server.hub._leaked)) == 512 * 1024


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

    code, _ = asyncio.run(talk(server))  # type: ignore[misc]
    assert code == 1001
    truth = server.truth("response")[0]
    assert (truth["status"], truth["reason"]) == (None, "session_closed")
    assert server.truth("session")[0]["close_code"] == 1001


def quieter(clip: Clip) -> Clip:
    """The clip at half the loudness: no block of it is known."""
    return replace(clip, pcm=(clip.pcm * 0.5).astype(np.int16))


@pytest.mark.parametrize(("clip", "kind"), [(INTERRUPTION, "barge_in"), (BACKCHANNEL, "false_alarm")])
def test_what_is_recognised_late(tmp_path: Path, clip: Clip, kind: str) -> None:
    """Speech that is not known at once interrupts; what it was is found out when it has ended."""

    async def talk(server: Running) -> Talker:
        async with talking(server, speed=6.0) as talker:
            talker.say(QUESTION)
            await talker.wait(DELTA, 3)
            talker.say(quieter(clip))
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


def test_a_real_utterance_after_a_cough_in_the_same_breath(tmp_path: Path) -> None:
    async def talk(server: Running) -> Talker:
        async with talking(server, speed=6.0) as talker:
            talker.say(QUESTION)
            await talker.wait(DELTA, 3)
            talker.say(BACKCHANNEL)
            talker.say(INTERRUPTION)
            await talker.wait("response.created", 2)
            return talker

    with running(tmp_path, profile(pace=1.0)) as server:
        talker = asyncio.run(talk(server))
        false_alarm, barge_in = server.until("false_alarm")[0], server.until("barge_in")[0]
    assert (false_alarm["action"], false_alarm["clip"]) == ("ignored", BACKCHANNEL.name)
    assert (barge_in["reaction"], barge_in["clip"]) == ("cancelled", INTERRUPTION.name)
    assert len(talker.all(STARTED)) == 2


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
