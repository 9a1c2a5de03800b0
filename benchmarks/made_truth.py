"""What is true of the callers of a made run, whatever a sample of them shows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from statistics import NormalDist

LATENCIES = {
    "endpointing_delay": 0.300, "asr_processing": 0.080, "llm_ttft": 0.250, "tts_processing": 0.120, "uplink_network": 0.020,
    "downlink_network": 0.010, "audio_rendering": 0.0002, "audio_processing": 0.00002, "bargein_detection": 0.060, "stop_by_byte": 0.250,
    "resume_time": 1.000, "session_setup": 0.060, "token_mint_latency": 0.030, "delivery_rtf": 0.600, "jitter": 0.004,
}  # fmt: skip
"""Medians of the metrics that are drawn, in their unit; all others follow from these."""
SHARES = {
    "success": 0.97,
    "yield_rate": 0.95,
    "false_stop_rate": 0.30,
    "resume_rate": 0.90,
    "spurious_response": 0.03,
    "token_success": 0.99,
}
"""The shares that are drawn."""
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Spread:
    """Which part of the variance is common to a talker (the same in each run of a seed), to a session (the run's own), to what was planned
    for the turn (the same in each run of a seed), and which is the run's own luck with it. They add up to 1; the correlation of turns
    within a session is `talker + session`."""

    talker: float = 0.10
    session: float = 0.10
    plan: float = 0.30
    luck: float = 0.50

    def __post_init__(self) -> None:
        parts = [getattr(self, f.name) for f in fields(self)]
        if min(parts) < 0 or abs(sum(parts) - 1.0) > 1e-9:
            raise ValueError(f"{self}: no part is negative, and they add up to 1")


@dataclass(frozen=True, slots=True)
class Truth:
    """Latencies are lognormal with the given `medians` and `sigma` (of the logarithm); all that is drawn is alike within talkers and
    sessions as `spread` says. Both hold exactly of each metric of LATENCIES and SHARES below the knee with `per_talker` 0.

    `shifts`: factors of single medians. `per_talker`: by which part the assistant's own stages (L4 to L6) grow with each talker that is
    there; beyond `knee` talkers by `past_knee` more with each, and `failing` more of the turns fail. `underruns`: of a response on average.
    """

    medians: dict[str, float] = field(default_factory=lambda: dict(LATENCIES))
    shares: dict[str, float] = field(default_factory=lambda: dict(SHARES))
    shifts: dict[str, float] = field(default_factory=dict)
    sigma: float = 0.30
    spread: Spread = field(default_factory=Spread)
    per_talker: float = 0.0
    knee: int | None = None
    past_knee: float = 0.05
    failing: float = 0.01
    underruns: float = 0.05
    barge_ins: float = 0.25
    """The share of answers that the talkers mean to interrupt."""
    false_alarms: float = 0.20
    """The share of the other answers into which a false alarm falls."""

    def __post_init__(self) -> None:
        for given, known in ((self.shifts, LATENCIES), (self.medians, LATENCIES), (self.shares, SHARES)):
            unknown = sorted(set(given) - set(known))
            if unknown:
                raise ValueError(f"{unknown[0]} is not drawn: use one of {', '.join(sorted(known))}")

    def median(self, name: str) -> float:
        """Of a metric of LATENCIES, its shift included."""
        return self.medians.get(name, LATENCIES[name]) * self.shifts.get(name, 1.0)

    def quantile(self, name: str, q: float) -> float:
        """Of a metric of LATENCIES: what the share `q` (0 to 1, both excluded) of all values do not exceed."""
        return self.median(name) * math.exp(self.sigma * _NORMAL.inv_cdf(q))

    def mean(self, name: str) -> float:
        """Of a metric of LATENCIES."""
        return self.median(name) * math.exp(self.sigma**2 / 2.0)

    def share(self, name: str) -> float:
        """Of a metric of SHARES."""
        return self.shares.get(name, SHARES[name])
