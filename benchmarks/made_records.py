"""The sessions, tokens and seconds of a made run, from its turns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.made_truth import Truth
from benchmarks.made_turns import BEGAN_NS, Columns
from metrics.outcomes import ErrorKind, Outcome, SessionOutcome, TurnKind
from metrics.records import SampleRecord, SessionRecord, TokenRecord

FRAME_S = 0.02
_MEMORY_BYTES, _SESSION_BYTES = 200_000_000, 2_000_000
"""The target's resident memory, and how much of it each open session takes."""


def sessions_of(c: Columns, number: NDArray[Any], epoch_s: float, personas: NDArray[Any]) -> list[SessionRecord]:
    """One per session, by its number. `number`: the session of each row of `c`, `personas`: of each talker."""
    turns = c["kind"] != TurnKind.FALSE_ALARM
    f = pd.DataFrame(
        {name: c[name][turns] for name in ("talker", "call", "speech_onset_ns", "end_ns", "outcome", "setup_s", "think_s", "audio_s")}
    )
    grouped = f.groupby(number[turns], sort=True)
    first, last = grouped.first(), grouped.last()
    ready = np.rint(first["speech_onset_ns"] - first["think_s"] * 1e9).astype(np.int64)
    started = (ready - np.rint(first["setup_s"] * 1e9)).astype(np.int64)
    over = int(f["end_ns"].max()) + 500_000_000
    final = (last["talker"] != last["talker"].shift(-1)).to_numpy()
    lost = (last["outcome"] == Outcome.CONNECTION_LOST).to_numpy()
    closed = np.where(final & ~lost, over, last["end_ns"] + 50_000_000).astype(np.int64)
    again = (first["call"] == first["call"].shift()) & (first["talker"] == first["talker"].shift())
    audio_s, counts = grouped["audio_s"].sum().to_numpy(), grouped.size().to_numpy()
    made = []
    for i, (talker, call, begun, up, down) in enumerate(zip(first["talker"], first["call"], started, ready, closed, strict=True)):
        frames, reconnect = int((down - up) / 1e9 / FRAME_S), bool(again.iloc[i])
        lost_ns = int(closed[i - 1]) if reconnect else None
        made.append(
            SessionRecord(
                talker=int(talker), persona=str(personas[int(talker)]), call=int(call), session_id=f"sess_{i:06d}",
                outcome=SessionOutcome.LOST if lost[i] else SessionOutcome.CUT_BY_RUN_END if final[i] else SessionOutcome.HUNG_UP,
                error_kind=ErrorKind.REMOTE_CLOSE if lost[i] else None, error="closed by the assistant" if lost[i] else None,
                reconnect=reconnect, lost_ns=lost_ns, down_s=(int(up) - lost_ns) / 1e9 if lost_ns is not None else 0.0,
                started_epoch_s=epoch_s + (int(begun) - BEGAN_NS) / 1e9, started_ns=int(begun), ready_ns=int(up), closed_ns=int(down),
                connect_s=0.0002, tls_s=None, handshake_s=0.001, first_event_s=0.001, close_code=None if lost[i] else 1000,
                turns=int(counts[i]), messages_sent=frames + 4, messages_received=int(audio_s[i] / 0.04) + 9 * int(counts[i]),
                audio_bytes_sent=frames * 960, audio_bytes_received=int(audio_s[i] * 48_000), frames_sent=frames, frames_dropped=0,
                send_lateness_max_s=0.004, unsent_bytes_max=0, unknown_events=0, malformed_messages=0, benign_errors=0, assistant_errors=0,
                rate_limits_seen=int(counts[i]), silence_duration_ms=500,
            )
        )  # fmt: skip
    return made


def tokens_of(sessions: list[SessionRecord], truth: Truth, rng: np.random.Generator) -> list[TokenRecord]:
    """One for each session: those that were refused were asked for again, which is not told."""
    latencies = truth.median("token_mint_latency") * np.exp(truth.sigma * rng.standard_normal(len(sessions)))
    refused = rng.random(len(sessions)) >= truth.share("token_success")
    made = []
    for session, latency_s, fails in zip(sessions, latencies.tolist(), refused.tolist(), strict=True):
        done = session.started_ns - 1_000_000
        begun = done - round(latency_s * 1e9)
        made.append(
            TokenRecord(
                user="talker", talker=session.talker, intended_ns=begun, sent_ns=begun + 100_000, done_ns=done,
                status=429 if fails else 200, error_kind=ErrorKind.RATE_LIMITED if fails else None,
                error="HTTP 429" if fails else None, retry_after_s=1.0 if fails else None,
            )
        )  # fmt: skip
    return made


def seconds_of(
    c: Columns, sessions: list[SessionRecord], e2e_s: NDArray[Any], barge_in_s: NDArray[Any], joined_s: NDArray[Any]
) -> pd.DataFrame:
    """A row per second, what ended in it: the columns of `timeline.parquet`."""
    opened, closed = (_since([getattr(s, name) for s in sessions]) for name in ("ready_ns", "closed_ns"))
    t_s = np.arange(1.0, np.ceil(closed.max()) + 1.0)
    second = np.minimum(_since(c["end_ns"]).astype(int), len(t_s) - 1)

    def count(which: NDArray[Any]) -> NDArray[Any]:
        return np.bincount(second[which], minlength=len(t_s))

    owed = c["kind"] != TurnKind.FALSE_ALARM
    there = np.searchsorted(np.sort(opened), t_s, side="right") - np.searchsorted(np.sort(closed), t_s, side="right")
    failed = c["error_kind"] != ""
    ended = np.bincount(np.minimum(closed.astype(int), len(t_s) - 1), minlength=len(t_s))
    begun = np.bincount(np.minimum(opened.astype(int), len(t_s) - 1), minlength=len(t_s))
    by_second = pd.DataFrame({"e2e": e2e_s, "barge_in": barge_in_s}).groupby(second)

    def quantile(name: str, q: float) -> pd.Series:
        return by_second[name].quantile(q, interpolation="lower").reindex(range(len(t_s)))

    talkers = np.searchsorted(np.sort(joined_s), t_s, side="right")
    memory = _MEMORY_BYTES + _SESSION_BYTES * there
    return pd.DataFrame(
        {
            "t_s": t_s, "talkers": talkers, "turns": count(owed), "failures": count(owed & failed),
            "barge_ins": count(c["kind"] == TurnKind.BARGE_IN), "false_alarms": count(~owed), "sessions_ended": ended, "tokens": begun,
            "errors": count(failed), "underruns": np.bincount(second, c["underruns"], minlength=len(t_s)).astype(int), "frames_dropped": 0,
            "missed_starts": 0, "unsent_bytes": 0, "workers": 1, "e2e_latency_p50_s": quantile("e2e", 0.5),
            "e2e_latency_p95_s": quantile("e2e", 0.95), "barge_in_latency_p95_s": quantile("barge_in", 0.95),
            "send_lateness_p99_s": 0.0009, "loop_lag_p99_s": 0.0012, "cpu_share": np.minimum(0.9, 0.02 + 0.0008 * there),
            "settled": t_s > joined_s.max() + 20.0, "target_up": True, "target_memory_bytes": memory,
            "target_cpu_share": 0.05 + 0.004 * there, "target_sessions": there, "tester_memory_bytes": 190_000_000 + 20_000 * there,
            "calls_due": None, "calls_begun": None,
            "target_memory_per_session_bytes": np.where(there > 0, memory / np.maximum(there, 1), np.nan),
        }
    )  # fmt: skip


def samples_of(seconds: pd.DataFrame) -> list[SampleRecord]:
    """The sample of each second."""
    columns = [seconds[name].tolist() for name in SampleRecord.__dataclass_fields__]
    return [SampleRecord(**dict(zip(SampleRecord.__dataclass_fields__, row, strict=True))) for row in zip(*columns, strict=True)]


def _since(instants: Any) -> NDArray[Any]:
    since_s: NDArray[Any] = (np.asarray(instants, float) - BEGAN_NS) / 1e9
    return since_s
