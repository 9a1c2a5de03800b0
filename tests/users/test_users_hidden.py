"""Secrets taken out of what others say."""

from __future__ import annotations

from protocol.events import AssistantError, ResponseDone, SpeechStarted, Transcribed
from users.hidden import hidden, hidden_in, spelled

SECRETS = ("s3cret", "")


def test_what_says_what_is_wrong_is_told_without_them() -> None:
    assert hidden_in(AssistantError("s3cret", "no s3cret"), SECRETS) == AssistantError("***", "no ***")
    assert hidden_in(AssistantError(None, "no"), SECRETS) == AssistantError(None, "no")
    assert hidden_in(ResponseDone("r", "failed", "s3cret expired", None), SECRETS) == ResponseDone("r", "failed", "*** expired", None)


def test_all_else_is_as_it_came() -> None:
    for event in (ResponseDone("s3cret", "completed", None, None), Transcribed(None, "s3cret"), SpeechStarted(None, None)):
        assert hidden_in(event, SECRETS) is event


def test_a_secret_is_written_in_more_ways_than_one() -> None:
    assert spelled(["plain"]) == ("plain",)
    assert spelled(['a"/ü']) == ('a"/ü', "a%22%2F%C3%BC", 'a\\"/ü')
    assert hidden('{"key":"a\\"/ü"} a%22%2F%C3%BC', spelled(['a"/ü'])) == '{"key":"***"} ***'
