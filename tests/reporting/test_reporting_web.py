"""Locust's web form, through Flask's test client on Locust's own web UI."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from locust import User, task
from locust.argument_parser import parse_options
from locust.env import Environment
from locust.event import Events

import flask_login
import gevent
import pytest

from reporting.web import check_form, follow_to_the_end

FORM = {"user_count": "1", "spawn_rate": "1", "host": "http://127.0.0.1:1", "scenario": "demmo"}


class Idle(User):
    @task
    def idle(self) -> None:
        gevent.sleep(0.05)


class Site:
    """A web UI with a form check; `faults` are raised, one per form, until there are none left."""

    def __init__(self, login: bool) -> None:
        self.forms: list[dict[str, str]] = []
        self.faults: list[Exception] = []
        options = parse_options(args=["--web-login"] if login else [])
        self.environment = Environment(user_classes=[Idle], events=Events(), parsed_options=options, host="http://127.0.0.1:1")
        self.environment.stop_timeout = 0
        self.runner = self.environment.create_local_runner()
        self.web_ui = self.environment.create_web_ui("127.0.0.1", 0, web_login=login)
        self.ending = False
        check_form(self.environment, self.web_ui, self.refuse, self.prepare, lambda: self.ending)
        follow_to_the_end(self.web_ui, lambda: None)
        self.client = self.web_ui.app.test_client()

    def refuse(self, form: Mapping[str, str]) -> None:
        if "api_key_env" in form:
            raise ValueError("api_key_env: it can be set on the command line only")

    def prepare(self, form: Mapping[str, str]) -> None:
        self.forms.append(dict(form))
        if self.faults:
            raise self.faults.pop(0)

    def swarm(self, **changes: str) -> Any:
        return self.client.post("/swarm", data={**FORM, **changes})

    @property
    def started(self) -> bool:
        gevent.sleep(0.05)
        return self.runner.state != "ready"

    def close(self) -> None:
        self.runner.quit()
        self.web_ui.stop()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(sys, "argv", ["locust"])
    made = Site(login=False)
    yield made
    made.close()


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(sys, "argv", ["locust"])
    made = Site(login=True)
    made.web_ui.app.secret_key = "only a test"
    made.web_ui.login_manager.user_loader(lambda name: Visitor(name))
    yield made
    made.close()


class Visitor(flask_login.UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


def test_what_is_wrong_is_told_in_the_form_and_nothing_starts(site: Site) -> None:
    site.faults.append(ValueError("no scenario 'demmo': there are baseline, demo"))
    reply = site.swarm()
    assert reply.status_code == 200
    told = {"success": False, "message": "no scenario 'demmo': there are baseline, demo", "host": "http://127.0.0.1:1"}
    assert reply.json == told
    assert site.forms == [FORM]
    assert not site.started


def test_a_good_form_starts_the_run_after_a_bad_one(site: Site) -> None:
    site.faults.append(ValueError("bad"))
    assert site.swarm().json["success"] is False
    assert site.swarm(scenario="demo").json["success"] is True
    assert [f["scenario"] for f in site.forms] == ["demmo", "demo"]
    assert site.started


def test_a_form_during_a_run_only_changes_the_number_of_users(site: Site) -> None:
    site.swarm()
    assert site.started
    site.faults.append(ValueError("never asked"))
    assert site.swarm(user_count="2").json["success"] is True
    assert len(site.forms) == 1
    with gevent.Timeout(20):
        while site.runner.user_count != 2:
            gevent.sleep(0.01)


def test_other_pages_are_left_alone(site: Site) -> None:
    site.faults.append(ValueError("never asked"))
    for path in ("/", "/stats/requests", "/exceptions"):
        assert site.client.get(path).status_code == 200
    assert site.client.get("/swarm").status_code == 405
    assert site.forms == []


def test_our_own_defects_are_not_taken_for_the_users(site: Site) -> None:
    site.faults.append(ZeroDivisionError("ours"))
    assert site.swarm().status_code == 500
    assert not site.started


def test_without_a_login_nothing_is_checked_or_told(guarded: Site) -> None:
    """A stranger must not make the tester call hosts, nor learn what scenarios there are."""
    guarded.faults.append(ValueError("secret of the house"))
    reply = guarded.swarm()
    assert reply.status_code == 302
    assert "/login" in reply.headers["Location"]
    assert b"secret of the house" not in reply.data
    assert guarded.forms == []
    assert not guarded.started


def test_with_a_login_it_is(guarded: Site) -> None:
    with guarded.client.session_transaction() as held:
        held["_user_id"] = "me"
    guarded.faults.append(ValueError("bad"))
    assert guarded.swarm().json == {"success": False, "message": "bad", "host": "http://127.0.0.1:1"}


@pytest.mark.parametrize(("state", "shown"), [("cleanup", "running"), ("running", "running"), ("stopped", "stopped"), ("ready", "ready")])
def test_the_page_follows_a_run_to_its_end(site: Site, state: str, shown: str) -> None:
    site.runner.state = state
    told = site.client.get("/stats/requests").json
    assert told["state"] == shown
    assert "stats" in told
    site.runner.state = "ready"


def test_the_owners_options_are_refused_in_any_state(site: Site) -> None:
    """Locust takes over what a form holds even while talkers are there: it would be the next run's."""
    assert site.swarm().json["success"]
    assert site.started
    refused = site.swarm(api_key_env="SECRET").json
    assert (refused["success"], refused["message"]) == (False, "api_key_env: it can be set on the command line only")


def test_a_run_that_is_ending_is_not_overtaken(site: Site) -> None:
    site.ending = True
    refused = site.swarm().json
    assert not refused["success"]
    assert "still ending" in refused["message"]
    assert site.forms == []
    site.ending = False
    assert site.swarm().json["success"]
