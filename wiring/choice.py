"""What the user asked for, made one run: its options, Locust's user classes, and what looks at the target."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from locust import User

from reporting.readings import Wanted
from reporting.target import Place, Target
from scenarios import ScenarioError
from users.clock import now_ns
from users.options import check_load, options_from
from users.run import Run, make_run
from users.talker import Talker
from users.token_minter import TokenMinter


def choose(environment: Any, given: Namespace, form: Mapping[str, str] | None) -> tuple[Run, dict[str, str]]:
    """The run as the command line (`given`) and a web form have it, None: no form; and what Locust's fields of the form are to be instead.
    Raises ValueError with one line."""
    run = make_run(options_from(given, (form or {}).get("host") or environment.host, form))
    return run, check_load(form, run) if form is not None else {}


def user_classes(environment: Any, run: Run) -> list[type[User]]:
    """Who is in the run: talkers, a token minter, and the locustfile's own user classes that run beside them, as many of each as the
    scenario wants. Raises ValueError for one that is not there."""
    chosen: list[type[User]] = [Talker, *([TokenMinter] if run.minting else [])]
    for name, users in run.scenario.load.beside.items():
        known = {key: kind for key, kind in (environment.available_user_classes or {}).items() if kind not in (Talker, TokenMinter)}
        if name not in known:
            place = run.scenario.place("load", "beside", name)
            raise ScenarioError(f"{place}: no user class {name} in the locustfile (-f); there is {', '.join(known) or 'none'}")
        known[name].fixed_count = users
        chosen.append(known[name])
    return chosen


def look_at(run: Run) -> Target | None:
    """What looks at the target during a run; None where the scenario does not say where it tells of itself. Raises ValueError where that
    cannot be read."""
    asked = run.scenario.target
    metrics_url, health_url = asked.urls(run.host)
    if metrics_url is None and health_url is None:
        return None
    wanted = Wanted(asked.memory, asked.cpu, asked.sessions, asked.latencies)
    target = Target(Place(metrics_url, health_url, asked.every_s, asked.timeout_s, wanted, run.tls), now_ns)
    target.check()
    return target
