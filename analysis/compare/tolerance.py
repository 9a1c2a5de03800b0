"""How much worse a metric may be before it is a regression: `5%,20ms,1pp,e2e_latency=10%`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from difflib import get_close_matches

from analysis.files import RunError
from metrics.catalog import METRICS
from metrics.metric import Metric, Unit, show

DEFAULT = "5%,5ms,1pp"
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(%|pp|ms|s)")
_SCALES = {"%": 0.01, "pp": 0.01, "ms": 0.001, "s": 1.0}
_WRITE = "write it as 5%, 20ms, 1pp or e2e_latency=10%, with commas between several"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """`share`: of the value in A, for all but shares; `least_s`: and for times at least so many seconds; `points`: for shares, as a share.
    `own`: of single metrics instead, by name: a number, and whether it is a share of the value in A."""

    share: float
    least_s: float
    points: float
    own: dict[str, tuple[float, bool]] = field(default_factory=dict)

    def allowed(self, metric: Metric, value_a: float) -> float:
        """How far B may be off such a value of A, in the metric's unit."""
        if metric.name in self.own:
            amount, relative = self.own[metric.name]
            return amount * abs(value_a) if relative else amount
        if metric.unit is Unit.SHARE:
            return self.points
        return max(self.share * abs(value_a), self.least_s if metric.unit is Unit.SECONDS else 0.0)

    def told(self) -> str:
        """As documents say it."""
        points = f"{self.points * 100:g} percentage points"
        said = f"{self.share * 100:g} %, for times at least {show(self.least_s, Unit.SECONDS)}, for shares {points}"
        for name, (amount, relative) in self.own.items():
            said += f"; {name} {f'{amount * 100:g} %' if relative else _plain(METRICS[name], amount)}"
        return said


def _plain(metric: Metric, amount: float) -> str:
    return f"{amount * 100:g} percentage points" if metric.unit is Unit.SHARE else show(amount, metric.unit)


def tolerance(text: str | None) -> Tolerance:
    """What is written, and what is not as DEFAULT has it. Raises RunError, with what is allowed."""
    general: dict[str, float] = {}
    own: dict[str, tuple[float, bool]] = {}
    for part in f"{DEFAULT},{text or ''}".split(","):
        if not part.strip():
            continue
        name, equals, written = (word.strip() for word in part.rpartition("="))
        match = _AMOUNT.fullmatch(written)
        if not match:
            raise RunError(f"--tolerance {part.strip()}: {_WRITE}")
        kind, amount = match[2], float(match[1]) * _SCALES[match[2]]
        if not equals:
            general["ms" if kind == "s" else kind] = amount
            continue
        if name not in METRICS:
            near = get_close_matches(name, METRICS, 1)
            raise RunError(f"--tolerance {part.strip()}: no metric {name!r}{f'; did you mean {near[0]}?' if near else ''}")
        _suits(METRICS[name], kind, part.strip())
        own[name] = amount, kind == "%"
    return Tolerance(general["%"], general["ms"], general["pp"], own)


def _suits(metric: Metric, kind: str, part: str) -> None:
    share = metric.unit is Unit.SHARE
    if (kind == "pp" and not share) or (kind in ("ms", "s") and metric.unit is not Unit.SECONDS):
        raise RunError(f"--tolerance {part}: {metric.name} is {'a share' if share else f'no {_NAMES[kind]}'}: {_WRITE}")


_NAMES = {"pp": "share", "ms": "time", "s": "time"}


def beyond(effect: float, allowed: float) -> bool:
    """Whether an effect, to either side, is more than is allowed; what is on the line is not."""
    return abs(effect) > allowed and not math.isclose(abs(effect), allowed, rel_tol=1e-9)
