"""Values by their sampling units, and what units tell of the error of a sum over a sum. Pure: arrays in, numbers out.

The sampling unit is what was drawn independently of others: a session, or a talker. The variance between units is the jackknife's (leave
one unit out: Efron and Stein, Annals of Statistics 9, 1981), which for sums over sums is that of the linearised ratio with each unit
weighed by its leverage. Units of unequal size have fewer degrees of freedom than their number (Carter, Schnepel and Steigerwald, Review
of Economics and Statistics 99, 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95
"""Of every interval."""
MANY = 1e4
"""Degrees of freedom of what is as good as normal."""

Floats = NDArray[np.float64]
Units = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Grouped:
    """`number`: the unit of each value, by its place in `units`, which ascend."""

    units: Units
    number: NDArray[np.intp]

    def sum(self, values: Floats) -> Floats:
        """Of each unit."""
        summed: Floats = np.bincount(self.number, values, minlength=len(self.units)).astype(float)
        return summed


@dataclass(frozen=True, slots=True)
class Ratio:
    """A sum over a sum; what it changes by where each unit is left out, of shape (units,); its variance, and the degrees of freedom of
    that."""

    value: float
    off: Floats
    variance: float
    freedom: float


def grouped(units: Units) -> Grouped:
    """Values of these units, of shape (n,)."""
    found, number = np.unique(units, return_inverse=True)
    return Grouped(found, number)


def ratio(above: Floats, below: Floats) -> Ratio:
    """From what units add to both sums, of shape (units,); that below is more than nothing."""
    whole, count = float(below.sum()), len(below)
    value = float(above.sum()) / whole
    off = (above - value * below) / np.where(whole > below, whole - below, np.inf)
    return Ratio(value, off, (count - 1) / count * float((off**2).sum()), freedom(below, off))


def freedom(sizes: Floats, off: Floats) -> float:
    """Of a variance between units: their effective number less one; fewer where it rests on few of them (Satterthwaite, Biometrics Bulletin
    2, 1946, with the kurtosis that they show)."""
    of_sizes = effective(sizes) - 1.0
    squares = off**2
    if not squares.any():
        return max(1.0, of_sizes)
    rests_on = float(squares.sum() ** 2 / (squares**2).sum())
    scatter = 1.0 / rests_on - 1.0 / len(off)
    return max(1.0, min(of_sizes, 2.0 / scatter if scatter > 0 else of_sizes))


def effective(sizes: Floats) -> float:
    """As many units of equal size as units of these sizes are worth (Kish, Survey Sampling, 1965)."""
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def company(sizes: Floats, n: int) -> float:
    """How many others are in the unit of a value, on average over `n` values; `sizes` of units, in any unit."""
    whole = float(sizes.sum())
    return float((sizes**2).sum()) / whole * n / whole - 1.0


@lru_cache(maxsize=4096)
def _student(tenths: int) -> float:
    return float(stdtrit(tenths / 10.0, (1.0 + CONFIDENCE) / 2.0))


def student(freedom: float) -> float:
    """What the magnitude of Student's t does not exceed with CONFIDENCE; `freedom` to a tenth."""
    return _student(round(10.0 * max(1.0, min(freedom, MANY))))
