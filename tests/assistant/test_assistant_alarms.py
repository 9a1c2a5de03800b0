"""False alarms over a real socket: ignored, mistaken, resumed, stuck, answered; and what the truth says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from assistant_harness import Running, Talker, first, profile, running, talking

from audio import ClipKind

QUESTION, INTERRUPTION = first(ClipKind.QUESTION), first(ClipKind.INTERRUPTION)
BACKCHANNEL = first(ClipKind.BACKCHANNEL)
DONE, DELTA = "response.done", "response.output_audio.delta"
STARTED = "input_audio_buffer.speech_started"


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
        async with talking(server, speed=14.0) as talker:
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


def test_a_real_utterance_after_a_cough_in_the_same_breath(tmp_path: Path) -> None:
    async def talk(server: Running) -> Talker:
        async with talking(server, speed=12.0) as talker:
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


def test_a_pause_still_to_come_does_not_outlive_the_false_alarm(tmp_path: Path) -> None:
    """The buffer is cleared between the mistake and its effect, and the stop is slower than the resumption."""
    how = profile(
        pace=6.0,
        false_alarm={"mistake_rate": 1.0, "resume_delay_s": {"fixed": 0.05}},
        interruption={"stop_delay_s": {"fixed": 0.3}},
    )

    async def talk(server: Running) -> Talker:
        async with talking(server, speed=14.0) as talker:
            talker.say(QUESTION)
            await talker.wait(DELTA, 3)
            talker.say(BACKCHANNEL)
            await talker.wait(STARTED, 2)
            talker.hush()
            await talker.send("input_audio_buffer.clear")
            await talker.wait(DONE)
            return talker

    with running(tmp_path, how) as server:
        talker = asyncio.run(talk(server))
        truth = server.until("false_alarm")
    assert talker.all(DONE)[0]["response"]["status"] == "completed"
    assert [(line["action"], line["paused_ns"]) for line in truth] == [("ignored", None)]


def test_a_slow_stop_that_never_resumes_is_told_as_stuck(tmp_path: Path) -> None:
    how = profile(
        pace=0.5,
        false_alarm={"mistake_rate": 1.0, "resume_rate": 0.0},
        interruption={"stop_delay_s": {"fixed": 0.5}},
    )

    async def talk(server: Running) -> None:
        async with talking(server) as talker:
            talker.say(QUESTION)
            await talker.wait(DELTA, 3)
            talker.say(BACKCHANNEL)
            await talker.wait("input_audio_buffer.speech_stopped", 2)
            while not server.truth("false_alarm"):
                await asyncio.sleep(0.01)
            await talker.send("response.cancel")  # a stuck assistant still obeys
            await talker.wait(DONE)

    with running(tmp_path, how) as server:
        asyncio.run(talk(server))
        truth, response = server.truth("false_alarm")[0], server.until("response")[0]
    assert truth["action"] == "stuck"
    assert truth["paused_ns"] == response["last_audio_ns"]
