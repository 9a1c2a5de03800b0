"""What analysis costs: a command that is measured really ran, and a limit can be missed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.commands import COMMANDS
from benchmarks.afterwards import Cost, commands, measure, table
from benchmarks.made import make

FINE = Cost("report", 100_000, 20.0, 1e9, 0)


@pytest.mark.parametrize(
    ("cost", "fine"),
    [
        (FINE, True),
        (replace(FINE, code=1), True),
        (replace(FINE, code=2), False),
        (replace(FINE, wall_s=60.0), False),
        (replace(FINE, memory_bytes=2.0 * 2**30), False),
        (replace(FINE, turns=100, wall_s=9.9), True),
        (replace(FINE, turns=100, wall_s=10.0), False),
    ],
)
def test_a_command_keeps_to_its_limits_and_does_its_work(cost: Cost, fine: bool) -> None:
    assert cost.fine is fine
    assert table([cost]).splitlines()[-1].split("|")[5].strip() == ("yes" if fine else "NO")


def test_what_is_measured_are_commands_that_there_are(tmp_path: Path) -> None:
    assert {given[0] for given in commands([tmp_path, tmp_path], tmp_path)} <= COMMANDS.keys()


def test_a_command_is_measured(tmp_path: Path) -> None:
    wall_s, memory_bytes, code = measure(["summary", str(make(tmp_path / "run", 40))])
    assert code in (0, 1)
    assert wall_s > 0.1
    assert 30e6 < memory_bytes < 600e6
    assert measure(["summary", str(tmp_path)])[2] == 2
