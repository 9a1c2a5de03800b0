"""One response: jitter, spacing, underruns, what was played."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_script import RATE, audio, done, ns, piece

from metrics.response import Response
from protocol import MalformedMessage
from protocol.events import AudioDelta

GAPS = st.lists(st.integers(0, 400_000_000), min_size=1, max_size=40)


def received(arrivals_ns: list[int], chunk: float = 0.02) -> Response:
    response = Response("r1", 0, RATE, 0.06)
    delta = audio("r1", chunk)
    for t_ns in arrivals_ns:
        response.audio(t_ns, delta)
    return response


@given(GAPS)
def test_jitter_is_the_standard_deviation_of_the_spacing(gaps: list[int]) -> None:
    response = received([0, *np.cumsum(gaps).tolist()])
    if len(gaps) < 2:
        assert response.jitter_s is None
    else:
        assert response.jitter_s == pytest.approx(np.std(np.array(gaps) / 1e9), abs=1e-9)


def test_jitter_by_hand() -> None:
    """Spacings of 20, 40, 20 and 40 ms: mean 30, each off by 10."""
    assert received([ns(t) for t in (0.0, 0.020, 0.060, 0.080, 0.120)]).jitter_s == pytest.approx(0.010)


def test_rfc3550_by_hand() -> None:
    """J += (|D| - J) / 16, where D is the spacing of the arrivals less that of the audio, 20 ms: D is 0, +20, -10, 0 ms."""
    response = received([ns(t) for t in (0.0, 0.020, 0.060, 0.070, 0.090)])
    j = 0.020 / 16
    j += (0.010 - j) / 16
    j += (0.0 - j) / 16
    assert response.rfc3550_s == pytest.approx(j)


def test_rfc3550_goes_by_the_audio_of_the_chunk_before() -> None:
    """100 ms of audio, then 20 ms, each arriving exactly when its predecessor has been played: no jitter."""
    response = Response("r1", 0, RATE, 0.06)
    for t, seconds in ((0.0, 0.1), (0.1, 0.02), (0.12, 0.1)):
        response.audio(ns(t), audio("r1", seconds))
    assert response.rfc3550_s == pytest.approx(0.0)


def test_audio_in_one_burst_is_far_from_real_time() -> None:
    """Each D is -20 ms: J tends to 20 ms."""
    assert received([0] * 200).rfc3550_s == pytest.approx(0.020, rel=1e-4)


def test_an_empty_chunk_is_no_audio() -> None:
    response = Response("r1", 0, RATE, 0.06)
    response.audio(ns(0.5), audio("r1", 0.0))
    assert (response.first_audio_ns, response.chunks, response.last_event_ns, response.heard_until_ns) == (None, 0, ns(0.5), None)


def test_underruns_before_and_after_the_talker_silences_the_speaker() -> None:
    """Dry from 0.08 to 0.2 and from 0.22 to 0.4."""
    response = received([ns(t) for t in (0.0, 0.2, 0.4)])
    assert response.gaps_s == pytest.approx([0.12, 0.18])
    for silenced, gaps in ((0.05, []), (0.1, [0.02]), (0.21, [0.12]), (0.3, [0.12, 0.08]), (0.5, [0.12, 0.18])):
        response = received([ns(t) for t in (0.0, 0.2, 0.4)])
        response.silence(ns(silenced))
        assert response.gaps_s == pytest.approx(gaps), silenced
        assert response.heard_until_ns == min(ns(silenced), ns(0.42))


@pytest.mark.parametrize(("silenced", "played_ms"), [(0.0, 0), (0.06, 0), (0.0609, 0), (0.061, 1), (0.0655, 5), (0.16, 100), (9.0, 100)])
def test_how_much_was_played(silenced: float, played_ms: int) -> None:
    assert received([0], 0.1).silence(ns(silenced)) == played_ms


def test_audible_only_until_silenced() -> None:
    response = received([0], 0.1)
    assert response.audible_at(ns(0.1))
    response.silence(ns(0.1))
    assert response.audible_at(ns(0.1) - 1)
    assert not response.audible_at(ns(0.1))


def test_the_place_that_the_assistant_is_told_about_is_that_of_the_last_audio() -> None:
    response = received([0])
    assert (response.item_id, response.content_index) == ("item-r1", 0)
    response.done(5, done("r1", "cancelled", "turn_detected"))
    response.done(6, done("r1"))
    assert (response.done_ns, response.status, response.reason, response.usage) == (5, "cancelled", "turn_detected", {})


@pytest.mark.parametrize(("level", "audible"), [(8000, 0.06), (0, 1.0)])
def test_silence_behind_the_end_is_dropped_by_a_clear(level: int, audible: float) -> None:
    response = Response("r1", 0, RATE, 0.06)
    response.audio(0, piece(0.1, level))
    response.done(ns(0.05), done("r1"))
    response.audio(ns(0.1), piece(0.5, 0))
    response.clear(ns(0.2))
    response.audio(ns(1.0), piece(0.1))
    assert (response.chunks, response.playout.audio_s) == (2, pytest.approx(0.2))
    assert response.first_audible_ns == ns(audible)


def test_late_audio_that_is_broken_is_malformed() -> None:
    response = received([0, ns(0.02)], 0.1)
    response.done(ns(0.05), done("r1"))
    with pytest.raises(MalformedMessage, match="audio delta"):
        response.audio(ns(0.1), AudioDelta("r1", None, 0, 3, "AA*A"))
    assert response.chunks == 2
