"""Locust's own web UI with the tab and the live page in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from locust import User, task
from locust.argument_parser import parse_options
from locust.env import Environment
from locust.event import Events

import flask_login
import gevent

from reporting.live import Live
from reporting.screen import Screen
from reporting.voice import Hand, add_voice
from reporting.web import follow_to_the_end


class Idle(User):
    @task
    def idle(self) -> None:
        gevent.sleep(0.05)


class Visitor(flask_login.UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


class VoiceSite:
    """`live` is what is shown. `base`: the web UI's base path; `port`: 0 for any; `hand`: what the form does; `runs`: the
    folder of run folders."""

    def __init__(
        self,
        live: Live | None = None,
        base: str = "",
        login: bool = False,
        port: int = 0,
        hand: Hand | None = None,
        runs: Path | None = None,
    ) -> None:
        self.live = live
        arguments = (["--web-login"] if login else []) + (["--web-base-path", base] if base else [])
        options = parse_options(args=arguments)
        self.environment = Environment(user_classes=[Idle], events=Events(), parsed_options=options, host="http://127.0.0.1:1")
        self.runner = self.environment.create_local_runner()
        self.web_ui = self.environment.create_web_ui(
            "127.0.0.1", port, web_base_path=options.web_base_path, web_login=login, delayed_start=True
        )
        screen = Screen(lambda: self.live, runs)
        add_voice(self.environment, self.web_ui, screen, hand)
        follow_to_the_end(self.web_ui, screen.shown)
        if login:
            self.web_ui.app.secret_key = "only a test"
            self.web_ui.login_manager.user_loader(Visitor)
        self.client = self.web_ui.app.test_client()

    def log_in(self) -> None:
        with self.client.session_transaction() as held:
            held["_user_id"] = "me"

    def cookie(self) -> str:
        """The session's cookie of somebody who has logged in."""
        self.log_in()
        held = self.client.get_cookie("session")
        assert held is not None
        return held.value

    def asset(self, name: str, **headers: str) -> Any:
        """What the page gets when it asks for a file of its own."""
        page = self.client.get("/voice/").get_data(as_text=True)
        place = next(part for part in page.split('"') if part.endswith(f"/{name}"))
        return self.client.get(f"/voice/{place}", headers=headers)

    def close(self) -> None:
        self.runner.quit()
        if self.web_ui.server is not None:
            self.web_ui.stop()
