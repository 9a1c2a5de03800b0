"""What is published is what was measured."""

from __future__ import annotations

import json

import pytest

from benchmarks.publish import BEGIN, CALIBRATION, END, ROOT, accuracy, page


def test_the_page_on_accuracy_is_what_the_shipped_calibration_says() -> None:
    text = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    assert page(text, accuracy(json.loads(CALIBRATION.read_text()))) == text, "run `python -m benchmarks.publish` after `make calibrate`"


def test_what_is_between_the_markers_is_replaced_and_nothing_else() -> None:
    once = page(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new\n")
    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert page(once, "new") == once


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END}{BEGIN}"])
def test_a_page_without_a_place_for_it(text: str) -> None:
    with pytest.raises(ValueError, match="must hold the lines"):
        page(text, "new")
