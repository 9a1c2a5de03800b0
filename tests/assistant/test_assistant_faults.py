"""Faults and limits by profile, over a real socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from assistant_harness import Running, Talker, first, profile, running, talking

from audio import ClipKind

QUESTION = first(ClipKind.QUESTION)
LATE_MS = 100  # what a busy machine may add; a planned delay is never shortened
DONE, DELTA = "response.done", "response.output_audio.delta"


def test_a_planned_gap_is_an_underrun_whatever_the_lead(tmp_path: Path) -> None:
    how = profile(pace=20.0, gaps={"rate": 1.0, "after_s": 0.8, "silence_s": {"fixed": 0.1}})

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
