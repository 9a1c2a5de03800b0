"""Same seed, same plan: two runs speak the same clips in the same order and barge in at the same planned instants."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from harness import run

from scenarios.load import Load
from scenarios.rate import Arrivals

pytestmark = pytest.mark.spread

PLAN = ["clip", "voice", "planned_after_s"]


def plan(tmp: Path, seed: int) -> pd.DataFrame:
    """What was said, by talker, turn and kind. The last turns differ: how many there are depends on the assistant's speed."""
    done = run(tmp, "--scenario", "demo", "--users", "11", "--run-time", "15s", "--stop-timeout", "3", "--seed", str(seed))
    assert done.folder is not None, done.err
    return done.table("turns").set_index(["talker", "turn", "kind"])[PLAN].sort_index()


def test_same_seed_same_plan(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as at_once:
        first, again, other = at_once.map(lambda name, seed: plan(tmp_path / name, seed), ("first", "again", "other"), (5, 5, 6))
    both = first.index.intersection(again.index)
    assert len(both) > 15
    assert len(both) > 0.8 * max(len(first), len(again))
    assert (both.get_level_values("kind") == "barge_in").any()
    pd.testing.assert_frame_equal(first.loc[both], again.loc[both])
    shared = first.index.intersection(other.index)
    assert (first.loc[shared, "clip"] != other.loc[shared, "clip"]).any()


OPEN = """
load: {arrivals: poisson, calls_per_s: 1.0, talkers: 30, duration_s: 16}
conversation: {turns: 1, think_s: 0.2}
session: {silence_duration_ms: 250}
"""


def test_calls_come_in_at_the_same_instants_on_one_worker_and_on_four(tmp_path: Path) -> None:
    (tmp_path / "open.yml").write_text(OPEN)
    open_ = ["--scenario", str(tmp_path / "open.yml"), "--seed", "4", "--frame-ms", "40", "--stop-timeout", "3"]
    with ThreadPoolExecutor() as at_once:
        alone = at_once.submit(run, tmp_path / "alone", *open_, profile="ideal")
        four = at_once.submit(run, tmp_path / "four", *open_, "--processes", "4", profile="ideal")
    arrivals = Arrivals(Load(arrivals="poisson", calls_per_s=1.0, talkers=30, duration_s=16).calls, True, 4)
    planned = [instant for k in range(60) if (instant := arrivals.instant(k)) is not None and instant < 15]
    for done in (alone.result(), four.result()):
        sessions = done.table("sessions").set_index(["talker", "call"])["started_epoch_s"] - done.run["started_epoch_s"]
        missed = done.run["health"]["missed_starts"]
        due = {(k % 30, k // 30): instant for k, instant in enumerate(planned)}
        made = {key: t_s for key, t_s in sessions.items() if key in due}
        assert len(due) - missed <= len(made) <= len(due), {key: due[key] for key in due.keys() - made.keys()}
        assert len(made) >= 5
        assert all(0 <= t_s - due[key] < 1.0 for key, t_s in made.items()), "each at its instant, or not at all"
    said = [done.result().table("turns").set_index(["talker", "call"])["clip"] for done in (alone, four)]
    both = said[0].index.intersection(said[1].index)
    assert len(both) >= 5
    assert (said[0].loc[both] == said[1].loc[both]).all()
