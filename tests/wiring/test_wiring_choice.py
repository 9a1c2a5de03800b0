"""What the user asked for, made one run."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from locust import User, task
from locust.env import Environment

import pytest

from scenarios import ScenarioError
from users.options import add_options
from users.run import Run
from users.talker import Talker
from users.token_minter import TokenMinter
from wiring.choice import choose, look_at, user_classes

HOST = "http://127.0.0.1:1"


class Payer(User):
    """A user class of somebody's own locustfile."""

    @task
    def pay(self) -> None:
        """Nobody starts it here."""


def asked(tmp_path: Path, text: str, *flags: str) -> Run:
    path = tmp_path / "mine.yml"
    path.write_text(text)
    parser = ArgumentParser()
    add_options(parser)
    given = parser.parse_args(["--scenario", str(path), *flags])
    run, instead = choose(Environment(host=HOST), given, None)
    assert instead == {}
    return run


@pytest.fixture
def environment() -> Environment:
    known: dict[str, type[User]] = {"Talker": Talker, "TokenMinter": TokenMinter, "Payer": Payer}
    return Environment(host=HOST, available_user_classes=known)


def test_own_user_classes_run_beside_as_many_as_are_wanted(tmp_path: Path, environment: Environment) -> None:
    run = asked(tmp_path, "load: {tokens_per_s: 1, beside: {Payer: 3}}")
    assert user_classes(environment, run) == [Talker, TokenMinter, Payer]
    assert Payer.fixed_count == 3
    assert run.others == 4


def test_without_minting_talkers_are_alone(tmp_path: Path, environment: Environment) -> None:
    assert user_classes(environment, asked(tmp_path, "load: {tokens_per_s: 1}", "--auth", "none")) == [Talker]


@pytest.mark.parametrize("name", ["Taker", "Talker"])
def test_a_user_class_that_is_not_the_locustfiles_own_is_told_with_its_line(tmp_path: Path, environment: Environment, name: str) -> None:
    run = asked(tmp_path, f"load:\n  talkers: 2\n  beside:\n    {name}: 1\n")
    with pytest.raises(ScenarioError) as told:
        user_classes(environment, run)
    assert str(told.value) == f"scenario {tmp_path}/mine.yml, line 4: no user class {name} in the locustfile (-f); there is Payer"


def test_the_web_form_comes_before_the_command_line(tmp_path: Path) -> None:
    parser = ArgumentParser()
    add_options(parser)
    form = {"host": "http://127.0.0.1:2", "seed": "7", "user_count": "5", "spawn_rate": "2", "run_time": "20s"}
    run, instead = choose(Environment(host=HOST), parser.parse_args(["--seed", "3"]), form)
    assert (run.host, run.options.seed, instead) == ("http://127.0.0.1:2", 7, {})
    assert (run.scenario.load.talkers, run.scenario.load.duration_s) == (5 - run.others, 20.0)


def test_a_target_is_looked_at_where_the_scenario_says_where(tmp_path: Path) -> None:
    assert look_at(asked(tmp_path, "load: {talkers: 1}")) is None
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:1/metrics"):
        look_at(asked(tmp_path, "target: {metrics_url: /metrics}"))
