"""Locust's web UI: what is wrong with the form is told in it, and a run is followed to its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from locust.runners import STATE_CLEANUP, STATE_RUNNING, STATE_SPAWNING, STATE_STOPPED

import gevent.socket
from flask import Response, jsonify, request
from flask_login import current_user
from gevent.lock import Semaphore
from werkzeug.datastructures import ImmutableMultiDict

from reporting.live import Live


def check_port(host: str, port: int) -> None:
    """Raises ValueError where Locust's page cannot be served there: Locust would tell with a traceback, after the start."""
    with gevent.socket.socket(gevent.socket.AF_INET6 if ":" in host else gevent.socket.AF_INET) as probe:
        probe.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ValueError(f"the web UI cannot be served on {host or '*'}:{port}: {error.strerror}; choose another --web-port") from None


def check_form(
    environment: Any,
    web_ui: Any,
    refuse: Callable[[Mapping[str, str]], None],
    prepare: Callable[[Mapping[str, str]], Mapping[str, str]],
    under_way: Callable[[], bool],
) -> None:
    """Check the form before Locust sees it; where `refuse` or `prepare` raises ValueError, its text is shown and nothing starts.

    `refuse` sees every form: Locust takes over whatever options one holds. `prepare` makes a run ready, and returns what fields of Locust's
    are to be instead; a form that comes while talkers are there only changes their number. A run that is still ending (`under_way` tells)
    must not be overtaken by the next.
    """
    starting = Semaphore(1)

    def check(form: Mapping[str, str]) -> Mapping[str, str]:
        refuse(form)
        if environment.runner is not None and environment.runner.state in (STATE_SPAWNING, STATE_RUNNING):
            return {}
        if not starting.acquire(blocking=False):
            raise ValueError("another run is being started")
        try:
            if under_way():
                raise ValueError("the last run is still ending: its talkers finish their turns")
            return prepare(form)
        finally:
            starting.release()

    def _check() -> Response | None:
        if request.endpoint != "locust.swarm":
            return None
        if environment.parsed_options.web_login and not current_user.is_authenticated:
            return None
        try:
            instead = check(request.form)
        except ValueError as error:
            return jsonify({"success": False, "message": str(error), "host": environment.host})
        if instead:
            request.form = ImmutableMultiDict({**request.form, **instead})
        return None

    web_ui.app.before_request(_check)


def follow_to_the_end(web_ui: Any, shown: Callable[[], Live | None]) -> None:
    """Keep the page's numbers moving until they are those of the run files.

    The page stops asking as soon as it sees the state `cleanup` or `stopped`, and then shows what it has for good; while talkers finish
    their turns, and until the run that `shown` gives is over, it is told `running`. What Locust remembers for two seconds of the run before
    is forgotten when the next one starts.
    """
    statistics = web_ui.app.view_functions["locust.request_stats"]
    web_ui.environment.events.test_start.add_listener(lambda **_: statistics.clear_cache())

    def _follow(response: Response) -> Response:
        told = response.json if request.endpoint == "locust.request_stats" and response.is_json else None
        live = shown()
        if told and (told.get("state") == STATE_CLEANUP or (told.get("state") == STATE_STOPPED and live and live.under_way)):
            response.set_data(json.dumps({**told, "state": STATE_RUNNING}))
        return response

    web_ui.app.after_request(_follow)
