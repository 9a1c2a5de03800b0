"""How much more of a metric each caller brings. Pure."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from analysis.statistics.curve import Ints
from analysis.statistics.estimate import CONFIDENCE, Estimate, Floats


def slope(x: Floats, y: Floats, sessions: Ints, comparisons: int = 1) -> Estimate:
    """The slope of `y` over `x` by least squares; all of shape (n,).

    Its variance is that of the scores summed by session (Liang and Zeger, Biometrika 73, 1986), its interval Student's with a degree of
    freedom less than there are sessions; narrower chances of error where `comparisons` are made at once (Bonferroni).
    """
    names, place = np.unique(sessions, return_inverse=True)
    if len(x) < 3 or np.ptp(x) == 0:
        return Estimate(None, None, None, len(x), len(names), "concurrency did not vary")
    off = x - x.mean()
    whole = float(off @ off)
    value = float(off @ y) / whole
    if len(names) < 2:
        return Estimate(value, None, None, len(x), len(names), "one session tells nothing of others")
    scores = np.bincount(place, weights=off * (y - y.mean() - value * off))
    spread = float(np.sqrt(len(names) / (len(names) - 1) * (scores**2).sum())) / whole
    reach = float(stdtrit(len(names) - 1, 1 - (1 - CONFIDENCE) / 2 / comparisons)) * spread
    return Estimate(value, value - reach, value + reach, len(x), len(names))
