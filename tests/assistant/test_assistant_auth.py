"""Tokens, the limit on minting them, and where a client may put them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant import auth
from assistant.auth import RateLimiter, TokenStore, bearer


def test_a_token_opens_sessions_until_it_expires() -> None:
    store = TokenStore()
    token = store.mint(100.0, ttl_s=10.0)
    assert token.startswith("ek_")
    assert [store.accepts(token, now) for now in (100.0, 109.9, 109.9, 110.0, 200.0)] == [True, True, True, False, False]


def test_expired_tokens_are_forgotten() -> None:
    store = TokenStore()
    old = store.mint(0.0, ttl_s=10.0)
    new = store.mint(11.0, ttl_s=10.0)
    assert not store.accepts(old, 5.0)
    assert store.accepts(new, 12.0)


@pytest.mark.parametrize("secret", [None, "", "ek_wrong", "sk-key2", "sk-k"])
def test_wrong_secrets_are_refused(secret: str | None) -> None:
    assert not TokenStore("sk-key").accepts(secret, 0.0)


def test_the_api_key_opens_sessions() -> None:
    assert TokenStore("sk-key").accepts("sk-key", 0.0)
    assert not TokenStore().accepts("sk-key", 0.0)


def test_a_client_has_a_burst_and_then_a_rate() -> None:
    limiter = RateLimiter(per_second=2.0, burst=3)
    assert [limiter.take("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limiter.take("a", 0.0) == pytest.approx(0.5)
    assert limiter.take("b", 0.0) == 0.0
    assert limiter.take("a", 0.4) == pytest.approx(0.1)
    assert limiter.take("a", 0.5) == 0.0
    assert limiter.take("a", 100.0) == 0.0


@given(st.lists(st.floats(0, 1), max_size=80))
def test_never_more_than_burst_and_rate_allow(waits: list[float]) -> None:
    limiter = RateLimiter(per_second=5.0, burst=4)
    now, taken = 0.0, 0
    for wait in waits:
        now += wait
        taken += limiter.take("a", now) == 0.0
        assert taken <= 4 + 5.0 * now + 1e-6


def test_clients_are_forgotten_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "MAX_CLIENTS", 2)
    limiter = RateLimiter(per_second=0.001, burst=1)
    assert [limiter.take(name, 0.0) for name in "abc"] == [0.0, 0.0, 0.0]
    assert limiter.take("c", 0.0) > 0.0
    assert limiter.take("a", 0.0) == 0.0


@pytest.mark.parametrize(
    ("headers", "protocols", "secret"),
    [
        ({"authorization": "Bearer ek_1"}, [], "ek_1"),
        ({"authorization": "bearer  ek_1 "}, [], "ek_1"),
        ({"authorization": "Basic ek_1"}, [], None),
        ({"authorization": "Bearer "}, [], None),
        ({}, ["realtime", "openai-insecure-api-key.ek_2"], "ek_2"),
        ({"authorization": "Bearer ek_1"}, ["openai-insecure-api-key.ek_2"], "ek_1"),
        ({}, ["realtime"], None),
    ],
)
def test_where_the_secret_is(headers: dict[str, str], protocols: list[str], secret: str | None) -> None:
    assert bearer(headers, protocols) == secret
