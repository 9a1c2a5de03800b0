"""The project's options on Locust's command line and web form, and what they mean for Locust's own."""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from locust.util.timespan import parse_timespan

from protocol import DIALECTS
from scenarios import ScenarioError, names
from users.run import AUTHS, KEY_VARIABLE, Options, Run

_HELP = {
    "scenario": f"what is run: {', '.join(names())}, or a .yml file",
    "dialect": f"the assistant's wire: {', '.join(DIALECTS)}",
    "frame_ms": "duration of a microphone frame in ms: 10 to 200, in steps of 10; longer frames cost less",
    "corpus": "folder with WAV or FLAC clips and transcripts.tsv to speak instead of the built-in corpus",
    "seed": "seed of all plans: the same seed, the same talkers",
    "auth": f"how talkers get in: {', '.join(AUTHS)} (token: one is minted per session; key: the API key itself)",
    "token_path": "path below the host, or a whole URL elsewhere, that mints tokens by POST",
    "api_key_env": f"name of the environment variable that holds the API key; empty: {KEY_VARIABLE} for --auth key, no key for minting",
    "tls_ca": "file of certificates to trust instead of the system's: for an assistant with a private one",
    "tls_insecure": "do not verify TLS certificates",
    "chaos_commands": "let scenarios run the commands of their chaos actions on this machine",
    "arrivals": "where arrival times come from: kernel (its stamp on what arrived; Linux) or user (the clock once it has been read)",
}
_FORM = ("scenario", "dialect", "frame_ms", "corpus", "seed")
"""Options on the web form; the others are the machine owner's."""
_PROMETHEUS: dict[str, tuple[Any, str]] = {
    "prometheus_port": (0, "port on which Prometheus can read the run while it goes on; 0: none"),
    "prometheus_host": ("127.0.0.1", "address on which it can; this machine only unless told otherwise"),
    "prometheus_linger": (60.0, "seconds for which a process that is to end waits for Prometheus to read how the run ended; 0: none"),
}
_OWNERS = {f.name for f in fields(Options) if f.name != "host"} | {"runs", *_PROMETHEUS}


def add_options(parser: ArgumentParser) -> None:
    """Add them in a group of their own. Their environment variables are DOUBLETALK_ and the name."""
    group = parser.add_argument_group("Doubletalk", "Options of the voice load test.")
    defaults = Options()
    for field in fields(Options):
        if field.name == "host":
            continue
        value = getattr(defaults, field.name)
        kind: dict[str, Any] = {"action": "store_true"} if isinstance(value, bool) else {"type": type(value)}
        action: Any = group.add_argument(
            f"--{field.name.replace('_', '-')}",
            env_var=f"DOUBLETALK_{field.name.upper()}",
            default=value,
            help=_HELP[field.name],
            **kind,
        )
        _show(action, field.name in _FORM)
    runs: Any = group.add_argument("--runs", env_var="DOUBLETALK_RUNS", default="runs", help="folder in which each run gets a folder")
    _show(runs, False)
    for name, (default, told) in _PROMETHEUS.items():
        flag, variable = f"--{name.replace('_', '-')}", f"DOUBLETALK_{name.upper()}"
        option: Any = group.add_argument(flag, env_var=variable, default=default, type=type(default), help=told)
        _show(option, False)


def refuse_owners(form: Mapping[str, str]) -> None:
    """Raises ScenarioError for a form that holds an option of the machine's owner: Locust would take it over, whatever the run's state."""
    foreign = sorted((_OWNERS - set(_FORM)) & set(form))
    if foreign:
        raise ScenarioError(f"{foreign[0]}: it can be set on the command line only")


def options_from(parsed: Namespace, host: str | None, form: Mapping[str, str] | None = None) -> Options:
    """The options as chosen: on the command line, or in the web form where it has them. Raises ScenarioError for a wrong type."""
    chosen: dict[str, Any] = {f.name: getattr(parsed, f.name) for f in fields(Options) if f.name != "host"}
    for name in _FORM:
        text = (form or {}).get(name)
        if text is None:
            continue
        try:
            chosen[name] = type(chosen[name])(text)
        except ValueError:
            raise ScenarioError(f"{name}: {text!r} is not a number") from None
    return Options(**chosen, host=host)


def apply_load(parsed: Namespace, run: Run) -> None:
    """Where the user gave no number of users, spawn rate or run time of Locust's, take the scenario's: its talkers, and a token minter.

    Raises ScenarioError for a number of users without a talker.
    """
    load = run.scenario.load
    if parsed.num_users is not None:
        _check_users(f"--users {parsed.num_users}", parsed.num_users, run)
    if parsed.num_users is None:
        parsed.num_users = load.talkers + int(run.minting)
    if parsed.spawn_rate is None:
        parsed.spawn_rate = load.spawn_per_s
    if parsed.run_time is None:
        parsed.run_time = math.ceil(load.duration_s)


def check_load(form: Mapping[str, str], run: Run) -> None:
    """Check Locust's own fields of a web form before anything starts. Raises ScenarioError for numbers with which there would be no run."""
    users, rate, run_time = (form.get(name, "") for name in ("user_count", "spawn_rate", "run_time"))
    if not (users.isascii() and users.isdigit() and len(users) < 10):
        raise ScenarioError(f"number of users: {users[:40]!r} is not a whole number")
    _check_users(f"number of users {users}", int(users), run)
    try:
        per_s = float(rate)
    except ValueError:
        per_s = math.nan
    if not 0.0 < per_s < math.inf:
        raise ScenarioError(f"ramp up: {rate[:40]!r} is not a number of users a second above 0")
    try:
        parse_timespan(run_time or "0")
    except (ValueError, OverflowError):
        raise ScenarioError(f"run time: {run_time[:40]!r} is not a time such as 20, 20s, 3m, 2h or 1h20m") from None


def _check_users(what: str, users: int, run: Run) -> None:
    least = 1 + int(run.minting)
    if users < least:
        needs = "a talker and the token minter (load.tokens_per_s)" if run.minting else "a talker"
        raise ScenarioError(f"{what}: the run needs at least {least}, {needs}")


def _show(action: Any, in_web_ui: bool) -> None:
    """What Locust's parser would have set for an option outside a group."""
    action.include_in_web_ui = in_web_ui
    action.is_secret = action.is_required = action.is_multiple = False
