"""From runs to what each aggregate of each metric comes to on a side, with the session as the sampling unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from analysis import measured
from analysis.compare.asked import asked
from analysis.load import Loaded
from analysis.statistics import difference
from analysis.statistics.difference import MOST_UNITS, Side
from metrics.metric import Metric, Shape
from metrics.records import TokenRecord, TurnKind

Keys = NDArray[np.int64]
_RUN, _TOKENS = 10**12, 5 * 10**11
"""A session's number within its run is below the one, that of a token request is counted from the other."""
_ALIKE, _SHARED = 0.99, 0.5
"""Plans agree where of the turns that both runs made at least the one share spoke the same clip; pairs pay where they made at least the other
share of their turns both."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Whether sessions of A and B are pairs, and what to say of it."""

    paired: bool
    says: str


def pairing(runs_a: Sequence[Loaded], runs_b: Sequence[Loaded]) -> Pairing:
    """Pairs: the same seeds on both sides, and talkers that said the same in the same turns."""
    seeds = [sorted({run.info["seed"] for run in runs}) for runs in (runs_a, runs_b)]
    if seeds[0] != seeds[1]:
        return Pairing(False, "Not paired: the seeds differ, so the talkers do. With one seed less would be left to chance.")
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
    runs_a: Sequence[Loaded], runs_b: Sequence[Loaded] | None, paired: bool, quiet: bool = False
) -> Iterator[tuple[Metric, str, tuple[Side, ...]]]:
    """Each metric and aggregate that is compared with what it comes to in A and, unless None, in B. `paired`: sessions with the same number
    in runs of the same seed are drawn together. A progress bar goes to stderr where that is a terminal, unless `quiet`."""
    both = [runs_a] if runs_b is None else [runs_a, runs_b]
    sampled = {tokens: _sampled(both, tokens, paired and not tokens) for tokens in (False, True)}
    for metric, aggregates in tqdm(asked(), desc="metrics", unit="", leave=False, disable=True if quiet else None):
        of_each = [_of(metric, aggregates, sample) for sample in sampled[metric.record is TokenRecord]]
        for aggregate, *made in zip(aggregates, *of_each, strict=True):
            yield metric, aggregate, tuple(made)


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """One side: its runs, with the number that their sessions begin with, and all sessions, in order."""

    runs: Sequence[tuple[int, Loaded]]
    universe: Keys
    drawn: NDArray[np.float32]

    def values(self, name: str) -> tuple[pd.DataFrame, NDArray[np.intp], int]:
        """Values of a metric, the unit of each, and how many sessions they are of."""
        frames = [measured.values(run, name) for _, run in self.runs]
        keys = np.concatenate([_keys(number, frame["session"]) for (number, _), frame in zip(self.runs, frames, strict=True)])
        units = np.searchsorted(self.universe, keys) % self.drawn.shape[1]
        return pd.concat(frames), units, len(np.unique(keys))


def _sampled(both: Sequence[Sequence[Loaded]], tokens: bool, paired: bool) -> list[_Sample]:
    numbered = []
    for runs in both:
        seeds = sorted({run.info["seed"] for run in runs})
        numbered.append([(seeds.index(run.info["seed"]) if paired else number, run) for number, run in enumerate(runs)])
    universes = [np.unique(np.concatenate([_all(number, run, tokens) for number, run in runs])) for runs in numbered]
    if paired:
        universes = [np.unique(np.concatenate(universes))] * len(universes)
    drawn = [difference.draws(max(1, min(len(one), MOST_UNITS)), 0 if paired else side) for side, one in enumerate(universes)]
    return [_Sample(*one) for one in zip(numbered, universes, drawn, strict=True)]


def _all(number: int, run: Loaded, tokens: bool) -> Keys:
    if tokens:
        return _keys(number, pd.Series(-1 - np.arange(len(run.tokens))))
    return _keys(number, pd.concat([run.sessions["session"], run.turns["session"]]))


def _keys(number: int, sessions: pd.Series) -> Keys:
    of_run = sessions.to_numpy(np.int64)
    made: Keys = number * _RUN + np.where(of_run < 0, _TOKENS - of_run, of_run)
    return made


def _of(metric: Metric, aggregates: Sequence[str], sample: _Sample) -> list[Side]:
    """The aggregates, in their order: the mean of a distribution stands first."""
    frame, units, sessions = sample.values(metric.name)
    if metric.shape is Shape.RATIO:
        above, below = frame["numerator"].to_numpy(float), frame["denominator"].to_numpy(float)
        return [difference.ratio(above, below, units, sample.drawn, sessions, counts=not metric.weighed)]
    values = frame["value"].to_numpy(float)
    means = [difference.ratio(values, np.ones_like(values), units, sample.drawn, sessions, counts=False) for a in aggregates if a == "mean"]
    qs = [float(aggregate.removeprefix("p")) / 100.0 for aggregate in aggregates if aggregate != "mean"]
    return means + difference.quantiles(values, units, sample.drawn, sessions, qs)
