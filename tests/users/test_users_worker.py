"""What a worker does with Locust's orders, without a master; with one: tests/e2e/test_e2e_cluster.py."""

from __future__ import annotations

from locust import argument_parser

import pytest

from users import worker


def test_the_defaults_of_options_are_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    original = argument_parser.default_args_dict

    def counted() -> dict[str, object]:
        made.append(1)
        found: dict[str, object] = original()
        return found

    monkeypatch.setattr(argument_parser, "default_args_dict", counted)
    worker._know_defaults()
    worker._know_defaults()
    for _ in range(3):
        assert argument_parser.default_args_dict() == original()
    assert made == [1]
