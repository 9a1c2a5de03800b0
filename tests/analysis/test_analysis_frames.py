"""What is joined to the tables: instants of several clocks as seconds of one run, sessions, stages, who was on the line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis import frames

S = 1_000_000_000
INFO = {
    "started_epoch_s": 1000.0,
    "scenario": {
        "load": {
            "stages": [
                {"name": "rise", "over_s": 4.0, "hold_s": 6.0, "talkers": 5},
                {"name": "top", "over_s": 0.0, "hold_s": 9.0, "talkers": 5},
            ]
        }
    },
    "workers": [
        {"name": "a", "started_epoch_s": 1000.5, "started_ns": 7 * S, "clock_offset_s": None},
        {"name": "b", "started_epoch_s": 1003.0, "started_ns": 900 * S, "clock_offset_s": 2.0},
    ],
}
SESSIONS = pd.DataFrame(
    {
        "talker": [0, 1, 1],
        "call": [0, 0, 0],
        "worker": ["a", "b", "b"],
        "started_ns": [7 * S, 900 * S, 905 * S],
        "ready_ns": [8 * S, np.nan, 906 * S],
        "closed_ns": [20 * S, 901 * S, 910 * S],
    }
)


def test_instants_of_all_workers_are_seconds_of_the_run() -> None:
    found = frames.sessions(SESSIONS, INFO)
    assert found["t_s"].tolist() == pytest.approx([0.5, 1.0, 6.0])
    assert found["ready_s"].tolist() == pytest.approx([1.5, np.nan, 7.0], nan_ok=True)
    assert found["closed_s"].tolist() == pytest.approx([13.5, 2.0, 11.0])


def test_a_reconnection_goes_on_with_its_session() -> None:
    session = frames.sessions(SESSIONS, INFO)["session"]
    assert session[1] == session[2] != session[0]


def test_turns_know_their_stage_and_who_was_on_the_line() -> None:
    read = pd.DataFrame(
        {"talker": [0, 0, 1], "call": [0, 0, 0], "worker": ["a", "a", "b"], "speech_onset_ns": [8 * S, 14 * S, 909 * S + S // 2]}
    )
    found = frames.turns(read, frames.sessions(SESSIONS, INFO), INFO)
    assert found["t_s"].tolist() == pytest.approx([1.5, 7.5, 10.5])
    assert found["stage"].tolist() == ["rise", "rise", "top"]
    assert found["concurrency"].tolist() == [1, 2, 2]
    assert found["session"].tolist() == frames.sessions(SESSIONS, INFO)["session"].tolist()[:1] * 2 + [found["session"][2]]


def test_a_load_without_stages_has_none() -> None:
    info = {**INFO, "scenario": {"load": {"stages": []}}}
    assert frames.timeline(pd.DataFrame({"t_s": [1.0, 2.0]}), info)["stage"].tolist() == ["", ""]
