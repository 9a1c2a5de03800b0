"""From runs to what each aggregate of each metric comes to on a side, with the session as the sampling unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from tqdm import tqdm

from analysis import measured
from analysis.compare.asked import asked
from analysis.load import Loaded
from analysis.statistics.sampled import Sampled
from metrics.metric import Metric
from metrics.records import TokenRecord, TurnKind

_RUN = 10**12
"""Numbers of sessions within a run are below it, and those of token requests above its negative."""
_ALIKE, _SHARED = 0.99, 0.5
"""Plans agree where, of the turns that both runs made, at least the one share spoke the same clip; pairs pay where they made at least the
other share of their turns both."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Whether units of A and B are pairs, what to say of it, and the sampling unit: `session`; `talker` where the talkers of both sides are
    others, as these differ, too."""

    paired: bool
    says: str
    unit: str = "session"


def pairing(runs_a: Sequence[Loaded], runs_b: Sequence[Loaded]) -> Pairing:
    """Pairs: the same seeds on both sides, and talkers that said the same in the same turns."""
    seeds = [sorted({run.info["seed"] for run in runs}) for runs in (runs_a, runs_b)]
    if seeds[0] != seeds[1]:
        says = "Not paired: the seeds differ, so the talkers do, and they are the sampling unit. With one seed far more would be seen."
        return Pairing(False, says, "talker")
    which = ["seed", "talker", "call", "turn"]
    spoken = [pd.concat([_spoken(run) for run in runs]).drop_duplicates(which) for runs in (runs_a, runs_b)]
    both = spoken[0].merge(spoken[1], on=which)
    most = max(len(one) for one in spoken)
    if not most or len(both) < _SHARED * most:
        return Pairing(False, f"Not paired: only {len(both)} of {most} turns were made on both sides.")
    if float((both["clip_x"] == both["clip_y"]).mean()) < _ALIKE:
        return Pairing(False, "Not paired: talkers said other things in the same turns (another plan or corpus).")
    return Pairing(True, f"Paired by talker and turn: {len(both)} of {most} turns were made on both sides, with the same words.")


def _spoken(run: Loaded) -> pd.DataFrame:
    turns = run.turns[run.turns["kind"] == TurnKind.UTTERANCE.value]
    return turns[["talker", "call", "turn", "clip"]].assign(seed=run.info["seed"])


def sides(
    runs_a: Sequence[Loaded], runs_b: Sequence[Loaded] | None, pairing: Pairing, quiet: bool = False
) -> Iterator[tuple[Metric, str, tuple[Sampled, ...]]]:
    """Each metric and aggregate that is compared with what it comes to in A and, unless None, in B. `pairing`: of pairs, units with one
    number in runs of one seed are one. A progress bar goes to stderr where that is a terminal, unless `quiet`."""
    both = [_numbered(runs, pairing) for runs in ([runs_a] if runs_b is None else [runs_a, runs_b])]
    for metric, aggregates in tqdm(asked(), desc="metrics", unit="", leave=False, disable=True if quiet else None):
        frames = [_values(runs, metric.name, pairing.unit) for runs in both]
        for aggregate in aggregates:
            yield metric, aggregate, tuple(measured.sampled_of(metric, frame, aggregate, pairing.unit) for frame in frames)


def pairs(metric: Metric) -> bool:
    """Whether units of such a metric can be pairs: a token request has no number that the next run's has, too."""
    return metric.record is not TokenRecord


def _numbered(runs: Sequence[Loaded], pairing: Pairing) -> list[tuple[int, Loaded]]:
    """Runs, each with what sets its units apart from those of others: its seed, by which talkers are the same, or its place."""
    seeds = sorted({run.info["seed"] for run in runs})
    alike = pairing.paired or pairing.unit == "talker"
    return [(seeds.index(run.info["seed"]) if alike else place, run) for place, run in enumerate(runs)]


def _values(runs: Sequence[tuple[int, Loaded]], name: str, unit: str) -> pd.DataFrame:
    """As `measured.values` gives them, of all runs; `unit`, a column, tells the runs' apart."""
    frames = []
    for number, run in runs:
        frame = measured.values(run, name)
        frames.append(frame.assign(**{unit: frame[unit] + number * _RUN * frame[unit].lt(0).map({True: -1, False: 1})}))
    return pd.concat(frames) if len(frames) > 1 else frames[0]
