"""Items of a conversation, answers cut to chunks, and what word errors do."""

from __future__ import annotations

import random
from base64 import b64decode
from typing import Any

import pytest

from assistant.answers import AnswerBook, prepare
from assistant.conversation import MAX_ITEMS, Conversation
from assistant.items import checked_item, message_item, spoken_part
from assistant.settings import RATE
from assistant.shapes import RefusedError
from assistant.turns import garbled
from audio import ClipKind, load_corpus


def item(item_id: str) -> dict[str, Any]:
    return message_item(item_id, "assistant", "completed", [spoken_part("Hello there")])


def order(conversation: Conversation) -> list[str]:
    return list(conversation._entries)


def test_items_keep_their_order() -> None:
    conversation = Conversation("conv_1")
    assert conversation.append(item("a")) is None
    assert conversation.append(item("b")) == "a"
    assert conversation.insert(item("c"), "a") == "a"
    assert conversation.insert(item("d"), "root") is None
    assert conversation.insert(item("e"), None) == "b"
    assert order(conversation) == ["d", "a", "c", "b", "e"]
    conversation.delete("e")
    assert conversation.last_id == "b"
    assert len(conversation) == 4


def test_old_items_are_forgotten() -> None:
    conversation = Conversation("conv_1")
    for number in range(MAX_ITEMS + 5):
        conversation.append(item(str(number)))
    assert len(conversation) == MAX_ITEMS


@pytest.mark.parametrize(
    ("action", "param"),
    [
        (lambda it: it.get("x"), "item_id"),
        (lambda it: it.get(None), "item_id"),
        (lambda it: it.delete("x"), "item_id"),
        (lambda it: it.insert(item("a"), None), "item.id"),
        (lambda it: it.insert(item("n"), "x"), "previous_item_id"),
        (lambda it: it.truncate("x", 0, 5), "item_id"),
        (lambda it: it.truncate("user", 0, 5), "item_id"),
        (lambda it: it.truncate("a", 1, 5), "content_index"),
        (lambda it: it.truncate("a", 0, "5"), "audio_end_ms"),
        (lambda it: it.truncate("a", 0, -1), "audio_end_ms"),
        (lambda it: it.truncate("a", 0, 1001), "audio_end_ms"),
    ],
)
def test_what_cannot_be_done(action: Any, param: str) -> None:
    conversation = Conversation("conv_1")
    conversation.append(item("a"), audio_ms=1000)
    conversation.append(message_item("user", "user", "completed", []))
    with pytest.raises(RefusedError) as error:
        action(conversation)
    assert error.value.param == param


def test_truncating_forgets_the_transcript() -> None:
    conversation = Conversation("conv_1")
    conversation.append(item("a"), audio_ms=1000)
    conversation.truncate("a", 0, 400)
    assert conversation.get("a").item["content"][0]["transcript"] == ""
    with pytest.raises(RefusedError):
        conversation.truncate("a", 0, 401)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        (None, "item"),
        ({"type": "message", "role": "user", "content": []}, "item.content"),
        ({"type": "message", "role": "robot", "content": [{}]}, "item.role"),
        ({"type": "message", "role": "user", "content": [{"type": "output_text"}]}, "item.content[0].type"),
        ({"type": "other"}, "item.type"),
        ({"type": "message", "id": 5}, "item.id"),
        ({"type": "function_call_output", "call_id": "c"}, "item.output"),
        ({"type": "mcp_approval_response", "approval_request_id": "a", "approve": "yes"}, "item.approve"),
    ],
)
def test_items_that_cannot_be_created(given: Any, param: str) -> None:
    with pytest.raises(RefusedError) as error:
        checked_item(given, "item_9")
    assert error.value.param == param


def test_a_created_item_is_completed() -> None:
    given = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AAAA", "transcript": "Hi"}]}
    made = checked_item(given, "item_9")
    assert made == message_item("item_9", "user", "completed", [{"type": "input_audio", "transcript": "Hi"}])


@pytest.mark.parametrize("chunk_ms", [20, 40, 100])
def test_an_answer_is_cut_without_loss(chunk_ms: int) -> None:
    for clip in load_corpus(rate=RATE).of(ClipKind.ANSWER)[:4]:
        answer = prepare(clip, RATE * chunk_ms // 1000)
        assert b"".join(map(b64decode, answer.chunks)) == clip.pcm.astype("<i2").tobytes()
        assert sum(answer.samples) == answer.total_samples == len(clip.pcm)
        assert set(answer.samples[:-1]) == {RATE * chunk_ms // 1000}
        said = answer.first_text + "".join(text for text in answer.texts if text)
        assert said == answer.transcript == " ".join(clip.transcript.split())
        assert len(answer.texts) == len(answer.chunks)


def test_the_choice_of_answers_follows_the_seed() -> None:
    book = AnswerBook(load_corpus(rate=RATE), 960)
    picks = [[book.choose(random.Random(f"{seed}/{turn}")).clip for turn in range(20)] for seed in (1, 1, 2)]
    assert picks[0] == picks[1] != picks[2]
    assert len(set(picks[0])) > 5


def test_word_errors_come_at_their_rate() -> None:
    text = " ".join(f"word{number}" for number in range(5000))
    assert garbled(text, 0.0, random.Random(1)) == text
    kept = set(garbled(text, 0.1, random.Random(1)).split())
    wrong = sum(word not in kept for word in text.split())
    assert 0.04 * 5000 < wrong < 0.1 * 5000  # a doubled word still contains the right one


def test_items_put_first_are_bounded_too() -> None:
    conversation = Conversation("c")
    for number in range(MAX_ITEMS + 5):
        conversation.insert(item(f"i{number}"), "root" if number else None)
    assert len(conversation) == MAX_ITEMS
