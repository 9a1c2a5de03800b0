"""What the reference documents state of the systems that they describe, and what runs against their profiles show of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from benchmarks import intervals
from metrics.catalog import METRICS
from metrics.records import SUCCESSES, UNDECIDED, ErrorKind, TurnKind, TurnRecord

Reads = Callable[[TurnRecord], float | None]
Kind = Literal["share", "mean", "quantile"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a document. `reads`: off a turn, None where the turn has nothing to say. `part`: of a quantile. `below`: the document
    states a limit, not a value."""

    what: str
    stated: float
    kind: Kind
    reads: Reads
    part: float = 0.0
    below: bool = False


@dataclass(frozen=True, slots=True)
class Study:
    """Figures of one document that one kind of run shows: `scenario` (a file of benchmarks/references/) against `profile`."""

    name: str
    document: str
    profile: str
    scenario: str
    talkers: int
    runs: int
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure as runs showed it: seconds or a share, from `count` values, its interval, and whether the stated value lies in that (of
    a limit: whether the value keeps it)."""

    figure: Figure
    value: float
    count: int
    low: float
    high: float

    @property
    def within(self) -> bool:
        """Whether the document's figure came back."""
        return self.value < self.figure.stated if self.figure.below else self.low <= self.figure.stated <= self.high


def shown(figure: Figure, turns: Iterable[TurnRecord], level: float) -> Shown:
    """What these turns show of a figure. Raises ValueError where they are too few to show anything."""
    values = [value for turn in turns if (value := figure.reads(turn)) is not None]
    if len(values) < 2:
        raise ValueError(f"{figure.what}: only {len(values)} turns tell of it")
    low, high = _interval(figure, values, level)
    return Shown(figure, _value(figure, values), len(values), low, high)


def _value(figure: Figure, values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(figure.part * len(values)) - 1] if figure.kind == "quantile" else fmean(values)


def _interval(figure: Figure, values: Sequence[float], level: float) -> intervals.Interval:
    match figure.kind:
        case "share":
            return intervals.share(round(sum(values)), len(values), level)
        case "mean":
            return intervals.mean(values, level)
        case "quantile":
            return intervals.quantile(values, figure.part, level)


def metric(name: str) -> Reads:
    """A metric of the catalogue, by its name."""
    measure = METRICS[name].measure

    def reads(turn: TurnRecord) -> float | None:
        value: float | tuple[float, float] | None = measure(turn)
        return value[0] / value[1] if isinstance(value, tuple) else value

    return reads


def failure_is(kind: ErrorKind) -> Reads:
    """Of the turns that failed, whether it was for this reason."""

    def reads(turn: TurnRecord) -> float | None:
        failed = turn.kind is not TurnKind.FALSE_ALARM and turn.outcome not in SUCCESSES | UNDECIDED
        return float(turn.error_kind is kind) if failed else None

    return reads


def _share(what: str, stated: float, name: str) -> Figure:
    return Figure(what, stated, "share", metric(name))


def _mean(what: str, stated_s: float, name: str) -> Figure:
    return Figure(what, stated_s, "mean", metric(name))


def _quantile(what: str, percent: float, stated_s: float, name: str, *, below: bool = False) -> Figure:
    return Figure(f"{what} p{percent:g}", stated_s, "quantile", metric(name), percent / 100, below)


E2E = "End-to-end latency"
_BOT, _GUIDE = "voice-bot-summary.md", "latency-guide.md"

STUDIES = (
    Study("voice-bot, 10 callers", _BOT, "voice-bot", "voice-bot", 10, 4,
          (_share("Success", 0.96, "success"),
           Figure("Failures that are timeouts", 1.0, "share", failure_is(ErrorKind.TIMEOUT)),
           _mean("TTFT mean", 1.82, "ttft"), _quantile("TTFT", 95, 2.46, "ttft"), _mean("Total response mean", 5.23, "total_response"))),
    Study("voice-bot, 10 callers who interrupt", _BOT, "voice-bot", "voice-bot-interrupted", 10, 4,
          (_share("Interruption success", 0.93, "interruption_success"),)),
    Study("voice-bot, 10 callers with false alarms", _BOT, "voice-bot", "voice-bot-false-alarms", 10, 4,
          (_share("False alarm resume", 0.89, "false_alarm_resume"),)),
    Study("voice-bot, 50 callers", _BOT, "voice-bot", "voice-bot", 50, 2,
          (_share("Success", 0.75, "success"), _mean("TTFT mean", 3.45, "ttft"),
           Figure("Failures that are rate limits", 0.73, "share", failure_is(ErrorKind.RATE_LIMITED)),
           Figure("Failures that are timeouts", 0.21, "share", failure_is(ErrorKind.TIMEOUT)))),
    Study("livekitex", "livekitex-baselines.md", "livekitex", "livekitex", 100, 1,
          tuple(_quantile(E2E, percent, stated_s, "e2e_latency") for percent, stated_s in ((50, 0.35), (90, 0.8), (95, 1.2), (99, 2.0)))),
    Study("latency-guide, best", _GUIDE, "latency-guide-best", "latency-guide", 30, 1, (_quantile(E2E, 50, 0.385, "e2e_latency"),)),
    Study("latency-guide, typical", _GUIDE, "latency-guide", "latency-guide", 30, 1,
          (_quantile(E2E, 50, 1.25, "e2e_latency"), _quantile("LLM", 50, 0.6, "llm_ttft"), _quantile("TTS", 50, 0.3, "tts_processing"))),
    Study("latency-guide, worst", _GUIDE, "latency-guide-worst", "latency-guide", 30, 1,
          (_quantile(E2E, 50, 3.7, "e2e_latency"), _quantile("STT", 50, 0.5, "asr_processing"), _quantile("LLM", 50, 2.0, "llm_ttft"),
           _quantile("TTS", 50, 0.8, "tts_processing"))),
    Study("system-design", "system-design.md", "system-design", "system-design", 40, 1,
          (_quantile(E2E, 50, 0.78, "e2e_latency"), _quantile(E2E, 95, 1.12, "e2e_latency"),
           _quantile(E2E, 50, 0.84, "e2e_latency", below=True), _quantile(E2E, 95, 1.2, "e2e_latency", below=True),
           _quantile("L4 ASR", 50, 0.2, "asr_processing", below=True), _quantile("L5 LLM", 50, 0.3, "llm_ttft", below=True),
           _quantile("L6 TTS", 50, 0.2, "tts_processing", below=True),
           _quantile("Barge-in latency", 95, 0.32, "barge_in_latency", below=True))),
)  # fmt: skip
