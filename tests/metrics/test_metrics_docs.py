"""docs/metrics.md is what the catalogue says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from metrics import windows
from metrics.catalog import METRICS
from metrics.docs import page

COMMITTED = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_committed_page_is_what_the_code_prints(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("metrics", run_name="__main__")
    assert capsys.readouterr().out == page()
    assert COMMITTED.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_metric_and_every_window_is_in_it() -> None:
    text = page()
    for metric in METRICS.values():
        assert text.count(f"| `{metric.name}` |") == 1
        assert metric.absent in text
    for name in (n for n in vars(windows) if n.isupper()):
        assert f"| `{name}` | {getattr(windows, name):g} s | " in text


def test_tables_are_whole() -> None:
    """As many cells in each row as in its header, and none of the text taken for markup."""
    width = None
    for line in page().splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = line.replace("\\|", "").count("|") - 1
        width = width or cells
        assert cells == width, line
        assert "<" not in line


@pytest.mark.parametrize(
    "cell",
    [
        "p50 &lt; 840 ms (SD); p95 &lt; 1200 ms (SD); p50 &lt; 800 ms (LG, good); p50 &lt; 500 ms (LG, excellent)",
        "the first 10 ms whose RMS is above -40 dBFS",
        "percentiles are by nearest rank, exact to 0.5 %",
        "lagged by more than 20 ms at p99",
    ],
)
def test_what_it_says(cell: str) -> None:
    assert cell in page()
