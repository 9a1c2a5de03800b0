"""What `python -m scenarios` prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios import Scenario, names
from scenarios.__main__ import main
from scenarios.load import Load, Search, Stage
from scenarios.timeline import show

STAGED = Load(stages=(Stage(name="first", talkers=10, hold_s=60), Stage(name="rise", talkers=40, over_s=60)), tokens_per_s=2)


def test_the_load_is_drawn() -> None:
    rows = [line for line in show(Scenario(name="x", load=STAGED)).splitlines() if "|" in line]
    assert len(rows) == 8
    heights = [sum(row.split("|")[1].ljust(64)[column] == "#" for row in rows) for column in range(64)]
    assert heights[:32] == [2] * 32
    assert heights[32:] == sorted(heights[32:])
    assert heights[-1] == 8
    assert rows[0].strip().startswith("40 |")


def test_what_it_takes_and_costs() -> None:
    text = show(Scenario(name="x", description="why", load=STAGED, criteria=("success > 95 %",)), 0.06)
    assert text.startswith("x: why\n")
    for told in ("takes 2 min,", "costs 35 minutes of calls, 141 MB", "2.10 USD", "240 tokens", "needs 1 worker(s)", "  success > 95 %"):
        assert told in text


def test_open_arrivals_and_searches() -> None:
    calls = show(Scenario(name="x", load=Load(arrivals="poisson", calls_per_s=0.5, talkers=30, duration_s=120)))
    assert "calls a second over 120 s" in calls
    assert "60 calls begin, at most 30 at a time" in calls
    search = show(Scenario(name="x", load=Load(search=Search(least=5, most=80), duration_s=600), criteria=("success > 95 %",)))
    assert "5 at first" in search
    assert "takes at most 10 min" in search
    assert "Each step holds if" in search


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == names()


def test_all_that_come_with_it_are_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *names()]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(names())
    for name in names():
        assert main(["show", name]) == 0


def test_check_tells_each_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("load:\n  talkers: 3\ncriteria:\n  - success > 95 %\n  - e2e_latency p50 in peak < 1 s\n")
    assert main(["check", "demo", str(path), "nothing"]) == 2
    told = capsys.readouterr()
    assert told.out.startswith("demo: fine; 8 criteria, 60 s, 20 talkers at most")
    first, second = told.err.splitlines()
    assert (
        first == f"scenarios: scenario {path}, line 5: criterion 'e2e_latency p50 in peak < 1 s': no stage 'peak'; the load has no stages"
    )
    assert second.startswith("scenarios: no scenario 'nothing': there are ")


def test_show_refuses_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "demo", "--set", "load.talkers=none"]) == 2
    assert capsys.readouterr().err == "scenarios: --set load.talkers=none: load.talkers: Input should be a valid integer (found 'none')\n"


def test_a_search_without_criteria_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "demo", "--set", "criteria=[]", "--set", "load.search={}"]) == 2
    assert "a search needs criteria to keep" in capsys.readouterr().err
