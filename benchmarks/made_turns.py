"""The conversations of a made run as columns of arrays: who says what when, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from benchmarks.made_truth import Truth
from metrics.outcomes import BargeInClass, ErrorKind, Outcome, TurnKind

Array = NDArray[Any]
Columns = dict[str, Array]

BEGAN_NS = 600_000_000_000
"""The start of each made run, on the monotonic clock."""
PLAYOUT_S, OUTPUT_S = 0.06, 0.01
"""The virtual speaker's playout delay, and its own part of it: the defaults of scenarios."""
_TURN_S = 7.5
"""How long a turn takes with all that comes before the next, roughly."""
_PAUSE_S = 1.0
"""Between two calls of a talker, and before it gets a lost session back."""
_WAITS_S = {Outcome.NO_RESPONSE: 10.0, Outcome.ASSISTANT_ERROR: 0.5, Outcome.CONNECTION_LOST: 0.3}
_ERRORS = {
    Outcome.NO_RESPONSE: ErrorKind.TIMEOUT,
    Outcome.ASSISTANT_ERROR: ErrorKind.ASSISTANT_ERROR,
    Outcome.CONNECTION_LOST: ErrorKind.REMOTE_CLOSE,
}


@dataclass(frozen=True, slots=True)
class Load:
    """How many turns, false alarms not counted, of how many talkers, which join evenly in the first `ramp` of the run, or in `steps` steps
    of the same length. A talker calls, speaks 5 to 9 turns, hangs up and calls again."""

    turns: int
    talkers: int
    ramp: float = 0.2
    steps: int = 0

    @property
    def duration_s(self) -> float:
        """How long it takes, roughly."""
        there = (self.steps + 1) / (2 * self.steps) if self.steps else 1.0 - self.ramp / 2.0
        return self.turns * _TURN_S / (self.talkers * there)

    def joins_s(self) -> Array:
        """When each talker joins, of shape (talkers,)."""
        number = np.arange(self.talkers)
        if self.steps:
            return (number * self.steps // self.talkers) * (self.duration_s / self.steps) + number % 50 * 0.02
        return number / self.talkers * self.ramp * self.duration_s


class _Draws:
    """Draws for `turns` turns of each of `talkers` talkers, of shape (talkers, turns): what was planned depends on the seed alone, what is
    the run's own on its number too."""

    def __init__(self, truth: Truth, talkers: int, turns: int, seed: int, number: int) -> None:
        self.shape, self._truth = (talkers, turns), truth
        self.plan, self.luck = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1, number])
        lengths = self.plan.integers(5, 10, (talkers, turns // 5 + 2))
        begins = np.cumsum(lengths, axis=1)
        first = np.zeros(self.shape, bool)
        first[:, 0] = True
        rows, which = np.nonzero(begins < turns)
        first[rows, begins[rows, which]] = True
        self.first, self.call = first, np.cumsum(first, axis=1) - 1
        at = np.arange(turns)
        self.turn = at - np.maximum.accumulate(np.where(first, at, 0), axis=1)

    def normal(self) -> Array:
        """Standard normal, alike within talkers and sessions."""
        spread, (talkers, _) = self._truth.spread, self.shape
        sessions = self.luck.standard_normal((talkers, int(self.call.max()) + 1))
        drawn: Array = np.sqrt(spread.talker) * self.plan.standard_normal((talkers, 1))
        drawn = drawn + np.sqrt(spread.plan) * self.plan.standard_normal(self.shape)
        drawn += np.sqrt(spread.luck) * self.luck.standard_normal(self.shape)
        drawn += np.sqrt(spread.session) * np.take_along_axis(sessions, self.call, axis=1)
        return drawn

    def lognormal(self, name: str) -> Array:
        """A latency of LATENCIES."""
        return self._truth.median(name) * np.exp(self._truth.sigma * self.normal())

    def chance(self, share: Array | float) -> Array:
        """Whether it happens."""
        happens: Array = ndtr(self.normal()) < share
        return happens

    def planned(self, median: float, sigma: float) -> Array:
        """Lognormal, the same in all runs of a seed."""
        return median * np.exp(sigma * self.plan.standard_normal(self.shape))


def turns_of(truth: Truth, load: Load, seed: int, number: int) -> Columns:
    """One row per turn and false alarm, by talker and time: fields of TurnRecord but for ids and texts, instants in ns as floats, and

    `setup_s` (of the session that begins with this turn), `begins_session`, `think_s` (before it), `host` (row of the turn that a false
    alarm fell into, -1 else), `end_ns` (when the turn was over), and `draw` (planned, from 0 to 1: what else depends on chance).
    """
    most = int(1.35 * load.duration_s / _TURN_S) + 12
    draws = _Draws(truth, load.talkers, most, seed, number)
    c: Columns = {"call": draws.call, "turn": draws.turn, "talker": np.broadcast_to(np.arange(load.talkers)[:, None], draws.shape)}
    joins_s = load.joins_s()
    nominal_s = joins_s[:, None] + np.arange(most) * _TURN_S
    there = np.searchsorted(joins_s, nominal_s, side="right")
    _answers(c, truth, draws, there)
    _times(c, draws, joins_s)
    rows = np.argsort(c["onset_s"], axis=None)[: load.turns]
    kept = np.zeros(draws.shape, bool)
    kept.flat[rows] = True
    c["interrupted"] &= np.c_[kept[:, 1:], np.zeros((load.talkers, 1), bool)]
    flat = {name: column[kept] for name, column in c.items()}
    alarms = np.flatnonzero(flat["alarmed"] & flat["ok"] & ~flat["interrupted"])
    turns, alarmed = _turns(flat), _false_alarms(flat, alarms)
    return {name: np.concatenate([turns[name], alarmed[name]]) for name in turns}


def _answers(c: Columns, truth: Truth, draws: _Draws, there: Array) -> None:
    """What each turn is meant as, whether it is answered, and the latencies of its stages. `there`: how many talkers there are at it."""
    knee = np.inf if truth.knee is None else truth.knee
    grown = (1.0 + truth.per_talker * there) * (1.0 + truth.past_knee * np.maximum(0.0, there - knee))
    failing = (
        1.0 - truth.share("success") + (0.0 if truth.knee is None else truth.failing) * np.maximum(0.0, there - knee if truth.knee else 0.0)
    )
    c["ok"] = ~draws.chance(np.minimum(failing, 0.9))
    c["failure"] = np.array([*_WAITS_S])[np.searchsorted([0.5, 0.8], draws.luck.random(draws.shape))]
    for name in ("endpointing_delay", "asr_processing", "llm_ttft", "tts_processing", "audio_rendering", "audio_processing"):
        factor = grown if name in ("asr_processing", "llm_ttft", "tts_processing") else 1.0
        c[name] = draws.lognormal(name) * factor
    for name in (
        "uplink_network",
        "downlink_network",
        "bargein_detection",
        "stop_by_byte",
        "resume_time",
        "session_setup",
        "delivery_rtf",
        "jitter",
    ):
        c[name] = draws.lognormal(name)
    c["think_s"], c["clip_s"] = draws.planned(0.7, 0.3), draws.planned(2.0, 0.3)
    c["whole_s"], c["draw"] = np.clip(draws.planned(4.0, 0.4), 1.5, 20.0), draws.plan.random(draws.shape)
    c["meant"] = draws.plan.random(draws.shape) < truth.barge_ins
    c["alarmed"] = draws.plan.random(draws.shape) < truth.false_alarms
    for name, share in (
        ("yielded", "yield_rate"),
        ("stopped", "false_stop_rate"),
        ("resumed", "resume_rate"),
        ("answered", "spurious_response"),
    ):
        c[name] = draws.chance(truth.share(share))
    c["underruns"] = np.where(c["ok"], draws.luck.poisson(truth.underruns, draws.shape), 0)
    c["gap_s"] = np.where(c["underruns"] > 0, 0.08 * np.exp(0.6 * draws.luck.standard_normal(draws.shape)), 0.0)
    c["lateness_s"] = 0.0003 * np.exp(0.5 * draws.luck.standard_normal(draws.shape))


def _times(c: Columns, draws: _Draws, joins_s: Array) -> None:
    """When each turn begins, `onset_s` of the run, and what the talker does while it is answered."""
    nothing = np.zeros((draws.shape[0], 1), bool)
    lost = ~c["ok"] & (c["failure"] == Outcome.CONNECTION_LOST)
    c["barge_in"] = c["meant"] & ~draws.first & np.c_[nothing, c["ok"][:, :-1]]
    c["interrupted"] = np.c_[c["barge_in"][:, 1:], nothing]
    c["begins_session"] = draws.first | np.c_[nothing, lost[:, :-1]]
    after_s = 0.5 + c["draw"] * (c["whole_s"] - 1.0)  # where the talker speaks into the answer
    c["after_s"] = after_s
    c["sent_s"] = np.where(c["interrupted"], np.minimum(c["whole_s"], after_s / c["delivery_rtf"]), c["whole_s"])
    c["underrun_s"] = c["gap_s"] * (1.0 + 0.6 * np.maximum(0, c["underruns"] - 1))
    stages = c["endpointing_delay"] + c["asr_processing"] + c["llm_ttft"] + c["tts_processing"] + c["audio_rendering"]
    c["e2e_s"] = stages + PLAYOUT_S
    silent_s = np.where(c["alarmed"] & c["stopped"], c["resume_time"] + 0.3, 0.0)
    heard_s = np.where(c["interrupted"], after_s, c["whole_s"] + c["underrun_s"] + silent_s)
    waits = np.select([c["failure"] == outcome for outcome in _WAITS_S], list(_WAITS_S.values()))
    c["lasts_s"] = c["clip_s"] + np.where(c["ok"], c["e2e_s"] + heard_s, waits)
    before_s = np.where(c["barge_in"], 0.0, c["think_s"]) + np.where(c["begins_session"], c["session_setup"] + _PAUSE_S, 0.0)
    c["onset_s"] = joins_s[:, None] - _PAUSE_S + np.cumsum(before_s, axis=1) + np.c_[nothing * 0.0, np.cumsum(c["lasts_s"], axis=1)[:, :-1]]


def _ns(seconds: Array) -> Array:
    whole: Array = np.rint(seconds * 1e9)
    return whole


def _here(asked: Array, values: Array | float) -> Array:
    found: Array = np.where(asked, values, np.nan)
    return found


def _turns(f: Columns) -> Columns:
    """Utterances and barge-ins."""
    n, ok = len(f["ok"]), f["ok"]
    onset = BEGAN_NS + _ns(f["onset_s"])
    offset = onset + _ns(f["clip_s"])
    barge, failed = f["barge_in"], ~ok & (f["failure"] == Outcome.ASSISTANT_ERROR)
    stopped = offset + _ns(f["endpointing_delay"])
    created = stopped + _ns(f["asr_processing"])
    token = created + _ns(f["llm_ttft"])
    audio = token + _ns(f["tts_processing"])
    audible = audio + _ns(f["audio_rendering"]) + _ns(np.full(n, PLAYOUT_S))
    last = audio + _ns(f["sent_s"] * f["delivery_rtf"])
    detected = onset + _ns(f["bargein_detection"])
    generated = np.r_[False, f["sent_s"][:-1] >= f["whole_s"][:-1]]  # the answer before it had all been sent
    classes = np.where(generated, BargeInClass.GENERATED, np.where(f["yielded"], BargeInClass.SERVER, BargeInClass.NO_REACTION))
    gave_way = barge & (classes == BargeInClass.SERVER)
    by_byte = onset + _ns(f["stop_by_byte"])
    end = onset + _ns(f["lasts_s"])
    same = np.r_[False, (f["talker"][1:] == f["talker"][:-1])] & ~f["begins_session"]
    before = np.where(same, np.r_[onset[0], end[:-1]], onset - _ns(f["think_s"]))
    interrupted = f["interrupted"]
    return {
        **{name: f[name] for name in ("talker", "call", "turn", "draw", "think_s", "begins_session")},
        **_untold(n),
        "setup_s": f["session_setup"],
        "host": np.full(n, -1),
        "end_ns": end,
        "kind": np.where(barge, TurnKind.BARGE_IN, TurnKind.UTTERANCE),
        "outcome": np.where(ok, np.where(interrupted, Outcome.INTERRUPTED, Outcome.COMPLETED), f["failure"]),
        "error_kind": np.where(ok, "", np.select([f["failure"] == o for o in _ERRORS], list(_ERRORS.values()), "")),
        "send_lateness_max_s": f["lateness_s"],
        "speech_onset_ns": onset,
        "speech_offset_ns": offset,
        "offset_sent_ns": offset + _ns(0.005 + f["lateness_s"]),
        "speech_started_ns": onset + _ns(f["uplink_network"] + 0.05),
        "speech_stopped_ns": _here(ok | failed, stopped),
        "committed_ns": _here(ok | failed, stopped + 200_000),
        "transcribed_ns": _here(ok | failed, created),
        "response_created_ns": _here(ok | failed, created),
        "first_token_ns": _here(ok, token),
        "first_audio_ns": _here(ok, audio),
        "first_audible_ns": _here(ok, audible),
        "last_audio_ns": _here(ok, last),
        "response_done_ns": _here(ok | failed, np.where(failed, created + 1e8, last)),
        "playout_end_ns": _here(ok & ~interrupted, end),
        "mic_capture_s": 0.02 + f["lateness_s"],
        "audio_processing_s": f["audio_processing"],
        "uplink_network_s": f["uplink_network"],
        "downlink_network_s": _here(ok, f["downlink_network"]),
        "audio_rendering_s": _here(ok, f["audio_rendering"]),
        "response_status": np.where(ok, np.where(f["sent_s"] < f["whole_s"], "cancelled", "completed"), np.where(failed, "failed", "")),
        "audio_s": np.where(ok, f["sent_s"], 0.0),
        "chunks": np.where(ok, np.ceil(f["sent_s"] / 0.04), 0.0),
        "jitter_s": _here(ok, f["jitter"]),
        "rfc3550_jitter_s": _here(ok, f["jitter"] * 1.5),
        "underruns": f["underruns"].astype(float),
        "underrun_s": f["underrun_s"],
        "longest_gap_s": f["gap_s"],
        "input_tokens": _here(ok, np.rint(60.0 + 25.0 * f["clip_s"] + 40.0 * f["turn"])),
        "output_tokens": _here(ok, np.rint(25.0 * f["sent_s"])),
        "input_audio_tokens": _here(ok, np.rint(10.0 * f["clip_s"])),
        "cached_tokens": _here(ok, np.rint(40.0 * f["turn"])),
        "cached_audio_tokens": _here(ok, 0.0),
        "output_audio_tokens": _here(ok, np.rint(20.0 * f["sent_s"])),
        "planned_after_s": _here(barge, np.r_[0.0, f["after_s"][:-1]]),
        "detected_ns": _here(barge, detected),
        "silenced_ns": _here(barge, detected + 4_000),
        "flush_s": _here(barge, 0.00004),
        "barge_in_class": np.where(barge, classes, ""),
        "stop_event_ns": _here(gave_way, by_byte + 2_000_000),
        "stop_byte_ns": _here(gave_way, by_byte),
        "stop_ear_ns": _here(gave_way, by_byte + 400_000_000),
        "talked_over_s": _here(barge, np.where(gave_way, f["stop_by_byte"] + 0.4, 2.0)),
        "span_s": (end - before) / 1e9,
    }


def _false_alarms(f: Columns, rows: Array) -> Columns:
    """What fell into the answers of these rows."""
    f, n = {name: column[rows] for name, column in f.items()}, len(rows)
    onset = BEGAN_NS + _ns(f["onset_s"]) + _ns(f["clip_s"]) + _ns(f["e2e_s"]) + _ns(f["after_s"])
    offset = onset + _ns(0.3 + 0.4 * f["draw"])
    back = f["stopped"] & f["resumed"]
    outcome = np.where(f["stopped"], np.where(f["resumed"], Outcome.RESUMED, Outcome.NOT_RESUMED), Outcome.CONTINUED)
    return {
        **{name: f[name] for name in ("talker", "call", "turn", "draw", "think_s")},
        **_untold(n),
        "begins_session": np.zeros(n, bool),
        "setup_s": np.zeros(n),
        "host": rows,
        "end_ns": BEGAN_NS + _ns(f["onset_s"]) + _ns(f["lasts_s"]),
        "kind": np.full(n, TurnKind.FALSE_ALARM, dtype="U16"),
        "outcome": np.where(f["answered"], Outcome.ANSWERED, outcome),
        "send_lateness_max_s": f["lateness_s"],
        "speech_onset_ns": onset,
        "speech_offset_ns": offset,
        "offset_sent_ns": offset + _ns(0.005 + f["lateness_s"]),
        "mic_capture_s": 0.02 + f["lateness_s"],
        "audio_processing_s": f["audio_processing"],
        "uplink_network_s": f["uplink_network"],
        "planned_after_s": f["after_s"],
        "false_stop_ns": np.where(f["stopped"], onset + 250_000_000, np.nan),
        "resumed_ns": np.where(back, offset + _ns(f["resume_time"]), np.nan),
        "windows_met": np.ones(n),
    }


_ABSENT = (
    "speech_started_ns", "speech_stopped_ns", "committed_ns", "transcribed_ns", "response_created_ns", "first_token_ns", "first_audio_ns",
    "first_audible_ns", "last_audio_ns", "response_done_ns", "playout_end_ns", "downlink_network_s", "audio_rendering_s", "jitter_s",
    "rfc3550_jitter_s", "input_tokens", "output_tokens", "input_audio_tokens", "cached_tokens", "cached_audio_tokens",
    "output_audio_tokens", "detected_ns", "silenced_ns", "flush_s", "stop_event_ns", "stop_byte_ns", "stop_ear_ns", "talked_over_s",
    "false_stop_ns", "resumed_ns", "cancel_sent_ns", "network_up_s", "network_down_s", "planned_after_s",
)  # fmt: skip


def _untold(n: int) -> Columns:
    """Of what has no value unless it is told."""
    zeros = ("audio_s", "chunks", "underruns", "underrun_s", "longest_gap_s", "span_s", "windows_met", "responses_replaced")
    made = {name: np.full(n, np.nan) for name in _ABSENT} | {name: np.zeros(n) for name in zeros}
    made |= {name: np.full(n, "", dtype="U24") for name in ("error_kind", "response_status", "barge_in_class")}
    return made | {"speaker_output_s": np.full(n, OUTPUT_S)}
