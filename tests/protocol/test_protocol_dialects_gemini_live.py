"""Gemini Live: what is said, in the vendor's words, and what comes of what is heard. The vendor's own types check both in tests/interop."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rubbish import rubbish

from protocol import Encoding, MalformedMessage, Opcode, SessionSettings, filled, find, found, make
from protocol.dialects.gemini_live import GeminiLive
from protocol.events import (
    AssistantError,
    AudioDelta,
    AudioDone,
    Cleared,
    Event,
    Ignored,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
    Unknown,
)

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
AUDIO = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAABAAIA"}}
USAGE = {
    "promptTokenCount": 40,
    "responseTokenCount": 60,
    "totalTokenCount": 100,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}, {"modality": "AUDIO", "tokenCount": 30}],
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 55}],
}
TOKENS = {
    "input_tokens": 40,
    "output_tokens": 60,
    "total_tokens": 100,
    "input_token_details": {"audio_tokens": 30, "cached_tokens": None},
    "output_token_details": {"audio_tokens": 55},
}


def content(**fields: Any) -> dict[str, Any]:
    return {"serverContent": fields}


def speaks(*parts: dict[str, Any]) -> dict[str, Any]:
    return content(modelTurn={"parts": list(parts)})


def events(wire: GeminiLive, *messages: dict[str, Any]) -> list[Event]:
    return [event for message in messages for event in wire.decode_binary(json.dumps(message).encode())]


def delta(identity: str) -> AudioDelta:
    return AudioDelta(identity, None, 0, 3, "AAABAAIA")


def test_it_is_found_by_its_name() -> None:
    assert find("gemini-live") is GeminiLive
    wire = GeminiLive()
    assert (wire.input_rate, wire.output_rate, wire.input_encoding, wire.output_encoding) == (16_000, 24_000, *[Encoding.PCM16] * 2)
    assert (wire.audio_opcode, wire.flushes, wire.by_ear) == (Opcode.TEXT, False, False)


@pytest.mark.parametrize(
    ("base", "options", "url"),
    [
        ("https://generativelanguage.googleapis.com", {}, f"wss://generativelanguage.googleapis.com{PATH}"),
        ("http://h:1/x/", {}, f"ws://h:1/x{PATH}"),
        ("http://h", {"api_version": "v1alpha"}, f"ws://h{PATH.replace('v1beta', 'v1alpha')}"),
        (f"wss://h{PATH}?key=k", {}, f"wss://h{PATH}?key=k"),
    ],
)
def test_the_address_is_the_services(base: str, options: dict[str, Any], url: str) -> None:
    assert make(GeminiLive, options).endpoint(base, "not told here") == url


def test_the_key_has_a_header_of_googles() -> None:
    assert GeminiLive().headers("k") == {"x-goog-api-key": "k"}
    assert GeminiLive().headers(None) == {}
    with pytest.raises(ValueError, match="header cannot carry"):
        GeminiLive().headers("k\n")


def test_an_ephemeral_token_has_another_address_and_header() -> None:
    recipe = GeminiLive.recipe
    assert recipe is not None
    request = filled(recipe, {"KEY": "k"})
    assert (request.method, request.url, request.headers, request.body) == (
        "POST",
        "/v1alpha/auth_tokens",
        {"x-goog-api-key": "k"},
        b'{"uses":1}',
    )
    grant = found(recipe, b'{"name":"auth_tokens/abc"}', 0.0, {"KEY": "k"})
    assert grant.url == "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained"
    assert grant.headers == {"Authorization": "Token auth_tokens/abc"}


def test_setup_says_what_the_settings_say() -> None:
    settings = SessionSettings(model="m", instructions="Be brief.", voice="Puck", silence_duration_ms=250, interrupt_response=False)
    options = {"start_sensitivity": "high", "end_sensitivity": "low"}
    (message,) = make(GeminiLive, options).configure(settings)
    assert json.loads(message) == {
        "setup": {
            "model": "models/m",
            "generationConfig": {
                "responseModalities": ["AUDIO"],
                "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}},
            },
            "realtimeInputConfig": {
                "automaticActivityDetection": {
                    "silenceDurationMs": 250,
                    "startOfSpeechSensitivity": "START_SENSITIVITY_HIGH",
                    "endOfSpeechSensitivity": "END_SENSITIVITY_LOW",
                },
                "activityHandling": "NO_INTERRUPTION",
            },
            "inputAudioTranscription": {},
            "outputAudioTranscription": {},
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
        }
    }


def test_setup_leaves_out_what_is_not_asked_for() -> None:
    settings = SessionSettings(model="tunedModels/mine", transcription_model=None, silence_duration_ms=None)
    assert json.loads(GeminiLive().configure(settings)[0])["setup"] == {
        "model": "tunedModels/mine",
        "generationConfig": {"responseModalities": ["AUDIO"]},
        "realtimeInputConfig": {"automaticActivityDetection": {}, "activityHandling": "START_OF_ACTIVITY_INTERRUPTS"},
        "outputAudioTranscription": {},
    }
    assert json.loads(GeminiLive().configure(SessionSettings())[0])["setup"]["model"] == "models/gemini-3.8-live"


def test_audio_goes_as_realtime_input() -> None:
    assert json.loads(GeminiLive().append(b"\0\0\1\0")) == {
        "realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": "AAABAA=="}}
    }


def test_a_sensitivity_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="end_sensitivity of gemini-live must be low, high or empty, not 'odd'"):
        make(GeminiLive, {"end_sensitivity": "odd"})


def test_a_session_is_ready_with_setup_complete() -> None:
    setup = {"sessionId": "s"}
    assert events(GeminiLive(), {"setupComplete": setup}) == [SessionCreated("s", setup), SessionUpdated(setup)]
    assert events(GeminiLive(), {"setupComplete": {}}) == [SessionCreated(None, {}), SessionUpdated({})]


def test_a_turn_of_the_model_is_a_response() -> None:
    wire = GeminiLive()
    told = events(
        wire,
        content(inputTranscription={"text": " What"}),
        content(inputTranscription={"text": " time?"}),
        content(outputTranscription={"text": "It is"}),
        speaks(AUDIO, AUDIO),
        content(generationComplete=True),
        {**content(turnComplete=True), "usageMetadata": USAGE},
        speaks(AUDIO),
    )
    assert [event for event in told if not isinstance(event, Ignored)] == [
        Transcribed(None, "What"),
        Transcribed(None, " time?", goes_on=True),
        TextDelta("r1", None, "It is"),
        delta("r1"),
        delta("r1"),
        AudioDone("r1", None),
        ResponseDone("r1", "completed", None, TOKENS),
        delta("r2"),
    ]


def test_one_message_may_say_all_of_it() -> None:
    whole = content(outputTranscription={"text": "Hi"}, modelTurn={"parts": [AUDIO]}, generationComplete=True, turnComplete=True)
    assert events(GeminiLive(), whole) == [
        TextDelta("r1", None, "Hi"),
        delta("r1"),
        AudioDone("r1", None),
        ResponseDone("r1", "completed", None, None),
    ]


def test_an_interruption_empties_the_speaker_and_the_turn_is_cancelled() -> None:
    wire = GeminiLive()
    told = events(wire, speaks(AUDIO), content(interrupted=True), {**content(turnComplete=True), "usageMetadata": USAGE})
    assert told == [delta("r1"), Cleared(), ResponseDone("r1", "cancelled", "turn_detected", TOKENS), Ignored("usageMetadata")]


def test_words_of_the_interrupter_are_kept_for_its_own_turn() -> None:
    wire = GeminiLive()
    told = events(
        wire,
        speaks(AUDIO),
        content(interrupted=True, inputTranscription={"text": "No, "}),
        content(turnComplete=True),
        content(inputTranscription={"text": "the other"}),
        speaks(AUDIO),
    )
    assert [event for event in told if not isinstance(event, Ignored)] == [
        delta("r1"),
        Cleared(),
        Transcribed(None, "No, "),
        ResponseDone("r1", "cancelled", "turn_detected", None),
        Transcribed(None, "the other", goes_on=True),
        delta("r2"),
    ]


def test_what_comes_after_an_interruption_without_its_end_is_another_turn() -> None:
    told = events(GeminiLive(), speaks(AUDIO), content(interrupted=True), speaks(AUDIO))
    assert told == [delta("r1"), Cleared(), ResponseDone("r1", "cancelled", "turn_detected", None), delta("r2")]


def test_what_was_generated_already_is_dropped_all_the_same() -> None:
    wire = GeminiLive()
    told = events(wire, speaks(AUDIO), content(turnComplete=True), content(interrupted=True), speaks(AUDIO), speaks(AUDIO))
    assert told == [delta("r1"), ResponseDone("r1", "completed", None, None), Cleared(), delta("r2"), delta("r2")]


def test_usage_is_that_of_its_own_turn() -> None:
    first = {**content(turnComplete=True), "usageMetadata": USAGE}
    told = events(GeminiLive(), speaks(AUDIO), first, speaks(AUDIO), content(turnComplete=True))
    assert [event.usage for event in told if isinstance(event, ResponseDone)] == [TOKENS, None]


def test_a_transcript_may_be_finished_by_word() -> None:
    said, ends = content(inputTranscription={"text": " Yes."}), content(inputTranscription={"finished": True})
    assert events(GeminiLive(), content(inputTranscription={"text": "Yes.", "finished": True})) == [Transcribed(None, "Yes.")]
    assert events(GeminiLive(), said, ends, said) == [
        Transcribed(None, "Yes."),
        Transcribed(None, "", goes_on=True),
        Transcribed(None, "Yes."),
    ]
    assert events(GeminiLive(), ends, content(inputTranscription={"text": " "})) == [Ignored("serverContent")] * 2


@pytest.mark.parametrize("ends", [content(turnComplete=True), content(interrupted=True)])
def test_words_that_come_behind_the_answer_are_told_when_they_come(ends: dict[str, Any]) -> None:
    said = content(inputTranscription={"text": " Well"})
    told = events(GeminiLive(), said, speaks(AUDIO), said, ends, said)
    words = [event for event in told if isinstance(event, Transcribed)]
    assert words == [Transcribed(None, "Well"), Transcribed(None, " Well", goes_on=True), Transcribed(None, "Well")]


@pytest.mark.parametrize(
    ("before", "reason", "status"),
    [
        ([AUDIO], "NEED_MORE_INPUT", "completed"),
        ([AUDIO], "GENERATED_AUDIO_SAFETY", "incomplete"),
        ([AUDIO], "RESPONSE_REJECTED", "failed"),
        ([], "RESPONSE_REJECTED", "failed"),
        ([], "PROHIBITED_INPUT_CONTENT", "incomplete"),
    ],
)
def test_why_a_turn_is_complete(before: list[dict[str, Any]], reason: str, status: str) -> None:
    told = events(GeminiLive(), *[speaks(part) for part in before], content(turnComplete=True, turnCompleteReason=reason))
    why = None if status == "completed" else reason.lower()
    assert told[-1] == ResponseDone("r1", status, why, None)


def test_a_turn_of_which_nothing_comes_is_none() -> None:
    assert events(GeminiLive(), content(turnComplete=True)) == [Ignored("serverContent")]
    assert events(GeminiLive(), content(turnComplete=True, turnCompleteReason="NEED_MORE_INPUT")) == [Ignored("serverContent")]


def test_text_is_told_but_thoughts_are_not() -> None:
    told = events(GeminiLive(), speaks({"text": "hm", "thought": True}, {"text": "Hello"}))
    assert told == [TextDelta("r1", None, "Hello")]


def test_voice_activity_has_its_place_in_the_audio() -> None:
    start = {"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "1.25s"}}
    end = {"voiceActivity": {"type": "ACTIVITY_END"}}
    odd = {"voiceActivity": {"type": "TYPE_UNSPECIFIED"}}
    assert events(GeminiLive(), start, end, odd) == [SpeechStarted(None, 1250), SpeechStopped(None, None), Ignored("voiceActivity")]


@pytest.mark.parametrize("name", ["goAway", "sessionResumptionUpdate", "toolCall", "toolCallCancellation"])
def test_what_is_known_and_not_measured(name: str) -> None:
    assert events(GeminiLive(), {name: {}}) == [Ignored(name)]


def test_what_is_not_known() -> None:
    assert events(GeminiLive(), {"brandNew": 1}) == [Unknown("brandNew")]
    assert events(GeminiLive(), {}) == []
    assert events(GeminiLive(), {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "no"}}) == [
        AssistantError("INVALID_ARGUMENT", "no")
    ]
    assert events(GeminiLive(), speaks({"inlineData": {"mimeType": "image/png", "data": "AAAA"}})) == [Ignored("image/png")]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"x", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (json.dumps({"serverContent": 1}).encode(), "serverContent must be an object, not int"),
        (json.dumps(speaks({"inlineData": {"data": "AAA"}})).encode(), "3 characters is not base64"),
        (json.dumps(speaks({"inlineData": {"data": "AA=="}})).encode(), "1 bytes of audio are no whole pcm16 samples"),
        (json.dumps(speaks({"inlineData": {"mimeType": "audio/pcm;rate=16000", "data": "AAAA"}})).encode(), "where the API has 24000 Hz"),
        (json.dumps(content(modelTurn={"parts": ["x"]})).encode(), "a part is no object"),
        (json.dumps({"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "soon"}}).encode(), "no duration"),
    ],
)
def test_malformed_messages_say_what_is_wrong(message: bytes, why: str) -> None:
    with pytest.raises(MalformedMessage, match=why):
        GeminiLive().decode(message)


TRUE: list[Any] = [
    {"setupComplete": {"sessionId": "s"}},
    {
        **content(
            interrupted=True,
            inputTranscription={"text": "a", "finished": False},
            outputTranscription={"text": "b"},
            modelTurn={"parts": [AUDIO, {"text": "c", "thought": False}]},
            generationComplete=True,
            turnComplete=True,
            turnCompleteReason="BLOCKLIST",
        ),
        "usageMetadata": USAGE,
    },
    {"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "1s"}},
    {"goAway": {"timeLeft": "10s"}},
    {"error": {"code": 1, "status": "S", "message": "m"}},
]


@given(st.lists(rubbish(TRUE), max_size=6))
def test_rubbish_is_malformed_or_told(messages: list[bytes]) -> None:
    wire = GeminiLive()
    for message in messages:
        try:
            assert all(isinstance(event, Event) for event in wire.decode_binary(message))
        except MalformedMessage as error:
            assert len(str(error)) < 200
