"""The token minter: a Locust user that asks for tokens at a constant rate, whatever the answers take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from locust import FastHttpUser, task
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_STOPPING

import gevent
from gevent.event import Event as Signal
from geventhttpclient.url import URL

from metrics.records import ErrorKind
from users import events
from users.clock import SECOND_NS, now_ns
from users.mint import request_grant
from users.run import Run

CLIENT = "token-minter"
_AT_ONCE = 100
"""Requests under way at the same time; more wait for a connection, and their wait counts."""


class TokenMinter(FastHttpUser):
    """Asks for `load.tokens_per_s` tokens a second on an open timetable: of the rate's integral over time, each whole step is
    a request. Waits out a Retry-After: what falls into it is not sent, and the timetable goes on where it ends."""

    concurrency = _AT_ONCE
    fixed_count = 1

    def __init__(self, environment: Any) -> None:
        self.run_: Run = environment.doubletalk
        self.ssl_context_factory = lambda **_: self.run_.tls
        self.insecure = self.run_.options.tls_insecure
        self.connection_timeout = self.network_timeout = self.run_.scenario.limits.setup_s
        self.host = self.run_.mint.base_url if self.run_.mint else self.run_.host
        super().__init__(environment)
        self._wait_until_ns = 0
        self._stopped = Signal()
        self._under_way: set[gevent.Greenlet] = set()

    def stop(self, force: bool = False) -> bool:
        """Locust's stop: nothing more is asked for; what is under way may come in, unless forced."""
        self._stopped.set()
        return bool(super().stop(force))

    @task
    def mint(self) -> None:
        """Keep the timetable until the run stops."""
        if self.run_.mint is None:
            raise StopUser
        for due_ns in self._timetable():
            if self._stopped.wait(max(0.0, (due_ns - now_ns()) / SECOND_NS)) or self._state == LOCUST_STATE_STOPPING:
                break
            if due_ns >= self._wait_until_ns:
                asked = gevent.spawn(self._ask, due_ns)
                self._under_way.add(asked)
                asked.rawlink(self._under_way.discard)
        else:
            self._stopped.wait()
        gevent.joinall(list(self._under_way), timeout=self.network_timeout)

    def _timetable(self) -> Iterator[int]:
        """When its requests are due, the first of them now."""
        rate, began_ns = self.run_.scenario.load.tokens, self.run_.began_ns
        asked = rate.until((now_ns() - began_ns) / SECOND_NS)
        while (due_s := rate.reaches(asked)) is not None:
            yield began_ns + round(due_s * SECOND_NS)
            asked += 1

    def on_stop(self) -> None:
        """Locust's: requests still under way are dropped."""
        gevent.killall(list(self._under_way), block=False)

    def _ask(self, due_ns: int) -> None:
        mint = self.run_.mint
        if mint is None:
            return
        self.run_.starts.began(due_ns)
        http = self.client.client.clientpool.get_client(URL(mint.base_url))
        _, record = request_grant(http, mint, "token_minter", CLIENT, None, due_ns)
        if record.error_kind is ErrorKind.RATE_LIMITED and record.retry_after_s:
            self._wait_until_ns = max(self._wait_until_ns, now_ns() + round(record.retry_after_s * SECOND_NS))
        events.token.fire(environment=self.environment, record=record)
