"""A run is checked before anything starts: whatever is wrong is told in one line that says what to do, and no secret is in it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from users_assistants import a_run

from scenarios import ScenarioError
from users.run import Options, Roster, Run, make_run

HOST = "http://127.0.0.1:8000"
SECRET = "sk-do-not-show-me"


def options(**changes: Any) -> Options:
    return Options(**{"host": HOST, "auth": "none", **changes})


def test_the_defaults_make_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    run = make_run(Options(host=HOST))
    assert (run.scenario.name, run.host, run.key) == ("baseline", HOST, None)
    assert run.mint is not None
    assert (run.mint.base_url, run.mint.path, run.mint.request.headers, run.mint.timeout_s) == (HOST, "/rt-token", {}, 10.0)
    assert (run.options.auth, run.options.shown()["auth"]) == ("token", "token")
    assert run.prepared.frame_ns == 20_000_000
    assert run.settings.silence_duration_ms == run.scenario.session.silence_duration_ms
    assert run.dialect() is not run.dialect(), "a dialect belongs to one session"


def scenario_file(folder: Path, text: str) -> str:
    path = folder / "mine.yml"
    path.write_text(text)
    return str(path)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no scenario": ({"scenario": "demmo"}, "no scenario 'demmo': there are "),
    "no file": ({"scenario": "/no/such.yml"}, "scenario /no/such.yml: cannot be read: No such file or directory"),
    "dialect": ({"dialect": "klingon"}, "--dialect: there is no dialect 'klingon': there are openai-realtime"),
    "auth": ({"auth": "magic"}, "--auth 'magic': there are token, key, none"),
    "no host": ({"host": None}, "no host: say where the assistant is with --host"),
    "empty host": ({"host": ""}, "no host: "),
    "scheme": ({"host": "ftp://x"}, "--host ftp://x: URL must begin with http://"),
    "no URL": ({"host": "localhost"}, "--host localhost: URL must begin with http://"),
    "no scheme": ({"host": "127.0.0.1:8000"}, "--host 127.0.0.1:8000: URL must begin with "),
    "no name": ({"host": "http://:80"}, "--host http://:80: URL has no host"),
    "port": ({"host": "http://x:eighty"}, "--host http://x:eighty: Port could not be cast"),
    "port range": ({"host": "http://x:70000"}, "--host http://x:70000: Port out of range"),
    "key in the query": ({"host": f"http://x:0?api_key={SECRET}"}, "--host http://x:0: port 0 cannot be called"),
    "port 0": ({"host": "http://x:0"}, "--host http://x:0: port 0 cannot be called"),
    "brackets": ({"host": "http://[::1"}, "--host http://[::1: Invalid IPv6 URL"),
    "user": ({"host": f"http://me:{SECRET}@x"}, "--host holds a user name or password"),
    "user and port": ({"host": f"http://me:{SECRET}@x:eighty"}, "--host holds a user name or password"),
    "frame": ({"frame_ms": 15.0}, "--frame-ms 15: a frame of 15 ms is not possible: choose a multiple of 10 ms"),
    "frame that is no whole number of 10 ms": (
        {"frame_ms": 25.0},
        "--frame-ms 25: a frame of 25 ms is not possible: choose a multiple of 10 ms",
    ),
    "frame too long": (
        {"frame_ms": 300.0},
        "--frame-ms 300: a frame of 300 ms is not possible: choose a multiple of 10 ms from 10 to 200 ms",
    ),
    "frame 0": ({"frame_ms": 0.0}, "--frame-ms 0: "),
    "frame nan": ({"frame_ms": float("nan")}, "--frame-ms nan: "),
    "frame inf": ({"frame_ms": float("inf")}, "--frame-ms inf: "),
    "corpus": ({"corpus": "/no/such"}, "--corpus: /no/such is not a folder"),
    "corpus with a long name": ({"corpus": "x" * 5000}, f"--corpus: '{'x' * 100}' cannot be read: File name too long"),
    "corpus with a null": ({"corpus": "\0"}, r"--corpus: '\x00' cannot be read: embedded null byte"),
    "no key": ({"auth": "key", "api_key_env": "NO_SUCH_KEY"}, "--auth key: set the environment variable NO_SUCH_KEY to the API key"),
    "empty key": ({"auth": "key", "api_key_env": "EMPTY_KEY"}, "--auth key: set the environment variable EMPTY_KEY to the API key"),
    "bad key": (
        {"auth": "key", "api_key_env": "BAD_KEY"},
        "the API key in BAD_KEY: secret is empty or has characters that a header cannot",
    ),
    "no key to mint": ({"auth": "token", "api_key_env": "NO_SUCH_KEY"}, "--auth token: set the environment variable NO_SUCH_KEY"),
    "token place": ({"auth": "token", "token_path": "ftp://x/rt"}, "--token-path ftp://x/rt: a path such as /rt-token, or a URL"),
    "token place with password": ({"auth": "token", "token_path": f"https://me:{SECRET}@x/"}, "--token-path holds a user name or password"),
    "bad key to mint": ({"auth": "token", "api_key_env": "BAD_KEY"}, "the API key in BAD_KEY: "),
    "no authority": ({"tls_ca": "/no/such.pem"}, "--tls-ca /no/such.pem: no certificates can be read from it: No such file or directory"),
    "no certificate": ({"tls_ca": __file__}, f"--tls-ca {__file__}: no certificates can be read from it: "),
}


@pytest.mark.parametrize(("changes", "told"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_told(changes: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    monkeypatch.setenv("BAD_KEY", SECRET + "\n")
    monkeypatch.setenv("EMPTY_KEY", "")
    with pytest.raises(ScenarioError) as caught:
        make_run(options(**changes))
    text = str(caught.value)
    assert text.startswith(told)
    assert "\n" not in text
    assert SECRET not in text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("criteria:\n  - e2e_latency p95 << 3", "mine.yml, line 2: criterion "),
        ("abort:\n  unless: [nonsense p95 < 1 s]", "mine.yml, line 2: criterion "),
        ("load: {talkers: 0}", "mine.yml, line 1: load.talkers: "),
        ("load: {talker: 1}", "mine.yml, line 1: unknown key load.talker; "),
        (
            "criteria: [target_memory_growth < 10 MB/h]",
            "mine.yml, line 1: criterion 'target_memory_growth < 10 MB/h': target_memory_growth is measured only where target.metrics_url",
        ),
        ("criteria:\n  - success > 5 %\n  - yield_rate > 5 %", "mine.yml, line 3: criterion 'yield_rate > 5 %': nobody barges in, so"),
        ("criteria: [token_success > 5 %]", "line 1: criterion 'token_success > 5 %': token_success is measured only with --auth token"),
        ("chaos: [{do: drop, at_s: 99}]", "mine.yml, line 1: chaos.0.at_s: it is first due at 99 s of the run, which ends after 60 s"),
        ("personas:\n  - name: a\n    voices: [bob]", "mine.yml, line 3: persona a: the corpus asks nothing with the voice 'bob': there"),
        (
            "personas:\n  - {name: a, accent: en-IN}",
            "mine.yml, line 2: persona a: no voice of the corpus has the accent 'en-IN': there are awb",
        ),
        ("personas:\n  - {name: a}\n  - {name: b, noise: {snr: 1}}", "line 3: unknown key personas.1.noise.snr; did you mean snr_db?"),
        ("load:\n  talkers: many", "mine.yml, line 2: load.talkers: "),
        (
            "criteria:\n  - e2e_latencies p95 < 1 s",
            "mine.yml, line 2: criterion 'e2e_latencies p95 < 1 s': no metric 'e2e_latencies'; did you",
        ),
        ("criteria:\n  - success in peak > 9 %", "line 2: criterion 'success in peak > 9 %': no stage 'peak'; the load has no stages"),
        ("speaker:\n  output_s: 0.9", "mine.yml, line 1: speaker: output_s is part of playout_delay_s"),
    ],
)
def test_what_is_wrong_in_the_scenario_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        make_run(options(scenario=scenario_file(tmp_path, text)))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_corpus_without_its_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"^--corpus: .*transcripts\.tsv"):
        make_run(options(corpus=str(tmp_path)))


def test_a_key_that_is_not_needed_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET + "\n")
    assert make_run(options()).key is None


def test_a_key_goes_to_the_token_host_only_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    mint = make_run(options(auth="token")).mint
    assert mint is not None
    assert mint.request.headers == {}
    assert make_run(options(auth="key")).key == SECRET
    named = make_run(options(auth="token", api_key_env="OPENAI_API_KEY")).mint
    assert named is not None
    assert named.request.headers == {"Authorization": f"Bearer {SECRET}"}


def test_tokens_from_another_host() -> None:
    run = make_run(options(host="https://api.example.com", auth="token", token_path="http://127.0.0.1:9000/rt-token"))
    assert run.mint is not None
    assert (run.mint.base_url, run.mint.path) == ("http://127.0.0.1:9000", "/rt-token")
    assert run.dialect().endpoint(run.host, None).startswith("wss://api.example.com/")


@pytest.mark.parametrize("auth", ["token", "key"])
def test_secrets_are_never_shown(auth: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    run = make_run(options(auth=auth, api_key_env="MY_KEY"))
    assert run.key == SECRET
    assert (run.mint is not None) is (auth == "token")
    shown = (
        repr(run)
        + repr(run.mint)
        + repr(run.mint and run.mint.request)
        + repr(run.options)
        + str(asdict(run.options))
        + repr(run.scenario)
        + repr(run.prepared)
    )
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("host", "base", "path"),
    [
        ("ws://x:1/api/", "http://x:1/api", "ws://x:1/api/v1/realtime?model=gpt-realtime"),
        ("wss://x", "https://x", "wss://x/v1/realtime?model=gpt-realtime"),
        ("https://x", "https://x", "wss://x/v1/realtime?model=gpt-realtime"),
        ("http://[::1]:8000", "http://[::1]:8000", "ws://[::1]:8000/v1/realtime?model=gpt-realtime"),
    ],
)
def test_one_host_for_tokens_and_sessions(host: str, base: str, path: str) -> None:
    run = make_run(options(host=host, auth="token", token_path="mint"))
    assert run.mint is not None
    assert run.mint.base_url + run.mint.path == base + "/mint"
    assert run.dialect().endpoint(run.host, None) == path


def test_tls(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(pem)
    assert len(make_run(options(tls_ca=str(pem))).tls.get_ca_certs()) == 1
    careless = make_run(options(tls_insecure=True)).tls
    assert (careless.check_hostname, careless.verify_mode.name) == (False, "CERT_NONE")
    careful = make_run(options()).tls
    assert (careful.check_hostname, careful.verify_mode.name) == (True, "CERT_REQUIRED")


def test_the_session_is_asked_for_as_the_scenario_says(tmp_path: Path) -> None:
    asked = {"voice": "alloy", "silence_duration_ms": None, "interrupt_response": False}
    run: Run = a_run(HOST, tmp_path, {"session": asked})
    assert (run.settings.voice, run.settings.silence_duration_ms, run.settings.interrupt_response) == ("alloy", None, False)


@given(st.lists(st.booleans(), max_size=60))
def test_the_roster_gives_the_lowest_free_number(arrivals: list[bool]) -> None:
    roster, present = Roster(), set[int]()
    for arrives in arrivals:
        if arrives:
            number = roster.take()
            assert number == min(set(range(len(present) + 1)) - present)
            present.add(number)
        elif present:
            leaving = sorted(present)[len(present) // 2]
            present.discard(leaving)
            roster.give_back(leaving)
        assert roster.present() == len(present)


def test_a_persona_may_have_a_network_of_its_own(tmp_path: Path) -> None:
    personas = "personas: [{name: out, share: 3, network: 3g}, {name: home}, {name: train, network: mine}]"
    text = f"networks: {{mine: {{delay_ms: 40}}}}\nnetwork: {{wifi: 0.5, ideal: 0.5}}\n{personas}\n"
    run = make_run(options(scenario=scenario_file(tmp_path, text)))
    names: dict[str, set[str]] = {}
    for talker in range(40):
        emulation = run.emulation(talker, 0)
        assert emulation is not None
        names.setdefault(run.planner.role(talker).persona, set()).add(emulation.name)
    assert names == {"out": {"3g"}, "home": {"wifi", "ideal"}, "train": {"mine"}}
    alone = make_run(options(scenario=scenario_file(tmp_path, personas.replace("mine", "4g"))))
    made = {alone.planner.role(talker).persona: alone.emulation(talker, 0) for talker in range(20)}
    assert {persona: emulation and emulation.name for persona, emulation in made.items()} == {"out": "3g", "home": None, "train": "4g"}


@pytest.mark.parametrize(
    ("wrong", "wanted"),
    [
        (
            "",
            "--dialect {}: how it gets in: raised NotImplementedError: a dialect must define endpoint; python -m protocol check {}",
        ),
        ("    input_rate = 11_025\n", "--dialect {}: input_rate is 11025: there are 8000, 16000, 24000, 48000; python -m protocol check"),
        ("    def __init__(self): pass\n", "session.wire: mine cannot be made: TypeError: "),
    ],
)
def test_a_dialect_of_a_user_that_is_none_is_told_in_one_line(wrong: str, wanted: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"from protocol import Dialect\nclass Mine(Dialect):\n    name = 'mine'\n{wrong}")
    with pytest.raises(ScenarioError) as caught:
        make_run(options(dialect=str(path), auth="none"))
    assert wanted.format(path, path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_criterion_that_the_wire_cannot_tell_is_refused(tmp_path: Path) -> None:
    criteria = "criteria:\n  - success > 5 %\n  - barge_in_latency p95 < 1 s\n  - asr_processing p50 < 1 s"
    told = f"conversation: {{barge_in: {{per_second: 0.1}}}}\n{criteria}"
    with pytest.raises(ScenarioError) as caught:
        make_run(options(scenario=scenario_file(tmp_path, told), dialect="twilio", auth="none"))
    assert "mine.yml, line 4: criterion 'barge_in_latency p95 < 1 s': barge_in_latency cannot be measured: on the wire twilio a" in str(
        caught.value
    )
    told = told.replace("  - barge_in_latency p95 < 1 s\n", "")
    with pytest.raises(ScenarioError, match="does not tell that it hears speech end and what it understood; leave it out"):
        make_run(options(scenario=scenario_file(tmp_path, told), dialect="raw-pcm", auth="none"))
    by_option = "session: {wire: {speech_stopped_type: a, transcript_type: b}}\n" + told
    run = make_run(options(scenario=scenario_file(tmp_path, by_option), dialect="raw-pcm", auth="none"))
    assert "server_detection" in run.untold
    assert "asr_processing" not in run.untold
    assert make_run(options()).untold == {}


@pytest.mark.parametrize(
    ("dialect", "option", "value"),
    [("vapi", "rate", 44_100), ("deepgram", "output_rate", 0), ("pipecat", "output_rate", -5), ("ultravox", "input_rate", 7)],
)
def test_a_rate_that_no_talker_has_is_refused(dialect: str, option: str, value: int, tmp_path: Path) -> None:
    mine = scenario_file(tmp_path, f"name: mine\nsession:\n  wire: {{{option}: {value}}}\n")
    side = option if "_" in option else "input_rate"
    with pytest.raises(ScenarioError) as caught:
        make_run(options(scenario=mine, dialect=dialect))
    told = f"mine.yml, line 3: session.wire: {dialect}: {side} is {value}: there are 8000, 16000, 24000, 48000"
    assert str(caught.value).endswith(told)
