"""What a search says that it has found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from metrics.aggregate import Aggregate
from metrics.capacity import Held, found, held, section, short, step, verdict
from metrics.criteria import Verdict, judge, parse

MISSED = judge(parse("success > 95 %"), Aggregate())


def run(known: dict[str, Any] | None, wanted: int = 1) -> dict[str, Any]:
    return {"scenario": {"load": {"search": {"wanted": wanted}}}, "capacity": known}


STEPS = [
    step("step-1", 40, [replace(MISSED, value=1.0, count=50, holds=True)], (3.0, 11.0)),
    step("step-2", 42, [MISSED], (14.5, 22.5)),
]


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


def of(*counted: tuple[str, int, bool]) -> list[Verdict]:
    """Verdicts on criteria, each with so many values."""
    return [Verdict(parse(text), 1.0 if n else None, 1.0, n, holds) for text, n, holds in counted]


@pytest.mark.parametrize(
    ("judged", "said"),
    [
        (of(("success > 95 %", 10, True), ("ttft p95 < 1 s", 10, True)), Held.HOLDS),
        (of(("success > 95 %", 10, True), ("ttft p95 < 1 s", 9, True)), Held.FEW),
        (of(("success > 95 %", 10, True), ("ttft p95 < 1 s", 9, False)), Held.FEW),
        (of(("success > 95 %", 10, False), ("ttft p95 < 1 s", 0, False)), Held.MISSED),
        (of(("success > 95 %", 9, False), ("ttft p95 < 1 s", 0, False)), Held.FEW),
        (of(("success > 95 %", 10, True), ("ttft count > 2", 3, True)), Held.HOLDS),
        (of(("success > 95 %", 10, True), ("ttft count > 5", 3, False)), Held.MISSED),
        (of(("success > 95 %", 0, False), ("ttft p95 < 1 s", 0, False)), Held.NOTHING),
    ],
)
def test_a_step_says_nothing_by_a_few_values(judged: list[Verdict], said: Held) -> None:
    assert held(judged) is said
    assert step("step-1", 5, judged, (0.0, 8.0))["holds"] is {Held.HOLDS: True, Held.FEW: None}.get(said, False)


def test_a_search_that_ended_undecided_says_so() -> None:
    known = found(40, None, False, [*STEPS[:1], step("step-2", 80, of(("success > 95 %", 9, True)), (14.5, 22.5))])
    assert known["undecided"] == 80
    assert verdict(run(known)) == (
        "PASSED: 40 talkers keep all criteria, more were not tried. The search was not finished: the interval is wider than asked for. "
        "With 80 too little was measured to say (load.search.measure_s, load.duration_s)."
    )
    assert section(run(known)).splitlines()[-1].split("|")[3].strip() == "undecided"
    assert found(40, 42, True, STEPS)["undecided"] is None


def test_a_step_says_from_when_to_when_it_was() -> None:
    assert [(tried["begins_s"], tried["ends_s"], tried["holds"]) for tried in STEPS] == [(3.0, 11.0, True), (14.5, 22.5, False)]


def test_what_was_tried() -> None:
    text = section(run(found(40, 42, True, STEPS)))
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[-2:]] == [
        ["1", "40", "holds", ""],
        ["2", "42", "MISSED", "success > 95 % (nothing measured)"],
    ]
