"""What a difference comes to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.compare.asked import FOLLOWS, OWN, above, asked
from analysis.compare.causes import causes
from analysis.compare.comparison import Comparison
from analysis.compare.judge import Row, Verdict, rows
from analysis.compare.told import document
from analysis.compare.tolerance import tolerance
from analysis.document import Text
from analysis.statistics import sampled
from analysis.statistics.sampled import Sampled
from metrics.catalog import METRICS

Floats = NDArray[np.float64]
UNITS = np.repeat(np.arange(40), 5)


def times(median_s: float) -> Sampled:
    """The median of 200 values of 40 sessions, known to 2 %."""
    spread = np.random.default_rng(1).permutation(np.linspace(0.9, 1.1, 200))
    return sampled.quantile(median_s * spread, UNITS, 0.5)


def share(part: float, n: int = 200) -> Sampled:
    counted = (np.arange(n) % 100 < 100 * part).astype(float)
    return sampled.share(counted, np.ones(n), np.arange(n) % 40)


def judged(*given: tuple[str, Sampled, Sampled], only: tuple[str, ...] = (), allowed: str = "") -> dict[str, Row]:
    made = [(METRICS[name], "value" if name in ("success", "yield_rate") else "p50", a, b) for name, a, b in given]
    return {row.metric.name: row for row in rows(made, False, tolerance(allowed), only)}


@pytest.mark.parametrize(
    ("name", "a", "b", "verdict", "regressed"),
    [
        ("tts_processing", times(0.1), times(0.12), Verdict.WORSE, True),
        ("tts_processing", times(0.12), times(0.1), Verdict.BETTER, False),
        ("tts_processing", times(0.1), times(0.1), Verdict.NONE, False),
        ("tts_processing", times(0.1), times(0.104), Verdict.WORSE, False),  # 4 %: within the tolerance
        ("token_mint_latency", times(0.002), times(0.004), Verdict.WORSE, False),  # 2 ms: nobody waits for them
        ("success", share(0.99), share(0.80), Verdict.WORSE, True),
        ("success", share(0.80), share(0.99), Verdict.BETTER, False),
        ("turn_gap", times(0.1), times(0.2), Verdict.TOLD, False),  # neither good nor bad
        ("mic_capture", times(0.02), times(0.04), Verdict.TOLD, False),  # the talker's own
    ],
)
def test_verdicts(name: str, a: Sampled, b: Sampled, verdict: Verdict, regressed: bool) -> None:
    row = judged((name, a, b))[name]
    assert (row.verdict, row.regressed) == (verdict, regressed)


def test_few_values_have_no_verdict_and_say_why() -> None:
    few = sampled.share(np.ones(3), np.ones(3), np.arange(3))
    none = sampled.share(np.empty(0), np.empty(0), np.empty(0, np.int64))
    row = judged(("success", share(1.0), few))["success"]
    assert (row.verdict, row.why) == (Verdict.CANNOT, "few: n 3 in B")
    row = judged(("success", none, share(1.0)))["success"]
    assert (row.verdict, row.why) == (Verdict.CANNOT, "not measured in A: no turn was finished")
    one_session = sampled.share(np.ones(50), np.ones(50), np.zeros(50, np.int64))
    assert judged(("success", one_session, share(1.0)))["success"].why.endswith(", in A")


def test_what_neither_side_measured_is_no_row() -> None:
    none = sampled.share(np.empty(0), np.empty(0), np.empty(0, np.int64))
    assert judged(("success", none, none)) == {}


def test_only_the_metrics_that_are_asked_for_are_judged() -> None:
    found = judged(("tts_processing", times(0.1), times(0.2)), ("llm_ttft", times(0.1), times(0.2)), only=("llm_ttft",))
    assert (found["tts_processing"].verdict, found["llm_ttft"].verdict) == (Verdict.TOLD, Verdict.WORSE)


def test_each_table_is_corrected_by_itself() -> None:
    stages = [(name, times(0.1), times(0.1)) for name in ("llm_ttft", "tts_processing", "asr_processing")]
    found = judged(*stages, ("e2e_latency", times(0.5), times(0.51)), ("success", share(0.99), share(0.95)))
    assert found["e2e_latency"].p == pytest.approx(4 * (found["e2e_latency"].difference.p or 0.0))
    assert found["success"].p == found["success"].difference.p
    alone = judged(("e2e_latency", times(0.5), times(0.51)))["e2e_latency"]
    assert alone.least == pytest.approx(alone.difference.least)
    assert (found["e2e_latency"].least or 0.0) == pytest.approx(1.19 * (alone.least or 0.0), rel=0.01)  # (2.498 + 0.842) / (1.960 + 0.842)


def test_the_stage_that_moved_is_the_cause_and_what_spans_it_follows() -> None:
    moved = ["tts_processing", "time_to_first_audio", "e2e_latency", "ttft", "delivery_rtf"]
    found = judged(*((name, times(0.5), times(0.7)) for name in moved), ("llm_ttft", times(0.5), times(0.5)))
    told = {cause.row.metric.name: [metric.name for metric in cause.follow] for cause in causes(list(found.values()))}
    assert told == {
        "tts_processing": ["time_to_first_audio", "e2e_latency"],
        "ttft": ["time_to_first_audio", "e2e_latency"],
        "delivery_rtf": [],
    }


def test_nothing_follows_from_what_moved_the_other_way_or_within_the_tolerance() -> None:
    found = judged(
        ("tts_processing", times(0.5), times(0.4)), ("llm_ttft", times(0.5), times(0.51)), ("e2e_latency", times(1.0), times(1.3))
    )
    assert [(cause.row.metric.name, cause.verdict.value, cause.follow) for cause in causes(list(found.values()))] == [
        ("e2e_latency", "worse", ()),
        ("tts_processing", "better", ()),
    ]


def test_what_follows_from_what_names_metrics_and_never_goes_in_a_circle() -> None:
    assert {*FOLLOWS, *(one for ones in FOLLOWS.values() for one in ones), *OWN} <= METRICS.keys()
    assert not [name for name in FOLLOWS if name in above(name)]
    assert above("success") >= {"e2e_latency", "llm_ttft", "uplink_network", "session_success"}


def test_each_metric_is_compared_by_the_aggregates_that_have_targets() -> None:
    found = {metric.name: aggregates for metric, aggregates in asked()}
    assert found["ttft"] == ("mean", "p50", "p95")
    assert (found["e2e_latency"], found["success"]) == (("p50", "p95"), ("value",))
    assert not [name for name in found if METRICS[name].table == "target"]


def test_a_difference_of_the_talkers_is_told_apart() -> None:
    found = judged(("mic_capture", times(0.02), times(0.04)), ("tts_processing", times(0.1), times(0.1)))
    made = Comparison("a", "b", (), (), "", tolerance(None), tuple(found.values()))
    assert ([row.metric.name for row in made.own], made.regressions, made.code) == (["mic_capture"], [], 0)
    lead = [block.text for block in document(made).lead if isinstance(block, Text)]
    assert any("these are the tester's, not the assistant's" in text for text in lead)


def test_without_a_regression_it_says_what_would_have_been_seen() -> None:
    found = judged(("e2e_latency", times(0.5), times(0.5)), allowed="1%,1ms")
    made = Comparison("a", "b", (), (), "", tolerance("1%,1ms"), tuple(found.values()))
    told = next(block.text for block in document(made).lead if isinstance(block, Text))
    least = (found["e2e_latency"].least or 0.0) / 0.5
    assert told.startswith("**No regression seen in 1 metrics.** These runs would have shown: End-to-end latency p50 by ")
    assert f"takes about {math.ceil((least / 0.01) ** 2)} times as many sessions" in told


def test_where_nothing_can_be_judged_it_says_so() -> None:
    few = sampled.share(np.ones(3), np.ones(3), np.arange(3))
    made = Comparison("a", "b", (), (), "", tolerance(None), tuple(judged(("success", few, few)).values()))
    assert any("CANNOT TELL" in block.text for block in document(made).lead if isinstance(block, Text))
    assert made.code == 2, "a check must not pass on runs that say nothing"


def test_only_what_is_asked_for_decides() -> None:
    few, many = sampled.share(np.ones(3), np.ones(3), np.arange(3)), sampled.share(np.ones(300), np.ones(300), np.arange(300))
    both = tuple(judged(("success", few, few), ("continuity", many, many)).values())
    assert Comparison("a", "b", (), (), "", tolerance(None), both).code == 0
