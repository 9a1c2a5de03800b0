"""How much worse is no regression."""

from __future__ import annotations

import pytest

from analysis.compare.tolerance import beyond, tolerance
from analysis.files import RunError
from metrics.catalog import METRICS


@pytest.mark.parametrize(
    ("text", "name", "value_a", "allowed"),
    [
        (None, "e2e_latency", 0.8, 0.04),
        (None, "token_mint_latency", 0.002, 0.005),
        (None, "success", 0.99, 0.01),
        (None, "delivery_rtf", 0.7, 0.035),
        ("10%", "e2e_latency", 0.8, 0.08),
        ("10%", "success", 0.99, 0.01),
        ("2pp", "success", 0.99, 0.02),
        ("50ms", "e2e_latency", 0.8, 0.05),
        ("0.1s,20%", "e2e_latency", 0.2, 0.1),
        ("e2e_latency=1%", "e2e_latency", 0.1, 0.001),
        ("e2e_latency = 1%", "tts_processing", 0.1, 0.005),
        ("success=5%", "success", 0.9, 0.045),
        ("success=3pp, underruns=50%", "underruns", 0.4, 0.2),
        ("e2e_latency=20ms", "e2e_latency", 0.8, 0.02),
    ],
)
def test_what_is_allowed(text: str | None, name: str, value_a: float, allowed: float) -> None:
    assert tolerance(text).allowed(METRICS[name], value_a) == pytest.approx(allowed)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("5", "--tolerance 5: write it as 5%"),
        ("-5%", "--tolerance -5%: write it as"),
        ("e2e=3%", "no metric 'e2e'"),
        ("e2e_latenc=3%", "did you mean e2e_latency?"),
        ("e2e_latency=3pp", "e2e_latency is no share"),
        ("success=3ms", "success is a share"),
        ("delivery_rtf=3ms", "delivery_rtf is no time"),
    ],
)
def test_a_mistake_says_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(RunError, match=told.replace("?", r"\?")):
        tolerance(text)


def test_what_is_on_the_line_is_not_beyond_it() -> None:
    assert not beyond(0.1 + 0.2, 0.3)
    assert not beyond(-0.3, 0.3)
    assert beyond(-0.31, 0.3)
