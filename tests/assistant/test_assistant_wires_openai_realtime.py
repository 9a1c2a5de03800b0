"""Events as text: valid by the official types, in both dialects."""

from __future__ import annotations

import json

import pytest
from assistant_harness import BETA, GA
from hypothesis import given
from hypothesis import strategies as st

from assistant.items import heard_part, message_item, spoken_part
from assistant.usage import Usage
from assistant.wires.openai_realtime import OpenAIRealtime

IDS = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
USAGE = Usage.of(history_words=100, heard_s=3.0, words=12, spoken_s=4.0)


@pytest.mark.parametrize("beta", [False, True])
def test_events_are_valid(beta: bool) -> None:
    wire, union = OpenAIRealtime("t", beta=beta), BETA if beta else GA
    item = message_item("item_1", "assistant", "completed", [spoken_part("Hello")])
    user = message_item("item_0", "user", "completed", [heard_part("Hi")])
    failed = {"type": "failed", "error": {"type": "server_error", "code": "x", "message": "y"}}
    events = [
        wire.error("no", code="invalid_value", param="audio", event_id="e1"),
        wire.event("conversation.item.added", previous_item_id=None, item=user),
        wire.event("response.created", response=wire.response("resp_1", "conv_1", "in_progress")),
        wire.event("response.output_item.done", response_id="resp_1", output_index=0, item=wire.item(item)),
        wire.event("response.output_audio.done", **IDS),
        wire.event("response.output_audio_transcript.done", **IDS, transcript="Hello"),
        wire.event("response.done", response=wire.response("resp_1", "conv_1", "failed", details=failed, output=[item], usage=USAGE)),
        wire.rate_limits(1, 500),
    ]
    for text in events:
        assert text is not None
        union.validate_json(text)
    assert len({json.loads(text)["event_id"] for text in events if text}) == len(events)


@pytest.mark.parametrize(
    ("kind", "beta", "name"),
    [
        ("response.output_audio.delta", False, "response.output_audio.delta"),
        ("response.output_audio.delta", True, "response.audio.delta"),
        ("response.output_audio_transcript.delta", True, "response.audio_transcript.delta"),
    ],
)
def test_deltas_are_concatenated_right(kind: str, beta: bool, name: str) -> None:
    wire = OpenAIRealtime("t", beta=beta)
    frame = wire.delta_frame(kind, "resp_1", "item_1")
    event = (BETA if beta else GA).validate_json(wire.audio_delta(frame, "AAAA"))
    assert (event.type, event.delta, event.response_id, event.item_id) == (name, "AAAA", "resp_1", "item_1")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_text_deltas_carry_any_text(text: str) -> None:
    wire = OpenAIRealtime("t", beta=False)
    frame = wire.delta_frame("response.output_audio_transcript.delta", "resp_1", "item_1")
    assert json.loads(wire.text_delta(frame, text))["delta"] == text


def test_the_beta_has_one_event_for_a_new_item() -> None:
    wire = OpenAIRealtime("t", beta=True)
    assert wire.event("conversation.item.done", item={}) is None
    assert json.loads(wire.event("conversation.item.added", item={}) or "")["type"] == "conversation.item.created"
    item = message_item("item_1", "assistant", "completed", [spoken_part("Hello")])
    assert wire.item(item)["content"] == [{"type": "audio", "transcript": "Hello"}]


def test_usage_adds_up() -> None:
    usage = USAGE.as_dict()
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_token_details"]["audio_tokens"] == 30
    assert usage["output_token_details"] == {"text_tokens": 16, "audio_tokens": 80}
    assert usage["input_token_details"]["cached_tokens"] <= usage["input_tokens"]


def test_rate_limits_count_down() -> None:
    event = json.loads(OpenAIRealtime("t", beta=False).rate_limits(1, 400) or "")
    assert [(limit["name"], limit["remaining"]) for limit in event["rate_limits"]] == [("requests", 4999), ("tokens", 399_600)]
