"""The rules that a server's events are held against, what is shown of them, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import Dialect, Fact
from protocol.conformance import Watch, excerpt, redacted
from protocol.dialects.openai_realtime import OpenAIRealtime
from protocol.dialects.twilio import Twilio
from protocol.events import (
    AssistantError,
    AudioDelta,
    Cleared,
    Committed,
    Event,
    Ignored,
    Mark,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Transcribed,
    Unknown,
)
from protocol.verdict import conforms, shown, shown_alone

READY = SessionUpdated({})


def sound(response: str | None = "r1") -> AudioDelta:
    return AudioDelta(response, None, 0, 480, bytes(960))


def done(response: str | None = "r1", status: str = "completed", usage: Any = None) -> ResponseDone:
    return ResponseDone(response, status, None, usage)


def watched(*events: Event, dialect: Dialect | None = None) -> Watch:
    watch = Watch(dialect or OpenAIRealtime())
    for event in events:
        watch.told(b"message", [event])
    watch.finish()
    return watch


@pytest.mark.parametrize(
    ("events", "violations"),
    [
        ([READY, ResponseCreated("r1"), sound(), done(), ResponseCreated("r2"), sound("r2"), done("r2")], {}),
        ([sound(), sound(), READY], {"audio came before the session was ready": 2}),
        ([READY, ResponseCreated("r1"), done(), sound(), sound()], {"audio of response r1 came behind its end": 2}),
        ([READY, done("r9")], {"response r9 ended, and never began": 1}),
        ([READY, done(None)], {"a response ended, and never began": 1}),
        ([READY, ResponseCreated("r1"), ResponseCreated("r1"), done()], {"response r1 began twice": 1}),
        ([READY, ResponseCreated("r1"), done(), ResponseCreated("r1"), done()], {"response r1 began twice": 1}),
        ([READY, ResponseCreated("r1"), ResponseCreated("r2"), done()], {"response r2 began, and never ended": 1}),
        ([READY, SpeechStopped(None, None)], {"speech was told to end that was not told to begin": 1}),
        ([READY, SpeechStarted(None, None), SpeechStopped(None, None)], {}),
        (
            [READY, SpeechStarted(None, None), SpeechStopped(None, None), SpeechStopped(None, None)],
            {"speech was told to end that was not told to begin": 1},
        ),
        ([READY, AssistantError("busy", "try later", benign=True)], {}),
        ([READY, AssistantError("busy", "try later")], {"the server told an error: busy: try later": 1}),
    ],
)
def test_the_rules(events: list[Event], violations: dict[str, int]) -> None:
    assert watched(*events).violations == violations


def test_a_wire_that_is_told_by_ear_is_held_to_none_of_its_ids() -> None:
    watch = watched(sound(None), Cleared(), sound(None), dialect=Twilio())
    assert watch.violations == {"audio came before the session was ready": 2}
    watch = Watch(Twilio())
    watch.began()
    watch.told(b"", [sound(None), Mark("m")])
    watch.finish()
    assert (watch.violations, watch.steps, watch.missing) == ({}, [], [Fact.CANCELLED])
    watch.excused.add(Fact.CANCELLED)
    assert conforms(watch)
    watch.broken(b"x", "no sense")
    assert not conforms(watch)


class Uncreated(OpenAIRealtime):
    """Tells where a response ends, and by its first audio that it began."""

    untold = frozenset({Fact.CREATED})


def test_a_response_whose_beginning_is_untold_begins_with_its_audio() -> None:
    watch = Watch(Uncreated())
    watch.told(b"", [READY, sound("r1")])
    assert watch.responding
    watch.told(b"", [done("r1"), sound(None)])
    assert not watch.responding
    assert watch.violations == {}
    watch.told(b"", [sound("r1"), sound("r2")])
    watch.finish()
    assert watch.violations == {"audio of response r1 came behind its end": 1, "response r2 began, and never ended": 1}


def test_what_is_promised_and_never_came() -> None:
    everything = [
        READY,
        SpeechStarted(None, None),
        SpeechStopped(None, None),
        Committed(None),
        Transcribed(None, "x"),
        ResponseCreated("r1"),
        TextDelta("r1", None, "x"),
        done(status="cancelled", usage={"total_tokens": 1}),
    ]
    whole = watched(*everything)
    assert (whole.missing, conforms(whole)) == ([], True)
    for left_out, lacks in ((1, Fact.SPEECH_STARTED), (3, Fact.COMMITTED), (4, Fact.TRANSCRIPT), (6, Fact.TEXT)):
        assert watched(*everything[:left_out], *everything[left_out + 1 :]).missing == [lacks]
    assert watched(*everything[:-1], done()).missing == [Fact.CANCELLED, Fact.USAGE]
    excused = watched(*everything[:-1], done(usage={}))
    excused.excused.add(Fact.CANCELLED)
    assert excused.missing == []


def test_a_mark_that_was_never_asked_for_is_a_note() -> None:
    watch = watched(READY, Cleared(), dialect=Twilio())
    assert watch.steps == ["note: no mark was asked for, so when its audio is heard the server cannot know"]
    assert conforms(watch)


def test_all_of_it_is_shown() -> None:
    watch = Watch(OpenAIRealtime(), ["abc-secret"])
    watch.told(b'{"type":"ping","why":"abc-secret"}', [Unknown("ping")])
    watch.told(b'{"type":"ping","n":2}', [Unknown("ping")])
    watch.broken(b"\xff\x00", "not JSON")
    watch.told(b"", [READY, ResponseCreated("r1"), sound(), sound(), Ignored("x")])
    watch.steps.append("turn: answered 0.50 s after the talker's last word")
    watch.excused.add(Fact.CANCELLED)
    watch.violated("the server closed the session: code 1011")
    watch.violated("twice")
    watch.violated("twice")
    assert shown(watch).splitlines() == [
        "conversation  turn: answered 0.50 s after the talker's last word",
        "understood    4 messages: Unknown 2, AudioDelta 2, SessionUpdated 1, ResponseCreated 1, Ignored 1",
        "audio         0.0 s, taken for pcm16 at 24000 Hz",
        'unknown       ping: {"type":"ping","why":"[secret]"}',
        "malformed     not JSON: 2 bytes: ff 00",
        "told          created",
        "no occasion   cancelled",
        "missing       speech_started, speech_stopped, committed, transcript, text, done, usage: the dialect promises it, and it never "
        "came",
        "violation     the server closed the session: code 1011",
        "violation     twice (2 times)",
        "openai-realtime: the server does not conform: 2 unknown messages, 1 malformed message, 7 missing facts, 3 violations",
    ]


def test_a_dialect_alone() -> None:
    assert shown_alone(Twilio(), []) == "twilio: the dialect conforms (no server was called: name a URL to have one checked)\n"
    assert shown_alone(Twilio(), ["x"]).startswith("violation     x\ntwilio: the dialect does not conform: 1 violation (no server")


@pytest.mark.parametrize(
    ("text", "shows"),
    [
        ('{"client_secret": "abc", "x": 1}', '{"client_secret": "[secret]", "x": 1}'),
        ('{"X-API-Key":"abc"}', '{"X-API-Key":"[secret]"}'),
        ('{"apiKey":"abc","Authorization":"Bearer abc"}', '{"apiKey":"[secret]","Authorization":"[secret]"}'),
        ("A" * 48, "[48 characters]"),
        ("A" * 47, "A" * 47),
        ("my key is tok-1", "my key is [secret]"),
    ],
)
def test_secrets_are_not_shown(text: str, shows: str) -> None:
    assert redacted(text, ["tok-1"]) == shows


def test_an_excerpt_is_short() -> None:
    assert excerpt(b"a b " * 100) == "a b " * 40 + "..."
    assert excerpt(bytes([200] * 100)) == "100 bytes: " + " ".join(["c8"] * 24)
