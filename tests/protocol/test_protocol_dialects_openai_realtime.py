"""Client messages against the official types; endpoints and headers."""

import base64
import inspect
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_official import BETA_CLIENT, GA_CLIENT

from protocol import DIALECTS, Dialect, SessionSettings
from protocol.dialects.openai_realtime import OpenAIRealtime, OpenAIRealtimeBeta
from protocol.events import Committed

GA, BETA = OpenAIRealtime(), OpenAIRealtimeBeta()
BOTH = pytest.mark.parametrize(("dialect", "official"), [(GA, GA_CLIENT), (BETA, BETA_CLIENT)], ids=["ga", "beta"])
BARE = SessionSettings(transcription_model=None, vad_threshold=None, prefix_padding_ms=None, silence_duration_ms=None)
FULL = SessionSettings(
    model="gpt-realtime-mini",
    instructions='Say "hello"\n',
    voice="marin",
    transcription_model="gpt-4o-mini-transcribe",
    vad_threshold=0.4,
    prefix_padding_ms=200,
    silence_duration_ms=350,
    create_response=False,
    interrupt_response=False,
)


def test_the_registry_holds_both_under_their_names():
    assert (DIALECTS["openai-realtime"], DIALECTS["openai-realtime-beta"]) == (OpenAIRealtime, OpenAIRealtimeBeta)
    assert all(make.name == name for name, make in DIALECTS.items())
    assert (GA.input_rate, BETA.output_rate) == (24_000, 24_000)


@pytest.mark.parametrize("dialect", [GA, BETA])
def test_the_dialect_protocol_is_met_argument_by_argument(dialect):
    for name, wanted in inspect.getmembers(Dialect, inspect.isfunction):
        if not name.startswith("_"):
            assert list(inspect.signature(getattr(type(dialect), name)).parameters) == list(inspect.signature(wanted).parameters), name


@BOTH
@pytest.mark.parametrize("settings", [SessionSettings(), BARE, FULL], ids=["default", "bare", "full"])
def test_session_update_is_what_the_official_types_want(dialect, official, settings):
    (raw,) = dialect.configure(settings)
    assert official.validate_json(raw).type == "session.update"


def test_ga_settings_go_where_they_belong():
    pcm = {"type": "audio/pcm", "rate": 24000}
    assert json.loads(GA.configure(FULL)[0])["session"] == {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": 'Say "hello"\n',
        "audio": {
            "input": {
                "format": pcm,
                "transcription": {"model": "gpt-4o-mini-transcribe"},
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.4,
                    "prefix_padding_ms": 200,
                    "silence_duration_ms": 350,
                    "create_response": False,
                    "interrupt_response": False,
                },
            },
            "output": {"format": pcm, "voice": "marin"},
        },
    }


def test_beta_settings_are_flat():
    assert json.loads(BETA.configure(FULL)[0])["session"] == {
        "modalities": ["audio", "text"],
        "instructions": 'Say "hello"\n',
        "voice": "marin",
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": {"model": "gpt-4o-mini-transcribe"},
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.4,
            "prefix_padding_ms": 200,
            "silence_duration_ms": 350,
            "create_response": False,
            "interrupt_response": False,
        },
    }


def test_a_setting_that_is_none_is_not_mentioned():
    vad = {"type": "server_vad", "create_response": True, "interrupt_response": True}
    pcm = {"type": "audio/pcm", "rate": 24000}
    assert json.loads(GA.configure(BARE)[0])["session"] == {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {"input": {"format": pcm, "turn_detection": vad}, "output": {"format": pcm}},
    }
    assert json.loads(BETA.configure(BARE)[0])["session"] == {
        "modalities": ["audio", "text"],
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "turn_detection": vad,
    }


@BOTH
def test_small_messages_are_what_the_official_types_want(dialect, official):
    sent = {
        dialect.cancel(None): {"type": "response.cancel"},
        dialect.cancel('r"1'): {"type": "response.cancel", "response_id": 'r"1'},
        dialect.truncate("item_1", 2, 1480): {
            "type": "conversation.item.truncate",
            "item_id": "item_1",
            "content_index": 2,
            "audio_end_ms": 1480,
        },
        dialect.commit(): {"type": "input_audio_buffer.commit"},
        dialect.clear(): {"type": "input_audio_buffer.clear"},
        dialect.create_response(): {"type": "response.create"},
    }
    for raw, wanted in sent.items():
        assert json.loads(raw) == wanted
        assert official.validate_json(raw).type == wanted["type"]


@given(st.binary(max_size=200).filter(lambda pcm: len(pcm) % 2 == 0))
def test_append_carries_the_audio(pcm):
    for dialect, official in ((GA, GA_CLIENT), (BETA, BETA_CLIENT)):
        raw = dialect.append(pcm)
        event = official.validate_json(raw)
        assert event.type == "input_audio_buffer.append"
        assert base64.b64decode(event.audio, validate=True) == pcm
        assert raw == dialect.append(bytes(pcm))


def test_append_refuses_half_a_sample():
    with pytest.raises(ValueError, match="3 bytes are no whole PCM16 samples"):
        GA.append(b"abc")


@pytest.mark.parametrize(
    ("base", "model", "url"),
    [
        ("https://api.openai.com", None, "wss://api.openai.com/v1/realtime?model=gpt-realtime"),
        ("https://api.openai.com/", "m", "wss://api.openai.com/v1/realtime?model=m"),
        ("https://api.openai.com/v1", None, "wss://api.openai.com/v1/realtime?model=gpt-realtime"),
        ("https://api.openai.com/v1/", None, "wss://api.openai.com/v1/realtime?model=gpt-realtime"),
        ("wss://api.openai.com/v1/realtime", None, "wss://api.openai.com/v1/realtime?model=gpt-realtime"),
        ("wss://api.openai.com/v1/realtime/", "m", "wss://api.openai.com/v1/realtime?model=m"),
        ("http://127.0.0.1:8000", None, "ws://127.0.0.1:8000/v1/realtime?model=gpt-realtime"),
        ("ws://[::1]:8000/voice", None, "ws://[::1]:8000/voice/v1/realtime?model=gpt-realtime"),
        ("HTTP://host/openai/v1", "m", "ws://host/openai/v1/realtime?model=m"),
        ("https://host/v12", "m", "wss://host/v12/v1/realtime?model=m"),
        ("https://host/v1?region=eu&model=old", "new", "wss://host/v1/realtime?region=eu&model=new"),
        ("https://host/v1?model=old&debug=", None, "wss://host/v1/realtime?model=old&debug="),
        ("https://host#part", "a b&c", "wss://host/v1/realtime?model=a+b%26c"),
    ],
)
def test_endpoint(base, model, url):
    assert GA.endpoint(base, model) == BETA.endpoint(base, model) == url


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("ftp://host", "its scheme is 'ftp'"),
        ("host:8000", "its scheme is 'host'"),
        ("127.0.0.1:8000", "must begin with"),
        ("", "must begin with"),
        ("/v1/realtime", "must begin with"),
        ("https://", "no host"),
        ("wss:///v1", "no host"),
        ("http://[::1", "Invalid IPv6"),
    ],
)
def test_endpoint_refuses(base, told):
    with pytest.raises(ValueError, match=told.replace("[", r"\[")):
        GA.endpoint(base, None)


def test_headers():
    assert GA.headers(None) == {}
    assert GA.headers("ek_1") == {"Authorization": "Bearer ek_1"}
    assert BETA.headers(None) == {"OpenAI-Beta": "realtime=v1"}
    assert BETA.headers("ek_1") == {"Authorization": "Bearer ek_1", "OpenAI-Beta": "realtime=v1"}
    assert GA.subprotocols() == BETA.subprotocols() == []


@pytest.mark.parametrize("secret", ["", "ek_1\n", "ek_1\r\nX-Evil: 1", "ek_\u00e9", "\0"])
def test_a_secret_that_no_header_can_carry_is_refused_unshown(secret):
    with pytest.raises(ValueError, match="secret is empty or") as caught:
        GA.headers(secret)
    assert "ek_" not in str(caught.value)


@pytest.mark.parametrize("dialect", [GA, BETA])
def test_decode_is_the_shared_decoder(dialect):
    assert dialect.decode(b'{"type":"input_audio_buffer.committed","item_id":"i"}') == Committed("i")
