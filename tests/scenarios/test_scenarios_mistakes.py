"""Every kind of mistake in a scenario, as `python -m scenarios check` tells it: one line with file, line and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics.catalog import METRICS, TABLES, of
from metrics.criteria import parse
from metrics.records import TokenRecord
from scenarios import ScenarioError, parse_scenario
from scenarios.__main__ import main
from scenarios.checks import check_chaos
from scenarios.criteria import BARGE_INS, FALSE_ALARMS, OF_NO_DIALECT, OF_OPEN_ARRIVALS, OF_PROFILES, OF_TOKENS, check_criteria
from scenarios.target import AVAILABILITY, OF_TARGET

STAGE = "{name: a, talkers: 2, hold_s: 3}"
UNKNOWN = {
    "load.stages": (f"load:\n  stages:\n    - {STAGE}\n    - {{nam: b, hold_s: 3}}", 4, "load.stages.1.nam; did you mean name?"),
    "load.search": ("load:\n  search: {stepp: 10}", 2, "load.search.stepp; allowed there: least, most, wanted"),
    "personas": ("personas:\n  - {name: a, voice: slt}", 2, "personas.0.voice; did you mean voices? allowed there: name, share"),
    "chaos": ("chaos:\n  - {do: drop, at: 5}", 2, "chaos.0.at; did you mean at_s? allowed there: do, at_s, every_s"),
    "networks": ("networks:\n  train:\n    delay: 5", 3, "networks.train.delay; did you mean delay_ms? allowed there: delay_ms, "),
    "networks stalls": (
        "networks: {t: {stalls: {per_minute: 1}}}",
        1,
        "networks.t.stalls.per_minute; did you mean per_min? allowed there: per_min",
    ),
    "target": ("target:\n  url: /metrics", 2, "target.url; allowed there: metrics_url, health_url"),
    "abort": ("abort:\n  when: [x]", 2, "abort.when; allowed there: unless, grace_s"),
    "limits": ("limits: {setup: 5}", 1, "limits.setup; did you mean setup_s?"),
    "top": ("based_on: demo\ndialect: x", 2, "dialect; allowed there: name, description, load"),
}
SERVED = "target: {metrics_url: /metrics}\n"
MISTAKES = {
    "text for a number": (
        f"load:\n  stages: [{STAGE}]\n  duration_s: 1h",
        3,
        "load.duration_s: Input should be a valid number (found '1h')",
    ),
    "a unit in a stage": (
        "load: {stages: [{name: a, talkers: 1, hold_s: 3min}]}",
        1,
        "load.stages.0.hold_s: Input should be a valid number",
    ),
    "a unit in a network": ("networks: {t: {delay_ms: 5s}}", 1, "networks.t.delay_ms: Input should be a valid number (found '5s')"),
    "a share in per cent": ("chaos: [{do: drop, at_s: 5, share: 50}]", 1, "chaos.0.share: Input should be less than or equal to 1"),
    "an action that is not there": ("chaos: [{do: explode, at_s: 5}]", 1, "chaos.0.do: Input should be 'drop', 'reset', 'stall', 'rec"),
    "a shell's line": ("chaos: [{do: command, at_s: 5, run: docker kill x}]", 1, "chaos.0.run: write a list (found 'docker kill x')"),
    "a ramp without end": (
        "load:\n  talkers: 100",
        1,
        "load: 100 talkers at 1 a second (spawn_per_s) need 100 s to start, the run takes 60",
    ),
    "no time for a step": (
        "load:\n  search: {measure_s: 90}\ncriteria: [success > 9 %]",
        1,
        "duration_s 60 is too short for a search: its first step alone takes 97.5 s",
    ),
    "a search for more than it looks for": (
        "load:\n  search: {most: 5, wanted: 9}",
        2,
        "load.search: wanted is above most: it looks for no",
    ),
    "too many calls": ("load: {arrivals: poisson, calls_per_s: 1000000, talkers: 5}", 1, "6e+07 calls in one run are more than 10000000"),
    "chaos behind the end": (
        "chaos:\n  - {do: drop, at_s: 60}",
        2,
        "chaos.0.at_s: it is first due at 60 s of the run, which ends after 60 s",
    ),
    "chaos too seldom": (
        "chaos:\n  - {do: drop, every_s: 90}",
        2,
        "chaos.0.every_s: it is first due at 90 s of the run, which ends after 60",
    ),
    "chaos over before": (
        "chaos:\n  - {do: drop, every_s: 9, until_s: 5}",
        2,
        "due at 9 s of the run, after until_s (5 s): it would never",
    ),
    "chaos without a pause": (
        "chaos:\n  - {do: drop, every_s: 0.0001}",
        2,
        "chaos.0.every_s: Input should be greater than or equal to 1 (found 0.0001)",
    ),
    "chaos all the time": ("chaos:\n  - {do: drop, per_min: 600}", 2, "chaos.0.per_min: Input should be less than or equal to 60"),
    "chaos that hits nobody": (
        "load: {talkers: 4}\nchaos:\n  - {do: drop, at_s: 9}\n  - {do: reset, at_s: 9, share: 0.1}",
        4,
        "chaos.1.share: 0.1 of 4 talkers hits nobody: 0.4 in the whole run; a larger share, or more of them",
    ),
    "chaos that hits nobody, however often": (
        "load: {talkers: 4}\nchaos:\n  - {do: drop, per_min: 2, share: 0.01, until_s: 45}",
        3,
        "chaos.0.share: 0.01 of 4 talkers hits nobody: 0.06 in",
    ),
    "callers without a number": (
        "load:\n  arrivals: poisson\n  calls_per_s: 1",
        1,
        "load: open arrivals need talkers, as many as can be on the line at the same time",
    ),
    "no time to grow": (
        f"{SERVED}criteria:\n  - success > 5 %\n  - target_memory_growth < 5 MB/h\nload: {{talkers: 30, duration_s: 52}}",
        4,
        "is measured from 50 s on, as memory counts target.settle_s (20 s) after the talkers are there, and takes 3 s more: too long for "
        "the run, which ends after 52 s",
    ),
    "no time to grow in a stage": (
        f"load: {{stages: [{STAGE}, {{name: b, hold_s: 30}}]}}\ncriteria: [tester_memory_growth in a < 5 MB/h]",
        2,
        "too long for stage a, which ends at 3 s",
    ),
    "no time to grow in a step": (
        "target: {settle_s: 9}\nload: {search: {settle_s: 3, measure_s: 8}, duration_s: 90}\nlimits: {response_s: 1}\n"
        "criteria: [tester_memory_growth < 5 MB/h]",
        4,
        "too long for each step, which ends after 11 s",
    ),
    "a run that is over before it can be given up": (
        "load: {duration_s: 20}\nabort:\n  unless: [success > 5 %]",
        2,
        "abort.grace_s: 'success > 5 %' is first looked at after 30 s of the run, which ends after 20 s: it would never be",
    ),
    "a stage that is over before the run can be given up": (
        f"load: {{stages: [{STAGE}, {{name: b, hold_s: 30}}]}}\nabort:\n  unless: [success > 5 %, success in b > 5 %]\n  grace_s: 30",
        4,
        "abort.grace_s: 'success in b > 5 %' is first looked at after 33 s of the run, which ends after 33 s",
    ),
    "no network": ("load: {talkers: 1}\nnetwork: 5g", 2, "network: no network '5g': there are ideal, wifi, 4g, 3g, lossy, satellite"),
    "no network of a persona": ("personas:\n  - name: a\n    network: 5g", 3, "personas.0.network: no network '5g': there are ideal, "),
    "no voice": (
        "personas:\n  - name: a\n    voices: [slt, bob]",
        3,
        "persona a: the corpus asks nothing with the voice 'bob': there are awb",
    ),
    "no accent": (
        "personas:\n  - {name: a}\n  - name: b\n    accent: en-IN",
        4,
        "persona b: no voice of the corpus has the accent 'en-IN'",
    ),
    "no stage": (f"load: {{stages: [{STAGE}]}}\ncriteria:\n  - success in b > 5 %", 3, "no stage 'b'; there are: a"),
    "no stages": ("criteria:\n  - success > 5 %\n  - success in b > 5 %", 3, "no stage 'b'; the load has no stages"),
    "a unit of a stage": (
        f"load: {{stages: [{STAGE}]}}\ncriteria:\n  - ttft p95 in a < 20 ms of a",
        3,
        "unit ms; ttft p95 takes % or x",
    ),
    "a unit of a metric": ("criteria:\n  - ttft p95 < 20 %", 2, "unit %; ttft p95 takes ms or s"),
    "a criterion to abort by": ("abort:\n  unless:\n    - success > 5", 3, "criterion 'success > 5': unit missing; success value takes %"),
    "nobody to ask": (
        "criteria:\n  - success > 5 %\n  - target_cpu mean < 50 %",
        3,
        "target_cpu is measured only where target.metrics_url",
    ),
    "nobody to ask, to abort by": (
        "abort: {unless: [target_availability > 5 %]}",
        1,
        "is measured only where target.health_url or target.",
    ),
    "nobody barges in": ("criteria: [barge_in_latency p95 < 3 s]", 1, "nobody barges in, so barge_in_latency is never measured: give conv"),
    "no persona barges in": (
        "conversation: {barge_in: {per_second: 1}}\npersonas: [{name: a, barge_in: {}}]\ncriteria: [yield_rate > 5 %]",
        3,
        "nobody barges in, so yield_rate is never measured",
    ),
    "nobody calls at an instant": ("criteria: [calls_begun > 95 %]", 1, "calls_begun is measured only with open arrivals: load.arrivals"),
    "nobody coughs": ("criteria: [false_alarm_resume > 5 %]", 1, "nobody makes a false alarm, so false_alarm_resume is never measured"),
    "nobody has a network": ("criteria: [network_delay p50 < 5 s]", 1, "network_delay is measured only of talkers with a network profile"),
    "no dialect tells it": ("criteria: [chunk_drop_rate < 5 %]", 1, "no dialect numbers its audio chunks; leave it out"),
}


def refused(folder: Path, text: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of `check`."""
    path = folder / "mine.yml"
    path.write_text(text + "\n")
    assert main(["check", str(path), *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert len(told.err) < 450
    return told.err.removeprefix("scenarios: ").rstrip()


@pytest.mark.parametrize("part", UNKNOWN)
def test_an_unknown_key_of_each_part(part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, line, told = UNKNOWN[part]
    assert refused(tmp_path, text, capsys).startswith(f"scenario {tmp_path / 'mine.yml'}, line {line}: unknown key {told}")


@pytest.mark.parametrize("which", MISTAKES)
def test_mistakes(which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, line, told = MISTAKES[which]
    found = refused(tmp_path, text, capsys)
    assert found.startswith(f"scenario {tmp_path / 'mine.yml'}, line {line}: ")
    assert told in found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("load.talkers", "--set 'load.talkers': write it as load.talkers=50: a key, '=', a value"),
        ("load.talkers=x", "--set load.talkers=x: load.talkers: Input should be a valid integer (found 'x')"),
        ("load.talkers=90", "--set load.talkers=90: load: 90 talkers at 1 a second (spawn_per_s) need 90 s to start"),
        ("load.talker=5", "--set load.talker=5: unknown key load.talker; did you mean talkers?"),
        ("load.talkers=[", "--set load.talkers=[: the value is not YAML: put text in quotes"),
        ("criteria.9=success > 5 %", "--set criteria.9=success > 5 %: criteria has no 9; there is 0 to 0"),
        ("criteria.0=success in x > 5 %", "--set criteria.0=success in x > 5 %: criterion 'success in x > 5 %': no stage 'x'"),
        ("name.x=5", "--set name.x=5: name has no keys"),
        ("network=5g", "--set network=5g: network: no network '5g': there are ideal"),
        ("networks.t.delay=5", "--set networks.t.delay=5: unknown key networks.t.delay; did you mean delay_ms?"),
        ("session.wire=5", "--set session.wire=5: session.wire: write {name: value}, or leave it out (found 5)"),
        ("load=5", "--set load=5: load: write its keys below it, indented, or leave it out (found 5)"),
    ],
)
def test_changes_that_cannot_be_made(change: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(tmp_path, "name: mine\ncriteria: [success > 5 %]", capsys, "--set", change).startswith(told)


def test_a_run_made_shorter_has_no_time_for_what_is_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = refused(tmp_path, "name: mine\nchaos: [{do: drop, at_s: 30}]", capsys, "--set", "load.duration_s=9")
    assert found.endswith(
        "mine.yml, line 2: chaos.0.at_s: it is first due at 30 s of the run, which ends after 9 s: it would never be done"
    )


def test_a_password_in_a_url_is_not_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = refused(tmp_path, "target: {metrics_url: 'http://me:secret@x/metrics'}", capsys)
    assert "target.metrics_url: run files show it: without user name, password or parameters" in found
    assert "secret" not in found


def test_the_corpus_that_talkers_speak_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--corpus: " in refused(tmp_path, "name: mine", capsys, "--corpus", str(tmp_path))


def test_what_check_cannot_know_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("chaos: [{do: command, at_s: 5, run: [kill, x]}]\ncriteria: [success > 5 %]\n")
    assert main(["check", str(path)]) == 0
    assert (
        capsys.readouterr().out
        == f"{path}: fine; 1 criteria, 60 s, 1 talkers at most; it runs commands: start locust with --chaos-commands\n"
    )


def test_a_run_that_is_shorter_than_its_scenario_may_have_no_chaos() -> None:
    scenario = parse_scenario("load: {duration_s: 60}\nchaos:\n  - {do: drop, per_min: 1}\n  - {do: drop, at_s: 30}", "mine.yml", "mine")
    shorter = scenario.model_copy(update={"load": scenario.load.model_copy(update={"duration_s": 20.0})})
    with pytest.raises(
        ScenarioError, match=r"mine\.yml, line 4: chaos\.1\.at_s: it is first due at 30 s of the run, which ends after 20 s"
    ):
        check_chaos(shorter)


def test_metrics_that_a_scenario_rules_out_are_those_of_the_catalogue() -> None:
    assert {m.name for m in of(TokenRecord)} == OF_TOKENS
    assert {BARGE_INS, FALSE_ALARMS} < set(TABLES)
    assert METRICS.keys() >= OF_PROFILES | OF_NO_DIALECT | OF_OPEN_ARRIVALS | OF_TARGET | {AVAILABILITY}


@pytest.mark.parametrize(
    "text",
    [
        "conversation: {barge_in: {share: 0.1, after_s: 1}}\ncriteria: [yield_rate > 5 %]",
        "personas: [{name: a}, {name: b, barge_in: {per_second: 1}}]\ncriteria: [yield_rate > 5 %]",
        "conversation: {false_alarms: {per_second: 1}}\ncriteria: [spurious_response < 5 %]",
        "criteria: [yield_rate count < 1]",
        "network: 3g\ncriteria: [network_delay p50 < 5 s]",
        "personas: [{name: a, network: 3g}]\ncriteria: [assistant_latency p50 < 5 s]",
        f"{SERVED}criteria: [target_cpu mean < 50 %, target_availability > 5 %]",
        "criteria: [token_success > 5 %]",
        "load: {arrivals: poisson, calls_per_s: 1, talkers: 9}\ncriteria: [calls_begun > 95 %]",
        f"{SERVED}load: {{talkers: 30, duration_s: 53}}\ncriteria: [target_memory_growth < 5 MB/h]",
        "load: {duration_s: 5}\ncriteria: [tester_memory_growth count < 1]",
        f"load: {{stages: [{STAGE}, {{name: b, hold_s: 26}}]}}\ncriteria: [tester_memory_growth in b < 5 MB/h]",
        "load: {duration_s: 31}\nabort: {unless: [success > 5 %]}\ncriteria: [success > 5 %]",
        "load: {talkers: 4}\nchaos: [{do: drop, per_min: 2, share: 0.1}, {do: drop, at_s: 9, share: 0.13}]\ncriteria: [success > 5 %]",
    ],
)
def test_what_can_be_measured(text: str) -> None:
    scenario = parse_scenario(text, "mine.yml", "mine")
    assert [criterion.text for criterion in check_criteria(scenario, parse)] == list(scenario.criteria)


def test_tokens_are_asked_for_only_where_talkers_need_them() -> None:
    with pytest.raises(ScenarioError, match=r"line \d+: criterion 'token_mint_latency p95 < 1 s': .* is measured only with --auth token"):
        check_criteria(parse_scenario("criteria: [token_mint_latency p95 < 1 s]", "mine.yml", "mine"), parse, tokens=False)
