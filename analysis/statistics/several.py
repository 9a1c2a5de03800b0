"""Many tests at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def holm(ps: Sequence[float]) -> list[float]:
    """p values with which these tests together call any difference that is none in at most the share that is asked for, whatever they
    depend on one another (Holm, Scandinavian Journal of Statistics 6, 1979); in their order."""
    made, above = [1.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        above = max(above, min(1.0, ps[index] * (len(ps) - rank)))
        made[index] = above
    return made
