"""The assistant as OpenAI Live, against the vendor's published types: its commands, its events, and a stream that goes on in silence."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import openai.types.live as live
import pytest
from assistant_harness import strict
from hypothesis import given
from hypothesis import strategies as st

from assistant.settings import Settings
from assistant.usage import Usage
from assistant.wires.base import Answer, Asked, Bye, Format, Refused, Sound, Tuned
from assistant.wires.openai_live import OpenAILive
from protocol import SessionSettings, find, make

SERVER = strict(live.ServerEvent)
ECHO = Settings("gpt-live-1").echo("sess", beta=False, expires_at=1)
USAGE = Usage.of(history_words=1, heard_s=1.0, words=1, spoken_s=1.0)
PIECE = base64.b64encode(bytes(1920)).decode()  # 40 ms


def command(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})


def checked(told: Any) -> Any:
    """A message that is what the official types want."""
    SERVER.validate_json(told)
    return json.loads(told)


def started(**session: Any) -> OpenAILive:
    wire = OpenAILive("t")
    wire.received(command("session.start", session={"model": "gpt-live-1", **session}))
    wire.event("session.updated", session=ECHO)
    return wire


@pytest.mark.parametrize(
    ("options", "form"),
    [
        ({}, Format(24_000)),
        ({"rate": 16_000}, Format(16_000)),
        ({"encoding": "mulaw", "rate": 8000}, Format(8000, "mulaw")),
        ({"encoding": "alaw", "rate": 8000}, Format(8000, "alaw")),
    ],
)
def test_the_dialects_session_is_started_in_its_format(options: dict[str, Any], form: Format) -> None:
    wire, dialect = OpenAILive("t"), make(find("openai-live"), options)
    (message,) = dialect.configure(SessionSettings(instructions="Hi", voice="marin"))
    tuned, asked = wire.received(message.decode())
    audio = {"input": {"transcription": {"model": "live"}}, "output": {"voice": "marin"}}
    session = {"type": "realtime", "model": "gpt-live-1", "instructions": "Hi", "audio": audio}
    assert (tuned, asked) == (Tuned(), Asked("session.update", {"session": session, "event_id": None}))
    assert (wire.input, wire.output) == (form, form)
    assert wire.event("session.created", session=ECHO) is None
    shown = checked(wire.event("session.updated", session=ECHO))["session"]
    assert (shown["id"], shown["audio"]["format"]["rate"], shown["status"]) == ("sess", form.rate, "active")
    assert wire.event("session.updated", session=ECHO) is None
    assert wire.received(dialect.append(b"\0\0\1\0").decode()) == [Sound(b"\0\0\1\0")]


@pytest.mark.parametrize(
    ("session", "param"),
    [
        (None, "session.model"),
        ({}, "session.model"),
        ({"model": "m", "audio": {"format": {"type": "audio/pcm", "rate": 8000}}}, "session.audio.format"),
        ({"model": "m", "audio": {"format": {"type": "audio/opus"}}}, "session.audio.format"),
        ({"model": "m", "audio": {"format": "pcm"}}, "session.audio.format"),
    ],
)
def test_a_session_that_cannot_be_started(session: Any, param: str) -> None:
    (refused,) = OpenAILive("t").received(command("session.start", session=session))
    assert isinstance(refused, Refused)
    assert refused.param == param


def test_the_session_is_started_first_and_once() -> None:
    (early,) = OpenAILive("t").received(command("session.input_audio.append", audio=PIECE))
    (again,) = started().received(command("session.start", session={"model": "m"}))
    assert isinstance(early, Refused)
    assert isinstance(again, Refused)


@pytest.mark.parametrize("kind", ["mute", "unmute"])
def test_muted_audio_is_silence(kind: str) -> None:
    wire = started()
    (answer,) = wire.received(command(f"session.input_audio.{kind}"))
    assert isinstance(answer, Answer)
    assert checked(answer.message)["type"] == f"session.input_audio.{kind}d"
    sound = base64.b64encode(b"\1\0\2\0").decode()
    assert wire.received(command("session.input_audio.append", audio=sound)) == [Sound(bytes(4) if kind == "mute" else b"\1\0\2\0")]


@pytest.mark.parametrize("kind", ["session.update", "session.instructions.append", "session.thinking.append", "session.commentary.append"])
def test_commands_that_change_nothing_here_are_answered(kind: str) -> None:
    (answer,) = started().received(command(kind, content="x", delegation_id=None))
    assert isinstance(answer, Answer)
    checked(answer.message)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\0", "invalid_message"),
        ("x", "invalid_json"),
        ("[]", "invalid_json"),
        (command("other"), "invalid_value"),
        ("{}", "invalid_value"),
        (command("session.input_audio.append", audio="AAA"), "invalid_value"),
        (command("session.input_audio.append", audio="AA=="), "invalid_value"),
        (command("session.input_audio.append"), "invalid_value"),
    ],
)
def test_what_cannot_be_done_is_refused(message: str | bytes, code: str) -> None:
    wire = started()
    (refused,) = wire.received(message)
    assert isinstance(refused, Refused)
    assert refused.code == code
    told = checked(wire.error(refused.message, code=refused.code, param=refused.param))
    assert told["error"]["code"] == code


def test_a_session_is_closed_with_its_usage() -> None:
    answer, bye = started().received(make(find("openai-live"), {}).farewell().decode())  # type: ignore[union-attr]
    assert isinstance(answer, Answer)
    assert (checked(answer.message)["reason"], bye) == ("close_requested", Bye())
    assert OpenAILive("t").received(command("session.close")) == [Bye()]
    assert checked(started().error("over", code="session_expired"))["reason"] == "expired"


def test_transcripts_have_their_place_in_time() -> None:
    wire = started()
    wire.event("input_audio_buffer.speech_started", item_id="i", audio_start_ms=500)
    wire.event("input_audio_buffer.speech_stopped", item_id="i", audio_end_ms=1700)
    heard = checked(wire.event("conversation.item.input_audio_transcription.delta", delta="What?"))
    assert (heard["delta"], heard["start_ms"], heard["end_ms"]) == ("What?", 500, 1700)
    wire.audio_delta(("r", "i"), PIECE)
    said = checked(wire.text_delta(("r", "i"), "Well then"))
    assert (said["delta"], said["end_ms"] - said["start_ms"]) == ("Well then", 500)
    assert said["start_ms"] >= 40


def test_a_response_has_no_words_but_for_its_usage_and_its_failure() -> None:
    wire = started()
    assert wire.event("response.created", response={}) is None
    done = wire.response("r", "c", "completed", usage=USAGE)
    assert checked(wire.event("response.done", response=done))["usage"]["seconds"] == 0
    details = {"type": "failed", "error": {"type": "server_error", "code": "tts_error", "message": "no"}}
    told = wire.event("response.done", response=wire.response("r", "c", "failed", details=details, usage=USAGE))
    assert isinstance(told, list)
    assert [checked(one)["type"] for one in told] == ["error", "session.usage.updated"]


def pieces(wire: OpenAILive, seconds: float, *, at: dict[float, Any]) -> list[dict[str, Any]]:
    """What goes out beside what is done `at` some instants."""
    sent: list[dict[str, Any]] = []

    async def tell(told: Any) -> None:
        sent.append(checked(told))

    async def live_for() -> None:
        task = asyncio.ensure_future(wire.beside(tell))
        begun = asyncio.get_running_loop().time()
        for after_s, act in [*at.items(), (seconds, None)]:
            await asyncio.sleep(begun + after_s - asyncio.get_running_loop().time())
            if act is not None:
                act(sent)
        task.cancel()

    asyncio.run(live_for())
    return sent


def test_silence_goes_out_while_nothing_is_said() -> None:
    sent = pieces(started(), 0.3, at={})
    size = sum(len(base64.b64decode(one["delta"])) for one in sent)
    assert not any(base64.b64decode(one["delta"]).strip(b"\0") for one in sent)
    assert size / (2 * 24_000 * 0.3) <= 1.1  # a busy machine may be late, never early
    assert len(sent) > 1


def test_a_response_goes_out_behind_as_much_silence_as_there_was(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = OpenAILive("t")
    clock = [100.0]
    monkeypatch.setattr("assistant.wires.openai_live.monotonic", lambda: clock[0])
    wire.received(command("session.start", session={"model": "gpt-live-1"}))
    wire.event("session.updated", session=ECHO)
    clock[0] += 0.015
    lengths = []
    for pause_s in (0.0, 0.01, 0.5):  # before, while all is still being played, behind a stall: which is not filled
        clock[0] += pause_s
        told = wire.audio_delta(("r", "i"), PIECE)
        lengths.append([len(base64.b64decode(checked(one)["delta"])) / 48 for one in told])
    assert lengths == [[40.0], [40.0], [40.0]]
    wire.event("output_audio_buffer.cleared", response_id="r")
    clock[0] += 0.07  # 30 ms of silence since the last piece was played
    assert [len(base64.b64decode(checked(one)["delta"])) / 48 for one in wire.audio_delta(("r", "i"), PIECE)] == [30.0, 40.0]
    wire.event("response.done", response=wire.response("r", "c", "completed", usage=USAGE))
    clock[0] += 0.05  # and 10 ms since that one was
    assert [len(base64.b64decode(checked(one)["delta"])) / 48 for one in wire.audio_delta(("r", "i"), PIECE)] == [10.0, 40.0]
    wire.event("output_audio_buffer.cleared", response_id="r")
    clock[0] += 0.5  # so late that a listener has heard nothing: that is not made up
    assert [len(base64.b64decode(checked(one)["delta"])) / 48 for one in wire.audio_delta(("r", "i"), PIECE)] == [40.0]


def test_nothing_stands_in_for_a_response_that_stalls() -> None:
    wire, counts = started(), {}
    at = {
        0.05: lambda sent: wire.audio_delta(("r", "i"), PIECE),
        0.10: lambda sent: counts.update(stalled=len(sent)),
        0.20: lambda sent: (counts.update(still=len(sent)), wire.event("output_audio_buffer.cleared", response_id="r")),
    }
    sent = pieces(wire, 0.35, at=at)
    assert counts["still"] == counts["stalled"]
    assert len(sent) > counts["still"]


def test_nothing_goes_out_before_the_session_is_started() -> None:
    assert pieces(OpenAILive("t"), 0.06, at={}) == []


@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["session.start", "session.input_audio.append", "session.close", "x"]) | st.none()},
            optional={
                "session": st.dictionaries(st.sampled_from(["model", "audio"]), st.text(max_size=3)),
                "audio": st.text(max_size=5) | st.none(),
            },
        ).map(json.dumps)
        | st.text(max_size=20)
        | st.binary(max_size=20),
        max_size=4,
    )
)
def test_whatever_a_client_sends_is_taken(messages: list[str | bytes]) -> None:
    wire = OpenAILive("t")
    for message in messages:
        for one in wire.received(message):
            assert isinstance(one, Sound | Asked | Refused | Answer | Tuned | Bye)
