"""Server messages: every type of the official unions, a whole spoken turn, and what must be refused."""

import base64
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_official import BETA_SERVER, BETA_SERVER_TYPES, GA_SERVER, GA_SERVER_TYPES

from protocol.dialect import MalformedMessage
from protocol.events import (
    AssistantError,
    AudioDelta,
    AudioDone,
    Committed,
    Event,
    Ignored,
    RateLimits,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
    Truncated,
    Unknown,
)
from protocol.fields import LONGEST_UNKNOWN_TYPE
from protocol.openai_decode import decode

HERE = Path(__file__).parent


def lines(name: str) -> list[bytes]:
    return (HERE / name).read_bytes().splitlines()


def by_type(name: str) -> dict[str, bytes]:
    return {json.loads(line)["type"]: line for line in lines(name)}


GA = by_type("openai_ga_examples.jsonl")
BETA = {kind: GA[kind] for kind in GA if kind in BETA_SERVER_TYPES} | by_type("openai_beta_examples.jsonl")

TEXT = TextDelta("resp_1", "item_a", "It is")
AUDIO = AudioDelta("resp_1", "item_a", 0, 3, "AAABAP//")
USAGE = {"total_tokens": 253, "input_tokens": 132, "output_tokens": 121}
SPEAKS: dict[str, Event] = {
    "session.updated": SessionUpdated({"type": "realtime", "id": "sess_1", "instructions": "Be brief."}),
    "input_audio_buffer.speech_started": SpeechStarted("item_u", 940),
    "input_audio_buffer.speech_stopped": SpeechStopped("item_u", 2780),
    "input_audio_buffer.committed": Committed("item_u"),
    "conversation.item.truncated": Truncated("item_a", 1500),
    "conversation.item.input_audio_transcription.completed": Transcribed("item_u", "What time is it?"),
    "conversation.item.input_audio_transcription.failed": Transcribed("item_u", None),
    "response.created": ResponseCreated("resp_1"),
    "response.output_audio.delta": AUDIO,
    "response.output_audio.done": AudioDone("resp_1", "item_a"),
    "response.output_audio_transcript.delta": TEXT,
    "response.output_text.delta": TEXT,
    "response.done": ResponseDone("resp_1", "completed", None, USAGE),
    "rate_limits.updated": RateLimits(
        (
            {"name": "requests", "limit": 1000, "remaining": 999, "reset_seconds": 60.0},
            {"name": "tokens", "limit": 50000, "remaining": 49950, "reset_seconds": 0.06},
        )
    ),
    "error": AssistantError("conversation_already_has_active_response", "Conversation already has an active response.", False),
}
SPEAKS_BETA: dict[str, Event] = {
    **SPEAKS,
    "session.updated": SessionUpdated({"id": "sess_1", "instructions": "Be brief."}),
    "response.audio.delta": AUDIO,
    "response.audio.done": AudioDone("resp_1", "item_a"),
    "response.audio_transcript.delta": TEXT,
    "response.text.delta": TEXT,
}


def test_the_examples_cover_the_official_unions():
    assert set(GA) == GA_SERVER_TYPES
    assert set(BETA) == BETA_SERVER_TYPES
    assert (len(GA), len(BETA)) == (46, 34)


@pytest.mark.parametrize(
    ("kind", "line", "official", "expected"),
    [
        *((kind, line, GA_SERVER, SPEAKS.get(kind, Ignored(kind))) for kind, line in GA.items()),
        *((kind, line, BETA_SERVER, SPEAKS_BETA.get(kind, Ignored(kind))) for kind, line in BETA.items()),
    ],
)
def test_every_official_type_is_known(kind, line, official, expected):
    official.validate_json(line)
    event = decode(line)
    if kind == "session.created":
        assert event == SessionCreated("sess_1", json.loads(line)["session"])
    else:
        assert event == expected


def turn(session: SessionCreated, updated: SessionUpdated) -> list[Event]:
    """A question, an answer that the talker interrupts, and a cancel that comes too late."""
    return [
        session,
        updated,
        SpeechStarted("item_u1", 940),
        SpeechStopped("item_u1", 2780),
        Committed("item_u1"),
        ResponseCreated("resp_1"),
        TextDelta("resp_1", "item_a1", "It is noon"),
        AudioDelta("resp_1", "item_a1", 0, 3, "AAABAP//"),
        Transcribed("item_u1", "What time is it?"),
        AudioDelta("resp_1", "item_a1", 0, 2, "AgADAA=="),
        TextDelta("resp_1", "item_a1", " in Oslo."),
        SpeechStarted("item_u2", 4100),
        AudioDone("resp_1", "item_a1"),
        ResponseDone("resp_1", "cancelled", "turn_detected", USAGE),
        RateLimits(({"name": "tokens", "limit": 50000, "remaining": 49950, "reset_seconds": 0.06},)),
        Truncated("item_a1", 1),
        AssistantError("response_cancel_not_active", "Cancellation failed: no active response found", benign=True),
    ]


@pytest.mark.parametrize(
    ("file", "official", "model", "also"),
    [
        ("openai_ga_turn.jsonl", GA_SERVER, "gpt-realtime", {"type": "realtime"}),
        ("openai_beta_turn.jsonl", BETA_SERVER, "gpt-4o-realtime-preview", {}),
    ],
)
def test_a_spoken_turn_reads_the_same_in_both_families(file, official, model, also):
    for line in lines(file):
        official.validate_json(line)
    events = [event for event in map(decode, lines(file)) if not isinstance(event, Ignored)]
    session = {"id": "sess_1", "object": "realtime.session", "model": model, **also}
    modalities = {"output_modalities": ["audio"]} if also else {"modalities": ["audio", "text"]}
    assert events == turn(SessionCreated("sess_1", session), SessionUpdated({**session, **modalities}))
    assert [event.audio() for event in events if isinstance(event, AudioDelta)] == [b"\0\0\1\0\xff\xff", b"\2\0\3\0"]


def message(kind: str, **fields: object) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()


def delta(**fields: object) -> bytes:
    whole = {"response_id": "r", "item_id": "i", "content_index": 0, "delta": "AAA="}
    return message("response.output_audio.delta", **{**whole, **fields})


def done(**response: object) -> bytes:
    return message("response.done", response={"id": "r", "status": "failed", **response})


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"type":"error"} trailing', "not JSON"),
        (b'{"type":"\xff"}', "not JSON"),
        (b'{"type":NaN}', "not JSON"),
        (b'{"type":"a' + b"\0" + b'"}', "not JSON"),
        (b"[" * 5000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b'"session.created"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "message: type is missing; it must be a string"),
        (b'{"type":null}', "message: type is missing"),
        (b'{"type":7}', "message: type must be a string, not int"),
        (b'{"type":["error"]}', "message: type must be a string, not list"),
        (message("session.created"), "session.created: session is missing; it must be an object"),
        (message("session.created", session={"id": 5}), "session.created: session.id must be a string, not int"),
        (message("session.updated", session="s"), "session.updated: session must be an object, not str"),
        (
            message("input_audio_buffer.speech_started", item_id="i"),
            "input_audio_buffer.speech_started: audio_start_ms is missing; it must be a whole number",
        ),
        (
            message("input_audio_buffer.speech_started", item_id="i", audio_start_ms=True),
            "input_audio_buffer.speech_started: audio_start_ms must be a whole number, not bool",
        ),
        (
            message("input_audio_buffer.speech_stopped", item_id="i", audio_end_ms=1.5),
            "input_audio_buffer.speech_stopped: audio_end_ms must be a whole number, not float",
        ),
        (
            message("input_audio_buffer.speech_stopped", audio_end_ms=1),
            "input_audio_buffer.speech_stopped: item_id is missing",
        ),
        (message("input_audio_buffer.committed", item_id=None), "input_audio_buffer.committed: item_id is missing"),
        (
            message("conversation.item.input_audio_transcription.completed", item_id="i"),
            "conversation.item.input_audio_transcription.completed: transcript is missing",
        ),
        (
            message("conversation.item.input_audio_transcription.failed"),
            "conversation.item.input_audio_transcription.failed: item_id is missing",
        ),
        (message("conversation.item.truncated", item_id="i"), "conversation.item.truncated: audio_end_ms is missing"),
        (message("response.created", response=[]), "response.created: response must be an object, not list"),
        (message("response.created", response={"id": 1}), "response.created: response.id must be a string, not int"),
        (
            message("response.text.delta", response_id="r", item_id="i", delta=None),
            "response.text.delta: delta is missing",
        ),
        (message("response.audio.done", response_id="r"), "response.audio.done: item_id is missing"),
        (delta(delta=None), "response.output_audio.delta: delta is missing"),
        (delta(delta=[]), "response.output_audio.delta: delta must be a string, not list"),
        (delta(response_id=None), "response.output_audio.delta: response_id is missing"),
        (delta(item_id=0), "response.output_audio.delta: item_id must be a string, not int"),
        (delta(content_index="0"), "response.output_audio.delta: content_index must be a whole number, not str"),
        (delta(delta="AAA"), "response.output_audio.delta: delta of 3 characters is not padded base64"),
        (delta(delta="AA=="), "response.output_audio.delta: delta holds 1 bytes"),
        (delta(delta="AAAA"), "response.output_audio.delta: delta holds 3 bytes"),
        (message("response.done"), "response.done: response is missing"),
        (done(status=None), "response.done: response.status is missing"),
        (done(status="in_progress"), "response.status must be one of cancelled, completed, failed, incomplete"),
        (done(status_details="x"), "response.done: response.status_details must be an object, not str"),
        (done(status_details={"reason": 1}), "response.status_details.reason must be a string, not int"),
        (done(status_details={"error": "x"}), "response.status_details.error must be an object, not str"),
        (done(status_details={"error": {"code": 1}}), "response.status_details.error.code must be a string, not int"),
        (done(usage=[]), "response.done: response.usage must be an object, not list"),
        (message("rate_limits.updated"), "rate_limits.updated: rate_limits is missing; it must be an array"),
        (message("rate_limits.updated", rate_limits=[{}, 3]), "rate_limits[1] must be an object, not int"),
        (message("error", error="boom"), "error: error must be an object, not str"),
        (message("error", error={"code": "c"}), "error: error.message is missing"),
        (message("error", error={"code": 4, "message": "m"}), "error: error.code must be a string, not int"),
    ],
)
def test_what_the_wire_does_not_allow_is_named(raw, told):
    with pytest.raises(MalformedMessage) as caught:
        decode(raw)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("response", "reason", "usage"),
    [
        ({"status": "completed", "status_details": {"reason": "ignored"}}, None, None),
        ({"status": "completed", "status_details": None, "usage": {"total_tokens": 4}}, None, {"total_tokens": 4}),
        ({"status": "cancelled", "status_details": {"reason": "client_cancelled"}}, "client_cancelled", None),
        ({"status": "incomplete", "status_details": {"reason": "max_output_tokens"}}, "max_output_tokens", None),
        ({"status": "failed", "status_details": {"error": {"code": "server_busy", "type": "t"}}}, "server_busy", None),
        (
            {"status": "failed", "status_details": {"error": {"code": None, "type": "server_error"}}},
            "server_error",
            None,
        ),
        ({"status": "failed", "status_details": {"error": {}}}, None, None),
        ({"status": "failed", "status_details": {}}, None, None),
        ({"status": "failed"}, None, None),
    ],
)
def test_why_a_response_ended(response, reason, usage):
    assert decode(message("response.done", response=response)) == ResponseDone(None, response["status"], reason, usage)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"type": "t", "code": "c", "message": "m"}, AssistantError("c", "m")),
        ({"type": "t", "code": None, "message": "m"}, AssistantError("t", "m")),
        ({"message": "m"}, AssistantError(None, "m")),
        (
            {"type": "response_cancel_not_active", "message": "m"},
            AssistantError("response_cancel_not_active", "m", True),
        ),
    ],
)
def test_errors_fall_back_from_code_to_type(error, expected):
    assert decode(message("error", error=error)) == expected


def test_a_session_may_come_without_an_id():
    assert decode(message("session.created", session={})) == SessionCreated(None, {})


def test_an_unheard_type_is_tolerated_and_cut():
    assert decode(message("response.hologram.delta", delta=1)) == Unknown("response.hologram.delta")
    assert decode(message("x" * 5000)) == Unknown("x" * LONGEST_UNKNOWN_TYPE)


@given(st.binary(max_size=400))
def test_samples_are_counted_from_the_length_alone(pcm):
    encoded = base64.b64encode(pcm).decode()
    if len(pcm) % 2:
        with pytest.raises(MalformedMessage, match=f"holds {len(pcm)} bytes"):
            decode(delta(delta=encoded))
    else:
        event = decode(delta(delta=encoded))
        assert (event.samples, event.audio()) == (len(pcm) // 2, pcm)


@given(st.text(alphabet="Aa0+/=", max_size=12))
def test_padding_counts_only_where_it_belongs(encoded):
    sound = re.fullmatch(r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", encoded)
    if len(encoded) % 4:
        with pytest.raises(MalformedMessage, match="not padded base64"):
            decode(delta(delta=encoded))
    elif sound and len(base64.b64decode(encoded)) % 2 == 0:
        assert decode(delta(delta=encoded)).samples == len(base64.b64decode(encoded)) // 2
    elif sound:
        with pytest.raises(MalformedMessage, match="no whole PCM16 samples"):
            decode(delta(delta=encoded))


def test_broken_base64_shows_when_the_audio_is_wanted():
    event = decode(delta(delta="A*A="))
    assert event.samples == 1
    with pytest.raises(ValueError, match="base64"):
        event.audio()


def test_audio_of_a_binary_wire_is_taken_as_it_is():
    assert AudioDelta(None, None, 0, 2, b"\1\0\2\0").audio() == b"\1\0\2\0"


KINDS = st.sampled_from(sorted(GA_SERVER_TYPES | BETA_SERVER_TYPES))
VALUES = st.sampled_from([None, True, 0, -1, 1.5, 2**63, "", "completed", "failed", "AAAA", [], [{}], [1], {}, {"id": 1}])
ERRORS = st.dictionaries(st.sampled_from(["code", "type", "message"]), VALUES)
INNER = st.dictionaries(st.sampled_from(["id", "status", "usage", "status_details", "message", "code"]), VALUES | ERRORS)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["item_id", "response_id", "content_index", "audio_start_ms", "audio_end_ms", "delta", "transcript"]
        + ["session", "response", "error", "rate_limits"]
    ),
    VALUES | INNER,
)


@given(KINDS, FIELDS)
def test_only_malformed_message_escapes(kind, fields):
    try:
        decode(message(kind, **fields))
    except MalformedMessage as fault:
        assert str(fault).startswith(f"{kind}: ")


@given(st.binary(max_size=60))
def test_only_malformed_message_escapes_from_noise(raw):
    try:
        event = decode(raw)
    except MalformedMessage:
        return
    assert isinstance(event, Unknown)
