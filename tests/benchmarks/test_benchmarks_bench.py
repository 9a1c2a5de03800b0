"""The benchmark: its search, medians, ratios and table on made-up runs; its command on made-up ways; and one small real run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bench, figures, rig, shown, ways
from benchmarks.figures import Measured, again, most, row, spread
from benchmarks.ways import Way

pytestmark = pytest.mark.long

FIT = Measured(1000, 40.0, cpu_percent=50.0, memory_kib=250_000, send_lateness_p99_ms=1.2, peer_busy_share=0.5, reply_share=0.5)


def run(talkers: int, **facts: Any) -> Measured:
    return replace(FIT, talkers=talkers, **facts)


def holding(limit: int) -> tuple[list[int], Callable[[int], bool]]:
    """A way that holds so many talkers; for how many it was asked, and the question."""
    asked: list[int] = []

    def holds(talkers: int) -> bool:
        asked.append(talkers)
        return talkers <= limit

    return asked, holds


@pytest.mark.parametrize("start", [1, 40, 1000, 8000])
@pytest.mark.parametrize("limit", [1, 2, 55, 400, 1237, 6000])
def test_the_search_finds_the_most_talkers_within_five_percent(limit: int, start: int) -> None:
    asked, holds = holding(limit)
    found = most(holds, start)
    assert limit * 0.95 - 1 <= found <= limit
    assert found in asked
    assert len(asked) == len(set(asked))


def test_the_search_takes_few_runs_from_a_sensible_start() -> None:
    asked, holds = holding(1300)
    most(holds, 1200)
    assert len(asked) <= 6


def test_the_search_ends_at_its_limit_and_at_none() -> None:
    assert most(lambda n: True, 3000, limit=5000) == 5000
    assert most(lambda n: True, 6000, limit=5000) == 5000
    assert most(lambda n: False, 100) == 0


@pytest.mark.parametrize("limit", [1, 2, 55, 1237])
@pytest.mark.parametrize("off", [0.8, 0.97, 1.0, 1.04, 1.3])
def test_a_search_about_an_end_that_was_found_takes_single_steps(limit: int, off: float) -> None:
    asked, holds = holding(limit)
    found = again(holds, max(1, round(limit * off)))
    assert limit * 0.95 - 1 <= found <= limit
    assert found in asked
    assert len(asked) <= (8 if abs(off - 1) > 0.1 else 3)


def test_such_a_search_ends_at_its_limit_and_at_none() -> None:
    assert again(lambda n: True, 4900, limit=5000) == 5000
    assert again(lambda n: False, 20) == 0


@pytest.mark.parametrize(
    ("facts", "short", "stalled"),
    [
        ({}, "", False),
        ({"send_lateness_p99_ms": 5.0}, "", False),
        ({"send_lateness_p99_ms": 5.26}, "send lateness p99 5.26 ms", False),
        ({"send_lateness_p99_ms": None}, "send lateness p99 - ms", False),
        ({"frames_missed": 3}, "3 frames missed", True),
        ({"frames_missed": 3, "failed": 2}, "2 failed", False),
        ({"fault": "loop_lag p99 30 ms is over 20 ms"}, "loop_lag p99 30 ms is over 20 ms", False),
    ],
)
def test_a_run_falls_short_for_one_reason(facts: dict[str, Any], short: str, stalled: bool) -> None:
    assert (run(1000, **facts).short, run(1000, **facts).stalled) == (short, stalled)


def test_the_spread_is_the_median_and_the_extremes_of_what_was_measured() -> None:
    assert spread([3.0, None, 1.0, 2.5]) == {"median": 2.5, "min": 1.0, "max": 3.0}
    assert spread([None]) == spread([]) == {"median": None, "min": None, "max": None}


def our_row() -> dict[str, Any]:
    many = [run(1000, cpu_percent=cpu, memory_kib=kib) for cpu, kib in ((55.0, 240_000), (50.0, 240_900), (52.0, 249_000))]
    few = [run(100, cpu_percent=cpu, memory_kib=kib) for cpu, kib in ((5.0, 186_000), (5.1, 186_900), (4.9, 187_000))]
    tried = [run(1200), run(1680, send_lateness_p99_ms=80.0), run(1440, frames_missed=9), run(1320)]
    return row("doubletalk", 40.0, [1400, 1320, 1250], tried, many, few)


def test_a_row_has_medians_per_talker_and_what_limits_it() -> None:
    made = our_row()
    assert (made["cpu_percent_per_talker"], made["cpu_percent_per_talker_min"], made["cpu_percent_per_talker_max"]) == (0.052, 0.05, 0.055)
    assert made["memory_kib_per_talker"] == (240_900 - 186_900) / 900 == 60.0
    assert made["cpu_growth"] == pytest.approx(0.052 / 0.050 - 1)
    assert (made["talkers_max_min"], made["talkers_max_max"]) == (1250, 1400)
    assert (made["talkers_max"], made["talkers"], made["talkers_few"]) == (1320, 1000, 100)
    assert (made["limited_by"], made["short_because"]) == ("client", "9 frames missed")
    assert len(made["rounds"]) == 6
    assert len(made["search"]) == 4


def test_a_busy_peer_is_named_as_the_limit() -> None:
    busy = [run(4000), run(5600, peer_busy_share=0.97, send_lateness_p99_ms=9.0)]
    made = row("c", 40.0, [4000], busy, [run(1000)], [])
    assert made["limited_by"] == "peer"
    assert made["memory_kib_per_talker"] is None
    assert "| >= 4,000 |" in shown.markdown(result([made]))
    assert "the peer (97 % busy)" in shown.markdown(result([made]))


def result(rows: list[dict[str, Any]]) -> dict[str, Any]:
    settings = {"rounds": 3, "seconds": 20.0}
    return {"machine": {"cores": 2}, "settings": settings, "ratios": shown.ratios(rows), "turn_cost_us": 90.4, "rows": rows}


def test_the_ratios_compare_what_was_measured_at_the_same_frame_duration() -> None:
    usual = row("usual", 40.0, [60], [], [run(60, cpu_percent=90.0)], [])
    c = row("c", 40.0, [3000], [], [run(1000, cpu_percent=30.0)], [])
    other = row("c", 20.0, [1500], [], [run(1000, cpu_percent=1.0)], [])
    told = {ratio["what"]: ratio for ratio in shown.ratios([our_row(), usual, c, other])}
    assert [ratio["value"] for ratio in told.values()] == [1320, 22.0, pytest.approx(52 / 30), pytest.approx(61.44), pytest.approx(0.04)]
    assert all(ratio["holds"] is True for ratio in told.values())
    at_20 = shown.ratios([{**our_row(), "frame_ms": 20.0, "talkers_max": 700}])
    assert {ratio["holds"] for ratio in at_20} == {None}
    assert shown.ratios([{**our_row(), "talkers_max": 999, "cpu_growth": 0.151}])[0]["holds"] is False


def test_the_page_has_the_claims_and_a_line_per_row() -> None:
    absent = row("k6", 40.0, [], [], [], [], "not installed")
    page = shown.markdown(result([our_row(), row("usual", 40.0, [80], [], [], []), absent]))
    assert "- 40 ms: full talkers on one core: 1,320 (wanted at 40 ms: at least 1,000; holds)" in page
    assert "- 40 ms: full talkers for one of the usual way: 16.5 (wanted at 40 ms: at least 20; DOES NOT HOLD)" in page
    assert "- 40 ms: CPU per talker, times the C loop's: not measured" in page
    assert "- 40 ms: growth of CPU per talker, 100 to 1,000 talkers: 4 % (wanted at 40 ms: at most 15 %; holds)" in page
    assert "| full talkers | 40 | 1,320 (1,250 to 1,400) | " in page
    assert "| 0.052 (0.05 to 0.055) | 1,000 | 60 (59 to 69) | 1.2 | 50 % | 50 % | 9 frames missed |" in page
    assert "| k6 | 40 | not installed | - | - | - | - | - | - | - |" in page


def made_up(limit: int, cpu: float) -> Callable[[int, float, float, Path], Measured]:
    """A way that holds so many talkers, each at `cpu` percent, with a stall at the first run of every number."""
    seen: set[int] = set()

    def way(talkers: int, frame_ms: float, seconds: float, out: Path) -> Measured:
        first = talkers not in seen
        seen.add(talkers)
        return replace(
            FIT, talkers=talkers, frame_ms=frame_ms, cpu_percent=2 + cpu * talkers, memory_kib=1000 + 70 * talkers,
            send_lateness_p99_ms=1.0 if talkers <= limit else 50.0, frames_missed=int(first),
        )  # fmt: skip

    return way


def test_the_command_measures_every_way_and_writes_both_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = Way(made_up(1, 1.0), 300, "no-such-tool")
    fakes = {"doubletalk": Way(made_up(1300, 0.05), 1200), "usual": Way(made_up(60, 1.5), 80), "k6": absent}
    monkeypatch.setattr(bench, "WAYS", fakes)
    monkeypatch.setattr(bench, "turn_cost_us", lambda: 90.0)
    monkeypatch.setattr(rig, "check_machine", lambda: None)
    assert bench.main(["--frames", "20,40", "--rounds", "3", "--out", str(tmp_path)]) == 0
    told = json.loads((tmp_path / "bench.json").read_text())
    by = {(r["way"], r["frame_ms"]): r for r in told["rows"]}
    assert list(by) == [("doubletalk", 20.0), ("usual", 20.0), ("doubletalk", 40.0), ("usual", 40.0), ("k6", 40.0)]
    ours, usual = by["doubletalk", 40.0], by["usual", 40.0]
    assert 1235 <= ours["talkers_max"] <= 1300
    assert 57 <= usual["talkers_max"] <= 60
    assert (ours["talkers"], ours["talkers_few"], usual["talkers"]) == (1000, 100, usual["talkers_max"])
    assert ours["cpu_percent_per_talker"] == pytest.approx(0.052)
    assert ours["memory_kib_per_talker"] == usual["memory_kib_per_talker"] == 70.0
    assert len(ours["rounds"]) == 6
    assert len(usual["rounds"]) == 4
    assert by["k6", 40.0]["note"] == "not installed"
    assert (tmp_path / "bench.md").read_text() in capsys.readouterr().out


def test_a_way_that_holds_nobody_is_measured_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "WAYS", {"doubletalk": Way(made_up(0, 0.05), 12), "usual": Way(made_up(60, 1.5), 80)})
    monkeypatch.setattr(bench, "turn_cost_us", lambda: 90.0)
    monkeypatch.setattr(rig, "check_machine", lambda: None)
    assert bench.main(["--frames", "40", "--out", str(tmp_path)]) == 0
    ours, usual = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert (ours["talkers_max"], ours["rounds"]) == (0, [])
    assert len(usual["rounds"]) == 4


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--ways", "c,rust"], "bench: --ways rust: there are doubletalk, binary, twilio, usual, c, k6, artillery"),
        (["--frames", "20,forty"], "bench: --frames 20,forty: durations in ms with commas between them, such as 20,40,100"),
        (["--frames", "15"], "bench: --frames 15: each is 10 to 200 ms, in steps of 10"),
        (["--rounds", "0"], "bench: --rounds, --talkers and --few are at least 1, --seconds 5 to 600"),
        (["--fast"], "bench: unrecognized arguments: --fast"),
    ],
)
def test_bad_input_is_told_in_a_line(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(arguments) == 2
    assert capsys.readouterr().err == line + "\n"


def test_the_default_run_takes_less_than_an_hour_and_a_quick_one_five_minutes_or_about_one_for_each_way() -> None:
    ours = ["--ways", "doubletalk,usual,c"]
    assert 30 < bench.asked(ours).estimate_s() / 60 < 60
    quick = bench.asked(["--quick"])
    assert 4 < quick.estimate_s() / 60 < 5
    assert 45 < quick.estimate_s() / len(quick.ways) < 75


@pytest.mark.skipif(not (shutil.which("cc") or shutil.which("gcc")), reason="no C compiler: the peer and the C loop cannot be built")
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores: one for the talkers, one for their peer")
def test_a_small_real_run_measures_all_three_ways(tmp_path: Path) -> None:
    arguments = ["--quick", "--talkers", "5", "--few", "5", "--seconds", "5", "--ways", "doubletalk,c,usual", "--out", str(tmp_path)]
    assert bench.main(arguments) == 0
    told = json.loads((tmp_path / "bench.json").read_text())
    assert [r["way"] for r in told["rows"]] == ["doubletalk", "c", "usual"]
    for made in told["rows"]:
        (measured,) = made["rounds"]
        assert measured["failed"] == 0, made["way"]
        assert 0 < made["cpu_percent_per_talker"] < 20
        assert 1000 < measured["memory_kib"] < 1_000_000
        assert 0 < made["send_lateness_p99_ms"] < 1000
        assert 0.2 < made["reply_share"] < 0.8
        assert 0 < made["peer_busy_share"] < figures.PEER_LIMIT
        assert made["limited_by"] == "client"
    assert 5 < told["turn_cost_us"] < 5000
    assert next((tmp_path / "runs").iterdir()).joinpath("run.json").exists()


def test_talkers_start_over_a_cycle_or_more() -> None:
    assert ways.ramp_s(5) == ways.ramp_s(400) == ways.CYCLE_S
    assert ways.ramp_s(1000) == 20.0
    assert ways.starts_per_s(100) == pytest.approx(100 / ways.CYCLE_S)
    assert ways.starts_per_s(1000) == 50.0


def test_other_wires_are_judged_at_20_ms() -> None:
    rows = [
        row("binary", 20.0, [990], [], [run(500)], []),
        row("twilio", 20.0, [510], [], [run(500)], []),
        row("twilio", 40.0, [90], [], [run(90)], []),
    ]
    found = shown.ratios(rows)
    assert [(ratio["frame_ms"], ratio["value"], ratio["target"], ratio["holds"]) for ratio in found] == [
        (20.0, 990, 1000, False),
        (20.0, 510, 500, True),
        (40.0, 90, 500, None),
    ]
    assert "20 ms: full talkers, binary PCM at 16 kHz, on one core: 990 (wanted at 20 ms: at least 1,000; DOES NOT HOLD)" in shown.markdown(
        result(rows)
    )
