"""The turns of several runs as one table, with what they are grouped by.

Columns of `Pool.turns`, a row per utterance, barge-in and false alarm of all runs:

- `run`: int, place of its run in `Pool.runs`; `row`: index in that run's turns.
- `session`: int, the sampling unit. Runs of one sweep that share a seed meet the same talkers: a call of theirs is one unit in all of them.
- `part` (empty for a false alarm), `network`, `accent`, `noise`, `system`: text, what the tables are grouped by (`GROUPS`).
- one column per axis of a sweep, under the axis's name: text; empty where the run belongs to no sweep that varies it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import measured, words
from analysis.files import RunError
from analysis.frames import APART
from analysis.load import Loaded, load
from analysis.sweep import manifest
from metrics.catalog import METRICS

PARTS = ("greeting", "query", "interruption", "closing")
"""Of a conversation: a call's first turn; a later utterance, after the answer was heard out; one that interrupts the answer; and the last
turn of a call that the talker ended. A call of one turn is a greeting."""
QUIET, DIRECT = "quiet", "direct"
"""Who has no noise around it, and no network profile."""
GROUPS = {
    "part": "stage of the conversation",
    "network": "network profile",
    "accent": "accent or voice",
    "noise": "noise",
    "system": "system",
}
"""The columns that turns are always grouped by, and how tables call them."""


@dataclass(frozen=True, slots=True)
class Member:
    """A run, and how the tables call its system (empty: all are one). Of a run of a sweep: `settings`, the value of each axis as text;
    `axes`, the values that each had in all; `talkers`, the same text where the same talkers called."""

    run: Loaded
    system: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    axes: dict[str, list[str]] = field(default_factory=dict)
    talkers: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """`members`: the runs; `left_out`: those that are not valid; `axes`: what sweeps varied, with the values as texts in the author's
    order."""

    members: tuple[Member, ...]
    left_out: tuple[Member, ...]
    axes: dict[str, list[str]]
    turns: pd.DataFrame

    def levels(self, column: str) -> list[str]:
        """The values of a column that tables are grouped by, the one that others are compared with first; none where all are alike."""
        there = set(self.turns[column]) - {""}
        known = self.axes.get(column) or {"part": ["query", *PARTS], "network": [DIRECT], "noise": [QUIET]}.get(column, [])
        first = [level for level in dict.fromkeys(known) if level in there]
        order = self.turns[column].value_counts()
        rest = sorted(there - set(first), key=lambda level: (-order[level], level))
        if column == "system":
            rest = [m.system for m in self.members if m.system in there]
        found = list(dict.fromkeys([*first, *rest]))
        return found if len(found) > 1 else []

    def values(self, name: str) -> pd.DataFrame:
        """`measured.values` of a metric of turns in all runs, with the index of `turns` and its `session`."""
        return self._gathered(lambda run: measured.values(run, name))

    def words(self) -> pd.DataFrame:
        """Word errors as `numerator` over words spoken as `denominator`, with the index of `turns` and its `session`."""
        return self._gathered(words.counted)

    def _gathered(self, values: Callable[[Loaded], pd.DataFrame]) -> pd.DataFrame:
        parts = []
        for place, member in enumerate(self.members):
            found = values(member.run)
            mine = self.turns[self.turns["run"] == place]
            kept = mine[mine["row"].isin(found.index)]
            parts.append(found.loc[kept["row"]].drop(columns="session").set_axis(kept.index))
        made = pd.concat(parts)
        return made.assign(session=self.turns.loc[made.index, "session"])


def members(texts: Sequence[str]) -> list[Member]:
    """The runs that these name: a run's folder, a sweep's, or a folder of runs, each with `SYSTEM=` in front where it is a system of its
    own. Raises RunError."""
    found: list[Member] = []
    for text in texts:
        label, equals, path = text.partition("=")
        folder = Path(path if equals else text)
        for member in _members(folder, label if equals else ""):
            if all(member.run.path.resolve() != other.run.path.resolve() for other in found):
                found.append(member)
    return found


def pool(given: Sequence[Member], invalid_too: bool = False) -> Pool:
    """The turns of these runs. Raises RunError where none of them is valid, unless those count too."""
    kept = [member for member in given if invalid_too or member.run.info["valid"]]
    left_out = [member for member in given if member not in kept]
    if not kept:
        raise RunError(f"{given[0].run.path}: no run is valid: the tester was not fit to measure; --invalid shows the numbers all the same")
    axes: dict[str, list[str]] = {}
    for axis, value in ((axis, value) for member in kept for axis, values in member.axes.items() for value in values):
        if value not in axes.setdefault(axis, []):
            axes[axis].append(value)
    axes = {axis: values for axis, values in axes.items() if len({m.settings.get(axis, "") for m in kept} - {""}) > 1}
    shared = {name: number for number, name in enumerate(dict.fromkeys(m.talkers or str(m.run.path) for m in kept))}
    parts = [_turns(place, member, shared[member.talkers or str(member.run.path)], list(axes)) for place, member in enumerate(kept)]
    return Pool(tuple(kept), tuple(left_out), axes, pd.concat(parts, ignore_index=True))


def _members(folder: Path, system: str) -> list[Member]:
    if (folder / manifest.FILE).exists():
        sweep = manifest.read(folder)
        cells = manifest.done(sweep)
        if not cells:
            raise RunError(f"{folder}: no run of the sweep is done yet")
        axes = {axis: [manifest.shown(value) for value in values] for axis, values in sweep.axes.items()}
        return [
            Member(
                load(folder / str(cell.folder)),
                system,
                {axis: manifest.shown(value) for axis, value in cell.settings.items()},
                axes,
                f"{folder.resolve()} {cell.seed}",
            )
            for cell in cells
        ]
    below = [] if (folder / "run.json").exists() else sorted(path.parent for path in folder.glob("*/run.json"))
    return [Member(load(path), system) for path in below or [folder]]


def _turns(place: int, member: Member, talkers: int, axes: Sequence[str]) -> pd.DataFrame:
    turns = member.run.turns
    personas = member.run.info["scenario"]["personas"]
    accents = {persona["name"]: persona["accent"] for persona in personas if persona["accent"]}
    noises = {persona["name"]: f"{persona['noise']['snr_db']:g} dB" for persona in personas if persona["noise"]}
    made = pd.DataFrame(
        {
            "run": place,
            "row": turns.index,
            "session": talkers * APART + turns["session"].to_numpy(np.int64),
            "part": _parts(member.run),
            "network": turns["network"].astype(object).fillna(DIRECT).to_numpy(),
            "accent": turns["persona"].map(accents).astype(object).fillna(turns["voice"]).to_numpy(),
            "noise": turns["persona"].map(noises).astype(object).fillna(QUIET).to_numpy(),
            "system": member.system,
        }
    )
    return made.assign(**{axis: member.settings.get(axis, "") for axis in axes})


def _parts(run: Loaded) -> NDArray[np.object_]:
    turns = run.turns
    ended = run.sessions.loc[run.sessions["outcome"] == "hung_up", "session"]
    last = turns["turn"] == turns.groupby("session")["turn"].transform("max")
    chosen: NDArray[np.object_] = np.select(
        [turns["kind"] == "false_alarm", turns["turn"] == 0, last & turns["session"].isin(ended), turns["kind"] == "barge_in"],
        ["", "greeting", "closing", "interruption"],
        "query",
    ).astype(object)
    return chosen


LATENCIES = [metric for metric in METRICS.values() if metric.code == "E2E" or (metric.code[:1] == "L" and metric.code[1:].isdecimal())]
"""End-to-end latency, and L1 to L9."""
