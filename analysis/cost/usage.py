"""What each call used, of all that a price may be for; pure functions of a run's tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.load import Loaded

_MILLION = 1e6
_TOKENS = ("input_tokens", "output_tokens", "input_audio_tokens", "cached_tokens", "cached_audio_tokens", "output_audio_tokens")


@dataclass(frozen=True)
class Usage:
    """`calls`: a row per call, by `session`, and a column per word of `prices.UNITS`, NaN where no response of the call told it;
    `ended`: which of them the run let come to their end; `unheard`: of the same shape, the part that was for audio which nobody heard.

    `responses`: answers begun; `told`: of these, how many told each of the record's token counts. `received_s`, `unheard_s`, `unowned_s`:
    seconds of the assistant's audio in all, that were not heard as the talker had interrupted, and of no turn's answer.
    `cut`: answers of which a part was not heard.
    """

    calls: pd.DataFrame
    unheard: pd.DataFrame
    ended: pd.Series
    responses: int
    told: dict[str, int]
    received_s: float
    unheard_s: float
    unowned_s: float
    cut: int


def usage(run: Loaded) -> Usage:
    """Of a run that has sessions."""
    turns, sessions = run.turns, run.sessions
    rate = _bytes_per_s(sessions, run.info["frame_ms"] / 1000.0)
    by_call = sessions.groupby("session")
    calls = pd.DataFrame(index=by_call.size().index)
    calls["call"] = 1.0
    calls["session_hour"] = (sessions["closed_s"] - sessions["ready_s"]).groupby(sessions["session"]).sum() / 3600.0
    owed, answered = turns["kind"] != "false_alarm", turns["response_id"].notna()
    calls["request"] = owed.groupby(turns["session"]).sum()
    calls["response"] = answered.groupby(turns["session"]).sum()
    calls["minute_sent"] = by_call["audio_bytes_sent"].sum() / rate / 60.0
    spoken_s = (turns["speech_offset_ns"] - turns["speech_onset_ns"]) / 1e9
    calls["minute_spoken"] = spoken_s.groupby(turns["session"]).sum() / 60.0
    calls["minute_received"] = by_call["audio_bytes_received"].sum() / rate / 60.0
    missing = unheard_s(turns, run.info["scenario"]["speaker"]["playout_delay_s"])
    share = (missing / turns["audio_s"].where(turns["audio_s"] > 0)).fillna(0.0)
    tokens = _tokens(turns)
    calls = calls.fillna(0.0).join(_summed(tokens, turns["session"])).reindex(columns=[*calls.columns, *tokens])
    unheard = pd.DataFrame(0.0, index=calls.index, columns=calls.columns)
    unheard["minute_received"] = (missing.groupby(turns["session"]).sum() / 60.0).reindex(calls.index).fillna(0.0)
    out = [name for name in map(str, tokens) if "output" in name]
    unheard[out] = _summed(tokens[out].mul(share, axis=0), turns["session"]).reindex(calls.index)
    last = sessions.sort_values("t_s").groupby("session")["outcome"].last()
    received_s = float(sessions["audio_bytes_received"].sum()) / rate
    return Usage(
        calls,
        unheard,
        last != "cut_by_run_end",
        int(answered.sum()),
        {name: int(turns[name].notna().sum()) for name in _TOKENS},
        received_s,
        float(missing.sum()),
        max(0.0, received_s - float(turns["audio_s"].sum())),
        int((missing > 0).sum()),
    )


def unheard_s(turns: pd.DataFrame, playout_delay_s: float) -> pd.Series:
    """Of each answer, how many seconds were received and not played, as the talker had interrupted it: what was received less what was
    played, which is from the playout's start (`playout_delay_s` after the first audio message) to `playout_end_ns` without underruns."""
    played_s = (turns["playout_end_ns"] - turns["first_audio_ns"]) / 1e9 - playout_delay_s - turns["underrun_s"]
    left_s = turns["audio_s"] - played_s.fillna(0.0).clip(lower=0.0)
    return left_s.where((left_s > 0.001) & turns["outcome"].isin(["interrupted", "cut_short"]), 0.0)


def _tokens(turns: pd.DataFrame) -> pd.DataFrame:
    """In millions, per turn; what is not told of cached tokens counts as not cached."""
    told: dict[str, Any] = {name: turns[name].astype(float) for name in _TOKENS}
    cached, cached_audio = told["cached_tokens"].fillna(0.0), told["cached_audio_tokens"].fillna(0.0)
    text_in, text_out = told["input_tokens"] - told["input_audio_tokens"], told["output_tokens"] - told["output_audio_tokens"]
    counts = {
        "million_input_tokens": told["input_tokens"],
        "million_input_text_tokens": text_in - (cached - cached_audio),
        "million_input_audio_tokens": told["input_audio_tokens"] - cached_audio,
        "million_cached_text_tokens": told["cached_tokens"] - told["cached_audio_tokens"],
        "million_cached_audio_tokens": told["cached_audio_tokens"],
        "million_output_tokens": told["output_tokens"],
        "million_output_text_tokens": text_out,
        "million_output_audio_tokens": told["output_audio_tokens"],
    }
    return pd.DataFrame(counts) / _MILLION


def _summed(tokens: pd.DataFrame, sessions: pd.Series) -> pd.DataFrame:
    """By call; NaN where none of its turns tells it."""
    return tokens.groupby(sessions).sum(min_count=1)


def _bytes_per_s(sessions: pd.DataFrame, frame_s: float) -> float:
    """Of the audio format, both ways: bytes sent over the frames' time; NaN where no frame was sent."""
    spoken_s = float(sessions["frames_sent"].sum()) * frame_s
    return float(sessions["audio_bytes_sent"].sum()) / spoken_s if spoken_s else np.nan
