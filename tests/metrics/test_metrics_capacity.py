"""What a search says that it has found."""

from __future__ import annotations

from typing import Any

import pytest

from metrics.aggregate import Aggregate
from metrics.capacity import found, section, short, step, verdict
from metrics.criteria import judge, parse

MISSED = judge(parse("success > 95 %"), Aggregate())


def run(known: dict[str, Any] | None, wanted: int = 1) -> dict[str, Any]:
    return {"scenario": {"load": {"search": {"wanted": wanted}}}, "capacity": known}


STEPS = [step("step-1", 40, [], (3.0, 11.0)), step("step-2", 42, [MISSED], (14.5, 22.5))]


@pytest.mark.parametrize(
    ("known", "wanted", "told"),
    [
        (found(40, 42, True, STEPS), 1, "PASSED: 40 talkers keep all criteria, 42 do not (missed: success > 95 %)."),
        (found(40, None, True, STEPS), 40, "PASSED: 40 talkers keep all criteria, more were not tried."),
        (
            found(40, 42, True, STEPS),
            41,
            "FAILED: fewer than 41 talkers wanted: 40 talkers keep all criteria, 42 do not (missed: success > 95 %).",
        ),
        (
            found(40, None, False, STEPS[:1]),
            1,
            "PASSED: 40 talkers keep all criteria, more were not tried. The search was not finished: the interval is wider than asked for.",
        ),
        (None, 1, "FAILED: the search had no time for a step (load.duration_s)."),
    ],
)
def test_the_verdict(known: dict[str, Any] | None, wanted: int, told: str) -> None:
    assert verdict(run(known, wanted)) == told
    assert short(run(known, wanted)) == told.startswith("FAILED")


def test_a_step_says_from_when_to_when_it_was() -> None:
    assert [(tried["begins_s"], tried["ends_s"], tried["holds"]) for tried in STEPS] == [(3.0, 11.0, True), (14.5, 22.5, False)]


def test_what_was_tried() -> None:
    text = section(run(found(40, 42, True, STEPS)))
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[-2:]] == [
        ["1", "40", "holds", ""],
        ["2", "42", "MISSED", "success > 95 % (nothing measured)"],
    ]
