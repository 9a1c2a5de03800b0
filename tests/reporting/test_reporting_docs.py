"""docs/run-files.md says what the run files hold, and every column has a meaning; docs/prometheus.md has every name."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics.catalog import METRICS
from metrics.records import Outcome, SessionRecord, TokenRecord, TurnRecord
from reporting import docs, prometheus_docs, run_families
from reporting.__main__ import main
from reporting.exposition import families_of
from reporting.tables import TIMELINE, schema

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = DOCS / "run-files.md"


def test_the_page_is_what_the_code_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert docs.page(text) == text, "run `make docs`"


def test_the_page_of_prometheus_is_what_the_code_says() -> None:
    text = (DOCS / "prometheus.md").read_text(encoding="utf-8")
    assert docs.page(text, prometheus_docs.tables()) == text, "run `make docs`"


def test_every_name_that_prometheus_is_told_is_on_its_page() -> None:
    told = prometheus_docs.tables()
    families = [family for metric in METRICS.values() for family in families_of(metric)]
    own = [*run_families.RUN, *run_families.LOAD, *run_families.HEALTH, *run_families.WORKER]
    assert [family.name for family in (*families, *own) if f"`{family.name}`" not in told] == []
    assert "| `underruns` | `doubletalk_underruns_numerator_total`, `doubletalk_underruns_denominator_seconds_total` |" in told
    assert "first / second × 60, in /min |" in told


@pytest.mark.parametrize("record_type", [TurnRecord, SessionRecord, TokenRecord])
def test_every_column_has_a_row_with_a_meaning(record_type: type) -> None:
    told = docs.rows(record_type)
    assert [row[0].strip("`") for row in told] == schema(record_type).names
    assert all(len(row[-1]) > 5 and row[-1].endswith(".") for row in told), [row for row in told if not row[-1].endswith(".")]


def test_rows_tell_type_unit_and_null() -> None:
    turns = {row[0]: row[1:4] for row in docs.rows(TurnRecord)}
    assert turns["`talker`"] == ("int", "", "")
    assert turns["`speech_onset_ns`"] == ("int", "ns, monotonic", "")
    assert turns["`first_audio_ns`"] == ("int", "ns, monotonic", "yes")
    assert turns["`e2e_latency_s`"] == ("float", "s", "yes")
    assert turns["`success`"] == ("float", "share", "yes")
    assert turns["`continuity`"] == ("float", "share", "yes")
    assert turns["`windows_met`"] == ("bool", "", "")
    assert turns["`worker`"] == ("text", "", "")
    sessions = {row[0]: row[1:4] for row in docs.rows(SessionRecord)}
    assert "`reconnects_per_hour`" not in sessions
    assert sessions["`started_epoch_s`"] == ("float", "s since 1970", "")
    assert sessions["`silence_duration_ms`"] == ("int", "ms", "yes")


def test_timeline_columns_are_those_of_the_table() -> None:
    text = docs.tables()
    timeline = text[text.index("## timeline.parquet") : text.index("## Values")]
    assert [line.split("`")[1] for line in timeline.splitlines() if line.startswith("| `")] == TIMELINE.names


def test_docstrings_are_read_off_the_source() -> None:
    assert docs.docstrings(TokenRecord)["intended_ns"] == "When the timetable wanted it sent."
    assert docs.docstrings(Outcome)["COMPLETED"] == "Its answer was received and played to the end."


def test_a_page_without_markers_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Run files\n")
    assert main([str(page)]) == 2
    assert "must hold the lines" in capsys.readouterr().err
    assert page.read_text() == "# Run files\n"


def test_the_command_writes_between_the_markers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{docs.BEGIN}\nold\n{docs.END}\nafter\n")
    assert main([str(page)]) == 0
    text = page.read_text()
    assert text.startswith(f"before\n{docs.BEGIN}\n\n## turns.parquet")
    assert text.endswith(f"{docs.END}\nafter\n")
    assert "\nold\n" not in text
    assert main([]) == 0
    assert capsys.readouterr().out.strip() in text
    assert main(["--prometheus", str(page)]) == 0
    assert page.read_text().startswith(f"before\n{docs.BEGIN}\n\n### The run")
