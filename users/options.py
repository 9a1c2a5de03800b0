"""The project's options on Locust's command line and web form, and what they mean for Locust's own."""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import entry_points
from typing import Any

from locust.util.timespan import parse_timespan

from metrics.criteria import parse
from protocol import DIALECTS
from protocol.registry import ENTRY_POINTS
from scenarios import ScenarioError, names
from scenarios.checks import check_chaos
from scenarios.criteria import check_criteria
from users.access import AUTHS, TOKEN
from users.run import Options, Run

_HELP = {
    "scenario": f"what is run: {', '.join(names())}, or a .yml file",
    "dialect": f"the assistant's wire: {', '.join(DIALECTS)}, or a file such as ./my_dialect.py",
    "frame_ms": "duration of a microphone frame in ms: 10 to 200, in steps of 10; longer frames cost less",
    "corpus": "folder with WAV or FLAC clips and transcripts.tsv to speak instead of the built-in corpus",
    "seed": "seed of all plans: the same seed, the same talkers",
    "auth": f"how talkers get in: {', '.join(AUTHS)} (token: by what a request before each session gives; key: by the API key itself); "
    "empty: token where the dialect or the scenario has such a request, else key where --api-key-env names it, else none",
    "token_path": "path below the host, or a whole URL elsewhere, that is asked before a session; empty: the recipe's (OpenAI: /rt-token)",
    "api_key_env": "name of the environment variable that holds the API key; empty: with --auth key the dialect's own "
    "(OpenAI: OPENAI_API_KEY), else no key",
    "tls_ca": "file of certificates to trust instead of the system's: for an assistant with a private one",
    "tls_insecure": "do not verify TLS certificates",
    "changes": "change a value of the scenario: --set load.talkers=50, --set load.stages.peak.hold_s=10; may be given again",
    "chaos_commands": "let scenarios run the commands of their chaos actions on this machine",
    "tape": "file for all that the first talker's first session sends and hears, to be replayed; .jsonl, or .jsonl.gz",
    "arrivals": "where arrival times come from: kernel (its stamp on what arrived; Linux) or user (the clock once it has been read)",
}
_FORM = ("scenario", "dialect", "frame_ms", "corpus", "seed")
"""Options on the web form; the others are the machine owner's."""
_PROMETHEUS: dict[str, tuple[Any, str]] = {
    "prometheus_port": (0, "port on which Prometheus can read the run while it goes on; 0: none"),
    "prometheus_host": ("127.0.0.1", "address on which it can; this machine only unless told otherwise"),
    "prometheus_linger": (60.0, "seconds for which a process that is to end waits for Prometheus to read how the run ended; 0: none"),
}
_OWNERS = {f.name for f in fields(Options) if f.name != "host"} | {"runs", "no_report", *_PROMETHEUS}


def add_options(parser: ArgumentParser) -> None:
    """Add them in a group of their own. Their environment variables are DOUBLETALK_ and the name."""
    group = parser.add_argument_group("Doubletalk", "Options of the voice load test.")
    defaults = Options()
    for field in fields(Options):
        if field.name == "host":
            continue
        value = getattr(defaults, field.name)
        kind: dict[str, Any] = {"action": "store_true"} if isinstance(value, bool) else {"type": type(value)}
        name = field.name
        if isinstance(value, tuple):
            name, kind = "set", {"action": "append", "dest": field.name, "metavar": "KEY=VALUE"}
        action: Any = group.add_argument(
            f"--{name.replace('_', '-')}",
            env_var=f"DOUBLETALK_{name.upper()}",
            default=value or None if isinstance(value, tuple) else value,
            help=_HELP[field.name],
            **kind,
        )
        _show(action, field.name in _FORM)
    runs: Any = group.add_argument("--runs", env_var="DOUBLETALK_RUNS", default="runs", help="folder in which each run gets a folder")
    _show(runs, False)
    told_not = "leave the report out that each run writes into its folder when it is over"
    report: Any = group.add_argument("--no-report", env_var="DOUBLETALK_NO_REPORT", action="store_true", default=False, help=told_not)
    _show(report, False)
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
    """The options as chosen: on the command line (`parsed`), or in the web form where it has them. Raises ScenarioError for a wrong type,
    and for a form's dialect in a file that the command line does not name: it would be run here, and on every worker."""
    chosen: dict[str, Any] = {f.name: getattr(parsed, f.name) for f in fields(Options) if f.name != "host"}
    chosen["changes"] = tuple(chosen["changes"] or ())
    for name in _FORM:
        text = (form or {}).get(name)
        if text is None:
            continue
        if name == "dialect":
            _check_dialect(text, parsed.dialect)
        try:
            chosen[name] = type(chosen[name])(text)
        except ValueError:
            raise ScenarioError(f"{name}: {text!r} is not a number") from None
    return Options(**chosen, host=host)


def _check_dialect(asked: str, named: str) -> None:
    """Raises ScenarioError for a form's dialect that is neither installed here nor `named` on the command line."""
    known = list(dict.fromkeys([*DIALECTS, *sorted(point.name for point in entry_points(group=ENTRY_POINTS)), named]))
    if asked not in known:
        raise ScenarioError(f"dialect: {asked[:60]!r} is none of {', '.join(known)}; a file is named on the command line only: --dialect")


def apply_load(parsed: Namespace, run: Run) -> None:
    """Where the user gave no number of users, spawn rate or run time of Locust's, take the scenario's: its talkers, and a token minter.
    Where it was given, the run's scenario has it too. A headless run is ended by us: Locust's time limit holds the making ready, too.

    Raises ScenarioError for a number of users without a talker, and for any of these where the scenario's stages say how the load goes.
    """
    load = run.scenario.load
    given = {"--users": parsed.num_users, "--spawn-rate": parsed.spawn_rate, "--run-time": parsed.run_time}
    if conducted(run):
        foreign = next((name for name, value in given.items() if value is not None), None)
        if foreign:
            raise ScenarioError(f"{foreign}: {run.scenario.name} says itself how its load goes; change that: --set load.KEY=VALUE")
        parsed.num_users, parsed.spawn_rate = first_order(run)
        return
    if parsed.num_users is not None:
        _check_users(f"--users {parsed.num_users}", parsed.num_users, run)
    _resolve(run, parsed.num_users, parsed.spawn_rate, parsed.run_time)
    if parsed.num_users is None:
        parsed.num_users = load.talkers + run.others
    if parsed.spawn_rate is None:
        parsed.spawn_rate = load.orders[0][2]
    if parsed.run_time is None:
        run.timed = parsed.headless
        parsed.run_time = None if parsed.headless else math.ceil(load.duration_s)


def conducted(run: Run) -> bool:
    """Whether the scenario says how the number of talkers changes, and when the run ends."""
    return bool(run.scenario.load.stages) or run.scenario.load.search is not None


def first_order(run: Run) -> tuple[int, float]:
    """How many users Locust is to start with, and how many a second."""
    load = run.scenario.load
    _, talkers, per_s = load.orders[0] if load.search is None else (0.0, load.search.least, load.spawn_per_s)
    return talkers + run.others, per_s


def check_load(form: Mapping[str, str], run: Run) -> dict[str, str]:
    """Check Locust's own fields of a web form before anything starts. Returns what they are to be instead, where the scenario says itself
    how its load goes. Raises ScenarioError for numbers with which there would be no run."""
    if conducted(run):
        users, rate = first_order(run)
        return {"user_count": str(users), "spawn_rate": str(rate), "run_time": ""}
    users_told, rate_told, run_time = (form.get(name, "") for name in ("user_count", "spawn_rate", "run_time"))
    if not (users_told.isascii() and users_told.isdigit() and len(users_told) < 10):
        raise ScenarioError(f"number of users: {users_told[:40]!r} is not a whole number")
    _check_users(f"number of users {users_told}", int(users_told), run)
    try:
        per_s = float(rate_told)
    except ValueError:
        per_s = math.nan
    if not 0.0 < per_s < math.inf:
        raise ScenarioError(f"ramp up: {rate_told[:40]!r} is not a number of users a second above 0")
    try:
        seconds = parse_timespan(run_time or "0")
    except (ValueError, OverflowError):
        raise ScenarioError(f"run time: {run_time[:40]!r} is not a time such as 20, 20s, 3m, 2h or 1h20m") from None
    _resolve(run, int(users_told), per_s, seconds or None)
    return {}


def _resolve(run: Run, users: int | None, per_s: float | None, seconds: float | None) -> None:
    """Have the run's scenario say what Locust was told. Raises ScenarioError for chaos and criteria for which such a run is too short, or
    has too few talkers."""
    changes: dict[str, Any] = {}
    if users is not None:
        changes["talkers"] = users - run.others
    if per_s is not None:
        changes["spawn_per_s"] = float(per_s)
    if seconds is not None:
        changes["duration_s"] = float(seconds)
    run.scenario = run.scenario.model_copy(update={"load": run.scenario.load.model_copy(update=changes)})
    check_chaos(run.scenario)
    check_criteria(run.scenario, parse, run.options.auth == TOKEN, run.untold)


def _check_users(what: str, users: int, run: Run) -> None:
    least, load = 1 + run.others, run.scenario.load
    if users < least:
        needs = "a talker" + " and the token minter (load.tokens_per_s)" * run.minting + " and those of load.beside" * bool(load.beside)
        raise ScenarioError(f"{what}: the run needs at least {least}, {needs}")


def _show(action: Any, in_web_ui: bool) -> None:
    """What Locust's parser would have set for an option outside a group."""
    action.include_in_web_ui = in_web_ui
    action.is_secret = action.is_required = action.is_multiple = False
