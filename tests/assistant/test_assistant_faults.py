"""Faults and limits by profile, over a real socket."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic_ns

import pytest
from assistant_harness import Running, Talker, first, profile, running, talking

from assistant.faults import keep_timetable
from audio import ClipKind

QUESTION = first(ClipKind.QUESTION)
LATE_MS = 100  # what a busy machine may add; a planned delay is never shortened
WHO = {"X-Client-Id": "talker-9"}
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


def test_a_slot_held_by_a_session_is_free_when_it_ends(tmp_path: Path) -> None:
    how = profile(capacity={"slots": 1, "held_by": "session"}, pace="burst")

    async def ask(talker: Talker) -> None:
        talker.say(QUESTION)
        await talker.wait("input_audio_buffer.committed", len(talker.all(DONE)) + 1)

    async def both(server: Running) -> None:
        async with talking(server, client="late") as late:
            async with talking(server, client="first") as first_one:
                for count in (1, 2):
                    await ask(first_one)
                    await first_one.wait(DONE, count)
                await ask(late)
                async with asyncio.timeout(10):
                    while server.hub.slots.waiting != 1:
                        await asyncio.sleep(0.01)
                await ask(first_one)
                await first_one.wait(DONE, 3)
                assert late.all("response.created") == []
            await late.wait(DONE)

    with running(tmp_path, how) as server:
        asyncio.run(both(server))
        closed = {line["client"]: line["closed_ns"] for line in server.until("session", 2)}
        answered = next(line for line in server.truth("response") if line["client"] == "late")
    assert answered["created_ns"] >= closed["first"] - LATE_MS * 1e6


def test_each_session_leaves_its_leak(tmp_path: Path) -> None:
    async def visit(server: Running) -> None:
        for _ in range(3):
            async with talking(server, mic=False):
                pass

    with running(tmp_path, profile(leak_kib_per_session=64)) as server:
        asyncio.run(visit(server))
        server.until("session", 3)
    assert server.hub.leaked_bytes == 3 * 64 * 1024  # once it has stopped: a session leaves when its truth is written


def test_what_is_replaced_under_load_holds_while_the_sessions_are_open(tmp_path: Path) -> None:
    how = profile(under_load=[{"sessions": 2, "profile": {"failures": {"rate_limit": 1.0}, "tokens": {"per_second": 0.01, "burst": 1}}}])

    async def ask(server: Running) -> str:
        async with talking(server) as talker:
            talker.say(QUESTION)
            return str((await talker.wait(DONE))["response"]["status"])

    async def crowd(server: Running) -> tuple[str, str, str]:
        alone = await ask(server)
        async with talking(server, mic=False):
            crowded = await ask(server)
        server.until("session", 3)
        return alone, crowded, await ask(server)

    with running(tmp_path, how) as server:
        assert asyncio.run(crowd(server)) == ("completed", "failed", "completed")


def test_faults_come_and_go(tmp_path: Path) -> None:
    """On a timetable that begins with this test, beside a served hub."""
    changes = {"failures": {"rate_limit": 1.0}, "tokens": {"per_second": 0.001, "burst": 1}}
    how = profile(faults=[{"at_s": 1000, "for_s": 1, "profile": changes}, {"at_s": 0, "for_s": 2, "profile": changes}])

    async def ask(server: Running) -> tuple[int, int, str]:
        """Two requests for tokens and one turn of a session that was open before."""
        async with talking(server) as talker:
            timetable = asyncio.ensure_future(keep_timetable(server.hub, monotonic_ns()))
            await asyncio.sleep(0)
            statuses = [(await asyncio.to_thread(server.request, "POST", "/rt-token", headers=WHO))[0] for _ in range(2)]
            while server.hub.profile.failures.rate_limit:
                await asyncio.sleep(0.01)
            talker.say(QUESTION)
            done = await talker.wait(DONE)
            timetable.cancel()
            await asyncio.gather(timetable, return_exceptions=True)
            return statuses[0], statuses[1], done["response"]["status"]

    with running(tmp_path, how) as server:
        assert asyncio.run(ask(server)) == (200, 429, "completed")
        (fault,) = server.until("fault")
    assert (fault["fault"], fault["profile"]) == (1, changes)
    assert 1.99e9 < fault["ended_ns"] - fault["begun_ns"] < 9e9


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
