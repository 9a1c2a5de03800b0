"""The truth log: what a listener hears, and the lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.truth import Listener, ResponseTruth, TokenTruth, TruthLog

MS = 1_000_000


@pytest.mark.parametrize(
    ("sent_ms", "underruns", "silence_ms", "until_ms"),
    [
        ([0], 0, 0, 160),
        ([0, 100, 200], 0, 0, 360),
        ([0, 0, 0], 0, 0, 360),
        ([0, 160], 0, 0, 260),
        ([0, 161], 1, 1, 261),
        ([0, 500, 520, 700], 1, 340, 800),
        ([0, 500, 900], 2, 640, 1000),
        ([1000, 1100], 0, 0, 1260),
    ],
)
def test_what_a_listener_hears(sent_ms: list[int], underruns: int, silence_ms: int, until_ms: int) -> None:
    """Chunks of 100 ms, a playout delay of 60 ms."""
    listener = Listener()
    for sent in sent_ms:
        listener.hear(sent * MS, 2400, 24000)
    assert listener.underruns == underruns
    assert listener.underrun_ns == silence_ms * MS
    assert listener.playing_until_ns == until_ms * MS


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 40)), min_size=1, max_size=20))
def test_a_listener_agrees_with_counting_milliseconds(chunks: list[tuple[int, int]]) -> None:
    """Against a speaker stepped millisecond by millisecond (1000 Hz: a sample is a millisecond)."""
    listener, now, arrivals = Listener(), 0, []
    for wait, samples in chunks:
        now += wait
        arrivals.append((now, samples))
        listener.hear(now * MS, samples, 1000)
    played = pending = silent = 0
    total = sum(samples for _, samples in arrivals)
    clock = arrivals[0][0]
    while played < total:
        pending += sum(samples for at, samples in arrivals if at == clock)
        if clock >= arrivals[0][0] + 60:
            if pending:
                pending, played = pending - 1, played + 1
            else:
                silent += 1
        clock += 1
    assert listener.underrun_ns == silent * MS
    assert listener.playing_until_ns == clock * MS


def test_lines_are_there_as_soon_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    log = TruthLog(path, seed=7, profile={"name": "demo"})
    log.write(TokenTruth(5, 200))
    log.write(ResponseTruth("sess_1", None, 0, response_id="resp_1", underrun_s=0.25))
    header, token, response = (json.loads(line) for line in path.read_text().splitlines())
    assert header == {
        "kind": "header",
        "schema": 1,
        "seed": 7,
        "profile": {"name": "demo"},
        "playout_delay_s": 0.06,
    }
    assert token == {"kind": "token", "minted_ns": 5, "status": 200}
    assert (response["kind"], response["underrun_s"], response["clip"]) == ("response", 0.25, None)
    log.close()
    log.write(TokenTruth(6, 200))
    assert len(path.read_text().splitlines()) == 3


def test_without_a_file_nothing_is_written() -> None:
    TruthLog(None, seed=1, profile={}).write(TokenTruth(5, 200))
