"""Looks at the target while a run goes on: asks its `/metrics` and its health page in a greenlet of its own, beside the talkers."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import gevent
from gevent import Timeout
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError
from geventhttpclient.url import URL

from reporting.readings import Reader, Reading, Wanted

logger = logging.getLogger(__name__)

BODY_MAX = 4 * 1024 * 1024
"""Bytes of an answer; one that is longer is not read."""
_AHEAD_S = 0.5
"""Looks begin so long before the second ends that they are to be a part of."""
_HEADERS = {"Accept": "text/plain;version=0.0.4, */*;q=0.1"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the target tells of itself, None: not at all; how often it is asked, how long an answer may take (s), and what is sought."""

    metrics_url: str | None
    health_url: str | None
    every_s: float
    timeout_s: float
    wanted: Wanted
    tls: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Look:
    """One look. `error`: why it is not `up`; None where it is."""

    up: bool
    reading: Reading
    error: str | None = None


class Target:
    """Of one run. `now_ns` reads the monotonic clock. Raises ValueError for a series that is not written as one."""

    def __init__(self, place: Place, now_ns: Callable[[], int]) -> None:
        self._place = place
        self._now_ns = now_ns
        try:
            self._reader = Reader(place.wanted)
        except ValueError as error:
            raise ValueError(f"target: {error}") from None
        self._pages = {url: _client(url, place) for url in (place.health_url, place.metrics_url) if url is not None}
        self._latest: Look | None = None
        self._error: str | None = None
        self._looking: gevent.Greenlet | None = None

    def check(self) -> None:
        """Raises ValueError with one line where it cannot be read, or lacks a latency that is wanted."""
        text = ""
        for url in self._pages:
            try:
                text = self._ask(url)
                if url == self._place.metrics_url:
                    self._reader.read(text, self._now_ns() / 1e9)
            except ValueError as error:
                raise ValueError(f"target: {url} cannot be read: {error}; is it right (target.metrics_url, target.health_url)?") from None
        if self._place.metrics_url is None:
            return
        missing = self._reader.missing(text)
        lacking = [what for what in missing if what.startswith("latencies.")]
        if lacking:
            raise ValueError(f"target: {self._place.metrics_url} has no series for {'; '.join(lacking)}: look at what it shows")
        if missing:
            logger.warning("target: %s has no series for %s: they will be absent", self._place.metrics_url, "; ".join(missing))

    def start(self, started_ns: int) -> None:
        """Look from now on, until `stop`; the run's seconds are counted from `started_ns`."""
        self._looking = gevent.spawn(self._look_again_and_again, started_ns)

    def stop(self) -> None:
        """Look no more, until it is started again."""
        if self._looking is not None:
            self._looking.kill()
        for url in self._pages:
            self._begin_anew(url)

    def latest(self) -> Look | None:
        """The last look, once; None where there was none since."""
        look, self._latest = self._latest, None
        return look

    def _look_again_and_again(self, started_ns: int) -> None:
        number = 0
        while True:
            passed_s = (self._now_ns() - started_ns) / 1e9
            number = max(number + 1, int((passed_s + _AHEAD_S) // self._place.every_s) + 1)
            gevent.sleep(max(0.0, number * self._place.every_s - _AHEAD_S - passed_s))
            self._latest = look = self._look()
            if look.error != self._error:
                logger.warning("target: %s", look.error or "it can be read again")
                self._error = look.error

    def _look(self) -> Look:
        reading = Reading()
        url = ""
        try:
            for url in self._pages:
                text = self._ask(url)
                if url == self._place.metrics_url:
                    reading = self._reader.read(text, self._now_ns() / 1e9)
        except ValueError as error:
            return Look(False, reading, f"{url} cannot be read: {error}")
        return Look(True, reading)

    def _ask(self, url: str) -> str:
        """The body of what it answers. Raises ValueError where that is no success, too long, or late."""
        limit = Timeout(self._place.timeout_s)
        try:
            with limit:
                response = self._pages[url].request("GET", URL(url).request_uri, headers=_HEADERS)
                body = bytes(response.read(BODY_MAX + 1))
        except (Timeout, TimeoutError) as error:
            self._begin_anew(url)
            if isinstance(error, Timeout) and error is not limit:
                raise
            raise ValueError(f"no answer within {self._place.timeout_s:g} s (target.timeout_s)") from None
        except ssl.SSLCertVerificationError as error:
            raise ValueError(f"its TLS certificate is not trusted: {error.verify_message} (--tls-ca, --tls-insecure)") from None
        except OSError as error:
            self._begin_anew(url)
            raise ValueError(str(error.strerror or error)[:120] or type(error).__name__) from None
        except (HTTPParseError, ValueError) as error:
            self._begin_anew(url)
            raise ValueError(f"it does not speak HTTP: {str(error)[:80]}") from None
        if len(body) > BODY_MAX:
            self._begin_anew(url)
            raise ValueError(f"its answer is longer than {BODY_MAX // 1024**2} MiB")
        if not 200 <= response.status_code < 300:
            raise ValueError(f"HTTP status {response.status_code}")
        return body.decode("utf-8", "replace")

    def _begin_anew(self, url: str) -> None:
        """With another connection: what is left of an answer on this one would be taken for the next."""
        self._pages[url].close()
        self._pages[url] = _client(url, self._place)


def _client(url: str, place: Place) -> HTTPClient:
    parts = URL(url)
    secure = parts.scheme == "https"
    return HTTPClient(
        parts.host,
        parts.port,
        ssl=secure,
        ssl_context_factory=(lambda **_: place.tls) if secure else None,
        insecure=place.tls.verify_mode is ssl.CERT_NONE,
        connection_timeout=place.timeout_s,
        network_timeout=place.timeout_s,
        block_size=65536,
    )
