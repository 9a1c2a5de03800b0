"""The token minter's open timetable, under Locust's own runner, against a scripted HTTP server."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

from users_assistants import a_run, locust_running
from users_peers import Peer, read_http, served, until

from metrics.records import ErrorKind
from users.token_minter import TokenMinter

MS = 1_000_000


def good(peer: Peer) -> None:
    read_http(peer)
    peer.refuse("200 OK", body='{"value": "ek_1"}')


def minting(per_s: float) -> dict[str, dict[str, float]]:
    return {"load": {"tokens_per_s": per_s}}


def test_a_slow_server_does_not_slow_the_timetable(tmp_path: Path) -> None:
    def slow(peer: Peer) -> None:
        read_http(peer)
        threading.Event().wait(0.4)
        peer.refuse("200 OK", body='{"value": "ek_1"}')

    with served(slow) as server:
        run = a_run(server.host, tmp_path, minting(40), auth="token")
        with locust_running(run, TokenMinter) as (_, heard):
            until(lambda: len(heard.tokens) >= 20)
    records = sorted(heard.tokens, key=lambda r: r.intended_ns)[:20]
    assert [b.intended_ns - a.intended_ns for a, b in pairwise(records)] == [25 * MS] * 19
    assert {(r.user, r.talker, r.status, r.error_kind) for r in records} == {("token_minter", None, 200, None)}
    for record in records:
        assert record.intended_ns <= record.sent_ns
        assert record.done_ns - record.intended_ns >= 400 * MS
    assert records[0].done_ns > records[10].sent_ns, "they overlap"


def test_a_wait_for_a_connection_counts(tmp_path: Path) -> None:
    class Narrow(TokenMinter):
        concurrency = 1

    def slow(peer: Peer) -> None:
        read_http(peer)
        threading.Event().wait(0.2)
        peer.refuse("200 OK", body='{"value": "ek_1"}')

    with served(slow) as server:
        run = a_run(server.host, tmp_path, minting(20), auth="token")
        with locust_running(run, Narrow) as (_, heard):
            until(lambda: len(heard.tokens) >= 4)
    records = sorted(heard.tokens, key=lambda r: r.intended_ns)[:4]
    for i, record in enumerate(records):
        assert record.done_ns - record.intended_ns >= (200 * (i + 1) - 50 * i) * MS


def test_retry_after_is_waited_out_and_the_timetable_goes_on(tmp_path: Path) -> None:
    def busy(peer: Peer) -> None:
        read_http(peer)
        peer.refuse("429 Too Many Requests", "Retry-After: 1\r\n")

    with served(busy, good) as server:
        run = a_run(server.host, tmp_path, minting(10), auth="token")
        with locust_running(run, TokenMinter) as (_, heard):
            until(
                lambda: len([r for r in heard.tokens if r.error_kind is None and r.intended_ns > heard.tokens[0].done_ns + 1000 * MS]) >= 3
            )
    records = sorted(heard.tokens, key=lambda r: r.intended_ns)
    refused = records[0]
    assert (refused.error_kind, refused.retry_after_s) == (ErrorKind.RATE_LIMITED, 1.0)
    after = [r for r in records if r.sent_ns > refused.done_ns]
    assert after[0].intended_ns >= refused.done_ns + 990 * MS
    assert all((r.intended_ns - refused.intended_ns) % (100 * MS) == 0 for r in records)
    assert all(r.error_kind is None for r in after)


def test_it_is_stopped_at_once_however_slow_its_timetable(tmp_path: Path) -> None:
    with served(good) as server:
        run = a_run(server.host, tmp_path, minting(0.001), auth="token")
        with locust_running(run, TokenMinter, stop_timeout=600) as (runner, heard):
            until(lambda: heard.tokens)
            runner.stop()
            assert runner.user_count == 0
    assert len(heard.tokens) == 1


def test_what_is_under_way_comes_in_when_it_is_stopped(tmp_path: Path) -> None:
    asked = threading.Event()

    def slow(peer: Peer) -> None:
        read_http(peer)
        asked.set()
        threading.Event().wait(0.3)
        peer.refuse("200 OK", body='{"value": "ek_1"}')

    with served(slow) as server:
        run = a_run(server.host, tmp_path, minting(0.001), auth="token")
        with locust_running(run, TokenMinter, stop_timeout=30) as (runner, heard):
            until(asked.is_set)
            runner.stop()
            assert [r.error_kind for r in heard.tokens] == [None]


def test_nothing_to_mint(tmp_path: Path) -> None:
    with locust_running(a_run("ws://127.0.0.1:9", tmp_path, minting(0), auth="token"), TokenMinter) as (runner, heard):
        until(lambda: runner.user_count == 0)
    with locust_running(a_run("ws://127.0.0.1:9", tmp_path, minting(5), auth="none"), TokenMinter) as (runner, heard):
        until(lambda: runner.user_count == 0)
        assert heard.tokens == []
