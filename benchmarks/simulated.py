"""Simulated callers of whom the truth is known, for the coverage of intervals: sessions of turns that resemble one another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

PLANNED = 0.5
"""The part of what makes a session, and a turn within it, slow that is the same in two runs of a seed."""
_LOST, _SIGMA = 0.05, 0.7
_NEVER, _SPREAD, _PATIENCE_S = 0.1, 0.4, 4.0


@dataclass(frozen=True, slots=True)
class Callers:
    """`session` of each turn; `first`: standard normal of each turn, alike within sessions; both of shape (n,)."""

    session: NDArray[np.int64]
    first: Floats
    alike: float
    planned: tuple[Floats, Floats]
    rng: np.random.Generator

    def second(self, paired: bool) -> Floats:
        """As `first`, in another run: of the same talkers and plans where it is `paired`, else of others."""
        shared = PLANNED if paired else 0.0
        sessions, turns = (
            np.sqrt(shared) * planned + np.sqrt(1.0 - shared) * self.rng.standard_normal(len(planned)) for planned in self.planned
        )
        made: Floats = np.sqrt(self.alike) * sessions[self.session] + np.sqrt(1.0 - self.alike) * turns
        return made


def callers(rng: np.random.Generator, sessions: int, alike: float, uneven: bool) -> Callers:
    """Of so many sessions: `alike` is the correlation of their turns."""
    sizes = np.maximum(1, np.rint(rng.lognormal(1.7, 0.8, sessions))).astype(int) if uneven else rng.integers(5, 10, sessions)
    session = np.repeat(np.arange(sessions), sizes)
    planned = rng.standard_normal(sessions), rng.standard_normal(len(session))
    parts = [np.sqrt(PLANNED) * one + np.sqrt(1.0 - PLANNED) * rng.standard_normal(len(one)) for one in planned]
    return Callers(session, np.sqrt(alike) * parts[0][session] + np.sqrt(1.0 - alike) * parts[1], alike, planned, rng)


def gaps(c: Callers) -> tuple[Floats, float]:
    """Seconds of each answer that were silence, of 4: none in most. And the true share that was not."""
    cut = ndtri(1.0 - _LOST)
    lengths_s = np.minimum(0.2 * np.exp(_SIGMA * c.rng.standard_normal(len(c.first))), 4.0)
    return np.where(c.first > cut, lengths_s, 0.0), 1.0 - _LOST * 0.2 * float(np.exp(_SIGMA**2 / 2.0)) / 4.0


def incidents(c: Callers, per_minute: float) -> tuple[Floats, Floats]:
    """Events in each turn, and its minutes: sessions have rates of their own, whose variance is `alike` times the mean's square."""
    sessions = int(c.session.max()) + 1
    own = c.rng.gamma(1.0 / c.alike, c.alike, sessions) if c.alike > 0 else np.ones(sessions)
    minutes = c.rng.uniform(0.08, 0.2, len(c.session))
    return c.rng.poisson(per_minute * own[c.session] * minutes).astype(float), minutes


def waits(c: Callers) -> tuple[Floats, Floats, Callable[[float], float]]:
    """How long each was waited for, in seconds, whether it happened by then, and the true share by a time. For some it never happens; none
    is waited for longer than some seconds, many less."""
    never = c.rng.random(len(c.first)) < _NEVER
    at_s = np.where(never, np.inf, np.exp(_SPREAD * c.first))
    until_s = np.minimum(c.rng.uniform(0.3, 6.0, len(at_s)), _PATIENCE_S)
    return (
        np.minimum(at_s, until_s),
        (at_s <= until_s).astype(float),
        lambda t: (1.0 - _NEVER) * float(ndtr(np.log(max(t, 1e-12)) / _SPREAD)),
    )


def normal_quantile(q: float) -> float:
    """Of the standard normal distribution."""
    return float(ndtri(q))


def normal_cdf(z: float) -> float:
    """Of the standard normal distribution."""
    return float(ndtr(z))
