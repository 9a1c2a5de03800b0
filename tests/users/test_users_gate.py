"""Those who come together go through one after the other; who comes alone does not wait."""

from __future__ import annotations

import pytest

from users import gate
from users.gate import SPACING_NS, Gate


def test_those_who_come_together_are_spaced(monkeypatch: pytest.MonkeyPatch) -> None:
    t_ns = 10**12
    monkeypatch.setattr(gate, "now_ns", lambda: t_ns)
    made, spacing_s = Gate(), SPACING_NS / 1e9
    assert [made.wait_s() for _ in range(4)] == pytest.approx([0, spacing_s, 2 * spacing_s, 3 * spacing_s])


def test_who_comes_alone_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    clock_ns = iter((10**12, 10**12 + SPACING_NS, 10**12 + 5 * SPACING_NS // 2))
    monkeypatch.setattr(gate, "now_ns", lambda: next(clock_ns))
    made = Gate()
    assert [made.wait_s(), made.wait_s(), made.wait_s()] == pytest.approx([0, 0, 0])


def test_half_way_the_rest_is_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    clock_ns = iter((10**12, 10**12 + SPACING_NS // 4))
    monkeypatch.setattr(gate, "now_ns", lambda: next(clock_ns))
    made = Gate()
    assert [made.wait_s(), made.wait_s()] == pytest.approx([0, SPACING_NS * 3 / 4 / 1e9])
