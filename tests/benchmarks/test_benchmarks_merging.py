"""The benchmark of a master's merging merges what it says."""

from __future__ import annotations

import json

import pytest

from benchmarks import merging


def test_all_reports_are_merged_and_the_journal_does_not_fill_the_disk(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["merging", "--workers", "3", "--seconds", "8"])
    monkeypatch.setattr(merging, "_EMPTIED_S", 2)
    merging.main()
    told = json.loads(capsys.readouterr().out)
    assert told["turns"] == 3 * 8 * merging.TURNS
    assert (told["workers"], told["seconds"]) == (3, 8)
    assert 0 <= told["core_unpacking_alone"] < 1
    assert 10 < told["us_per_report"] < 20_000


def test_turns_differ() -> None:
    made = merging.turns(40)
    assert len({turn.first_audible_ns - turn.speech_offset_ns for turn in made if turn.first_audible_ns and turn.speech_offset_ns}) == 40
