"""Options on Locust's own command line and web form."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from locust.argument_parser import get_empty_argument_parser, setup_parser_arguments

import pytest

from scenarios import ScenarioError
from users.options import add_options, apply_load, check_load, options_from, refuse_owners
from users.run import Options, Run, make_run


def parser() -> Any:
    """Locust's parser, with our options."""
    made = get_empty_argument_parser(default_config_files=[])
    setup_parser_arguments(made)
    add_options(made)
    return made


def test_they_are_a_group_of_their_own() -> None:
    text = parser().format_help()
    part = text[text.index("Doubletalk:") :]
    for name in ("--scenario", "--dialect", "--frame-ms", "--corpus", "--seed", "--auth", "--token-path", "--api-key-env", "--tls-ca"):
        assert name in part
    assert "--tls-insecure" in part
    assert "--runs" in part


def test_defaults_are_those_of_options() -> None:
    assert options_from(parser().parse_args([]), None) == Options()


def test_the_command_line() -> None:
    line = ["--scenario", "demo", "--frame-ms", "40", "--seed", "-3", "--tls-insecure", "--auth", "key", "--corpus", "clips", "--runs", "r"]
    parsed = parser().parse_args(line)
    chosen = options_from(parsed, "http://x")
    assert chosen == Options("demo", "http://x", frame_ms=40.0, corpus="clips", seed=-3, auth="key", tls_insecure=True)
    assert parsed.runs == "r"


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOUBLETALK_SCENARIO", "demo")
    monkeypatch.setenv("DOUBLETALK_FRAME_MS", "30")
    monkeypatch.setenv("DOUBLETALK_TLS_INSECURE", "true")
    chosen = options_from(parser().parse_args([]), None)
    assert (chosen.scenario, chosen.frame_ms, chosen.tls_insecure) == ("demo", 30.0, True)


@pytest.mark.parametrize("line", [["--frame-ms", "wide"], ["--seed", "1.5"], ["--seed", "x"]])
def test_wrong_types_on_the_command_line(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(line)
    assert caught.value.code == 2
    assert line[0] in capsys.readouterr().err


def test_the_web_form_shows_what_a_user_chooses_and_nothing_of_the_owner() -> None:
    made = parser()
    ours = {a.dest: a for group in made._action_groups if group.title == "Doubletalk" for a in group._group_actions}
    shown = {name for name, action in ours.items() if action.include_in_web_ui}
    assert shown == {"scenario", "dialect", "frame_ms", "corpus", "seed"}
    assert all(action.is_secret is action.is_required is action.is_multiple is False for action in ours.values())


def test_the_web_form_goes_before_the_command_line() -> None:
    form = {"scenario": "demo", "seed": "9", "frame_ms": "40", "corpus": "", "user_count": "3"}
    chosen = options_from(parser().parse_args(["--seed", "5", "--dialect", "openai-realtime-beta"]), "http://x", form)
    assert chosen == Options("demo", "http://x", "openai-realtime-beta", 40.0, seed=9)


@pytest.mark.parametrize(("name", "text"), [("seed", "one"), ("seed", ""), ("seed", "1.5"), ("frame_ms", "wide")])
def test_wrong_types_in_the_web_form(name: str, text: str) -> None:
    with pytest.raises(ScenarioError, match=name):
        options_from(parser().parse_args([]), "http://x", {name: text})


def test_a_form_cannot_have_a_file_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dialect's file is Python, and would be run here and on every worker: only who started Locust names one."""
    script, marker = tmp_path / "purge.py", tmp_path / "purged"
    script.write_text(f"open({str(marker)!r}, 'w')\n")
    for asked in (str(script), "no-such-wire", ""):
        with pytest.raises(ScenarioError) as caught:
            make_run(options_from(parser().parse_args([]), "http://x", {"dialect": asked}))
        assert str(caught.value).startswith(f"dialect: {asked[:60]!r} is none of openai-realtime, ")
        assert str(caught.value).endswith("; a file is named on the command line only: --dialect")
        assert "\n" not in str(caught.value)
    assert not marker.exists()

    named = parser().parse_args(["--dialect", str(script)])
    assert options_from(named, "http://x", {"dialect": str(script)}).dialect == str(script)
    assert options_from(named, "http://x", {"dialect": "twilio"}).dialect == "twilio"
    point = EntryPoint("ours", "our_package:Ours", "doubletalk.dialects")
    monkeypatch.setattr("users.options.entry_points", lambda group: [point] if group == point.group else [])
    assert options_from(parser().parse_args([]), "http://x", {"dialect": "ours"}).dialect == "ours"


@pytest.mark.parametrize(
    "name",
    [
        "auth",
        "token_path",
        "api_key_env",
        "tls_ca",
        "tls_insecure",
        "runs",
        "no_report",
        "prometheus_port",
        "prometheus_host",
        "prometheus_linger",
    ],
)
def test_a_form_cannot_change_what_is_the_owners(name: str) -> None:
    """Locust takes any option over that a form holds: with these, a visitor could have a secret sent to a host of theirs."""
    with pytest.raises(ScenarioError, match=f"^{name}: it can be set on the command line only$"):
        refuse_owners({"scenario": "demo", name: "x"})
    refuse_owners({"scenario": "demo", "user_count": "1", "host": "http://x"})


def a_run(tmp_path: Path, tokens_per_s: float, auth: str = "token") -> Run:
    path = tmp_path / "seven.yml"
    path.write_text(f"load: {{talkers: 7, spawn_per_s: 2.5, duration_s: 90.4, tokens_per_s: {tokens_per_s}}}")
    return make_run(Options(scenario=str(path), host="http://x", auth=auth))


@pytest.mark.parametrize(("tokens_per_s", "auth", "users"), [(0, "token", 7), (2, "token", 8), (2, "none", 7)])
def test_a_token_minter_is_a_user_more(tmp_path: Path, tokens_per_s: float, auth: str, users: int) -> None:
    parsed = parser().parse_args([])
    apply_load(parsed, a_run(tmp_path, tokens_per_s, auth))
    assert (parsed.num_users, parsed.spawn_rate, parsed.run_time) == (users, 2.5, 91)


def test_what_locust_was_given_stands(tmp_path: Path) -> None:
    given = parser().parse_args(["-u", "3", "-r", "1", "-t", "5s"])
    apply_load(given, a_run(tmp_path, 1))
    assert (given.num_users, given.spawn_rate, given.run_time) == (3, 1, 5)


@pytest.mark.parametrize(("users", "tokens_per_s"), [(0, 0), (-3, 0), (1, 2)])
def test_a_run_without_a_talker_is_refused(tmp_path: Path, users: int, tokens_per_s: float) -> None:
    parsed = parser().parse_args([])
    parsed.num_users = users
    with pytest.raises(ScenarioError, match=f"--users {users}: the run needs at least"):
        apply_load(parsed, a_run(tmp_path, tokens_per_s))


FILLED = {"user_count": "3", "spawn_rate": "1.5", "run_time": "1m"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"user_count": "many"}, "number of users: 'many' is not a whole number"),
        ({"user_count": ""}, "number of users: '' is not a whole number"),
        ({"user_count": "-2"}, "number of users: '-2' is not a whole number"),
        ({"user_count": "2.5"}, "number of users: '2.5' is not a whole number"),
        ({"user_count": "9" * 5000}, f"number of users: '{'9' * 40}' is not a whole number"),
        ({"user_count": "1"}, "number of users 1: the run needs at least 2, a talker and the token minter (load.tokens_per_s)"),
        ({"spawn_rate": "fast"}, "ramp up: 'fast' is not a number of users a second above 0"),
        ({"spawn_rate": "0"}, "ramp up: '0' is not a number of users a second above 0"),
        ({"spawn_rate": "nan"}, "ramp up: 'nan' is not a number of users a second above 0"),
        ({"spawn_rate": "inf"}, "ramp up: 'inf' is not a number of users a second above 0"),
        ({"run_time": "soon"}, "run time: 'soon' is not a time such as 20, 20s, 3m, 2h or 1h20m"),
        ({"run_time": "-5"}, "run time: '-5' is not a time such as 20, 20s, 3m, 2h or 1h20m"),
        ({"run_time": "99999999999999h"}, "run time: '99999999999999h' is not a time such as 20, 20s, 3m, 2h or 1h20m"),
    ],
)
def test_numbers_of_a_form_that_make_no_run(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        check_load({**FILLED, **changes}, a_run(tmp_path, 1))
    assert str(caught.value) == told


ASKED = """
load: {talkers: 8, spawn_per_s: 4, duration_s: 120}
chaos: [{do: drop, at_s: 15, share: 0.25}]
abort: {unless: [success > 5 %]}
criteria: [tester_memory_growth < 90 MB/h]
"""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["-t", "12s"], "line 3: chaos.0.at_s: it is first due at 15 s of the run, which ends after 12 s: it would never be done"),
        (["-u", "1"], "line 3: chaos.0.share: 0.25 of 1 talkers hits nobody: 0.25 in the whole run"),
        (["-t", "28s"], "line 4: abort.grace_s: 'success > 5 %' is first looked at after 30 s of the run, which ends after 28 s"),
        (["-t", "32s", "-r", "0.8"], "line 5: criterion 'tester_memory_growth < 90 MB/h': tester_memory_growth is measured from 30 s on"),
    ],
)
def test_a_load_of_locusts_for_which_the_scenario_makes_no_sense(tmp_path: Path, line: list[str], told: str) -> None:
    (tmp_path / "asked.yml").write_text(ASKED.strip().replace("load", "name: asked\nload", 1) + "\n")
    run = make_run(Options(scenario=str(tmp_path / "asked.yml"), host="http://x"))
    with pytest.raises(ScenarioError) as caught:
        apply_load(parser().parse_args(line), run)
    assert told in str(caught.value)


@pytest.mark.parametrize("run_time", ["", "0", "20", "1h20m"])
def test_numbers_of_a_form_that_do(tmp_path: Path, run_time: str) -> None:
    check_load({**FILLED, "run_time": run_time}, a_run(tmp_path, 1))
    check_load({"user_count": "1", "spawn_rate": "1"}, a_run(tmp_path, 0))
