"""Scenarios at the command line.

    python -m scenarios list             what comes with Doubletalk
    python -m scenarios check FILE...    whether a run with them could start, without starting one
    python -m scenarios show FILE        the load over time, how long it takes and what it costs
    python -m scenarios docs             the page about scenario files

Exit code 2: a scenario cannot be used; a line for each says what, where, and what is allowed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from audio import CorpusError, load_corpus
from metrics.criteria import parse
from scenarios.checks import check_voices
from scenarios.criteria import check_criteria
from scenarios.docs import page
from scenarios.errors import ScenarioError
from scenarios.model import Scenario
from scenarios.read import load_scenario, names
from scenarios.timeline import show


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m scenarios", description="Lists, checks and shows scenarios.")
    commands = made.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what comes with Doubletalk")
    check = commands.add_parser("check", help="whether a run with them could start")
    check.add_argument("scenarios", nargs="+", metavar="FILE-OR-NAME")
    check.add_argument("--json", action="store_true", help="say it for programs: a line of JSON for each")
    shown = commands.add_parser("show", help="the load over time, how long it takes and what it costs")
    shown.add_argument("scenario", metavar="FILE-OR-NAME")
    shown.add_argument("--usd-per-minute", type=float, default=0.0, help="what the assistant takes for a minute of a call")
    for command in (check, shown):
        command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a value, as for locust")
        command.add_argument("--corpus", default="", metavar="FOLDER", help="clips that the talkers speak, as for locust")
    commands.add_parser("docs", help="the page about scenario files")
    return made


def main(arguments: list[str]) -> int:
    """What the command is told to do; returns the exit code."""
    chosen = parser().parse_args(arguments)
    match chosen.command:
        case "docs":
            print(page(), end="")
        case "list":
            width = max(len(name) for name in names())
            for name in names():
                print(f"{name:<{width}}  {load_scenario(name).description}")
        case "show":
            try:
                print(show(checked(chosen.scenario, chosen.set, chosen.corpus), chosen.usd_per_minute), end="")
            except ScenarioError as error:
                print(f"scenarios: {error}", file=sys.stderr)
                return 2
        case "check":
            return max(_check(which, chosen.set, chosen.corpus, chosen.json) for which in chosen.scenarios)
    return 0


def checked(which: str, changes: list[str], corpus: str = "") -> Scenario:
    """A scenario with which a run could start, criteria and voices included. `corpus`: folder of the clips, "" for the built-in ones.
    Raises ScenarioError."""
    scenario = load_scenario(which, changes=changes)
    check_criteria(scenario, parse)
    try:
        check_voices(scenario, load_corpus(Path(corpus) if corpus else None))
    except CorpusError as error:
        raise ScenarioError(f"--corpus: {error}") from None
    return scenario


def _check(which: str, changes: list[str], corpus: str, as_json: bool) -> int:
    try:
        scenario = checked(which, changes, corpus)
    except ScenarioError as error:
        print(f"scenarios: {error}", file=sys.stderr)
        return 2
    if as_json:
        print(json.dumps({"name": scenario.name, "length_s": scenario.load.length_s, "talkers": scenario.load.peak}))
        return 0
    commands = "; it runs commands: start locust with --chaos-commands" if any(action.run for action in scenario.chaos) else ""
    load = f"{scenario.load.length_s:g} s, {scenario.load.peak} talkers at most"
    print(f"{which}: fine; {len(scenario.criteria)} criteria, {load}{commands}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
