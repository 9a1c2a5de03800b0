"""Same seed, same plan: two runs speak the same clips in the same order and barge in at the same planned instants."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from harness import run

PLAN = ["clip", "voice", "planned_after_s"]


def plan(tmp: Path, seed: int) -> pd.DataFrame:
    """What was said, by talker, turn and kind. The last turns differ: how many there are depends on the assistant's speed."""
    done = run(tmp, "--scenario", "demo", "--users", "7", "--run-time", "20s", "--seed", str(seed))
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
