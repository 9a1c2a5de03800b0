"""Names in a wire's options: what the environment holds goes over the wire, and nowhere else."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from users_assistants import a_run
from users_peers import Peer, served, until
from websockets.frames import Opcode

from metrics.records import SessionOutcome
from metrics.tape import read, replayed
from protocol import Grant
from scenarios import ScenarioError
from users.errors import RemoteError
from users.messages import order, ordered
from users.preflight import preflight
from users.run import Run, make_run
from users.session import Session

SECRET = 'p"ss/w0rd 9'
MINE = """
from protocol.dialects.raw_pcm import RawPcm


class Mine(RawPcm):
    name = "mine"

    def __init__(self, options=None):
        super().__init__(options)
        if "w0rd" in self.options.hello:
            raise ValueError(self.options.hello)
"""
HELLO = '{"type":"auth","key":"${VOICE}"}'


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_KEY", SECRET)
    monkeypatch.setenv("VOICE", "ab12cd34")
    monkeypatch.setenv("BROKEN", f"{SECRET}\n")
    monkeypatch.delenv("NO_SUCH", raising=False)


def run_of(folder: Path, wire: dict[str, Any], dialect: str = "raw-pcm", host: str = "http://h", **options: Any) -> Run:
    return a_run(host, folder, {"session": {"wire": wire}}, dialect=dialect, **options)


def test_the_dialect_has_what_the_environment_holds(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"hello": HELLO, "path": "/ws?token=${VOICE_KEY}", "goodbye": "$${VOICE}", "input_rate": 8000})
    dialect = run.dialect()
    assert dialect.configure(run.settings) == [b'{"type":"auth","key":"ab12cd34"}']
    assert dialect.endpoint("http://h", None) == "ws://h/ws?token=p%22ss%2Fw0rd%209"
    assert dialect.farewell() == b"${VOICE}"
    assert dialect.input_rate == 8000
    assert run.secrets == {"": "", "VOICE": "ab12cd34", "VOICE_KEY": SECRET}


def test_parameters_of_a_call_are_what_the_environment_holds(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"parameters": "token=${VOICE_KEY}&a=b"}, "twilio")
    start = run.dialect().configure(run.settings)[-1]
    assert b'"customParameters":{"token":"p\\"ss/w0rd 9","a":"b"}' in start


def test_the_api_key_has_a_name_too(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"hello": "${KEY}"}, api_key_env="VOICE")
    assert run.dialect().configure(run.settings) == [b"ab12cd34"]
    assert run.secrets == {"VOICE": "ab12cd34"}


def test_files_keep_the_names_and_a_worker_reads_its_own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(tmp_path, {"hello": HELLO, "path": "/${VOICE_KEY}"}, auth="none")
    told = asdict(order("k", run))
    kept = run.scenario.model_dump_json() + repr(run) + repr(run.options.shown()) + repr(told)
    assert "${VOICE}" in kept
    assert "ab12cd34" not in kept
    assert "w0rd" not in kept
    monkeypatch.setenv("VOICE", "another")
    _, options, scenario = ordered(told)
    there = make_run(options, scenario)
    assert there.dialect().configure(there.settings) == [b'{"type":"auth","key":"another"}']


@pytest.mark.parametrize(
    ("wire", "told"),
    [
        ({"hello": "${NO_SUCH}"}, "session.wire: hello needs ${NO_SUCH}: set the environment variable NO_SUCH"),
        ({"hello": "${KEY}"}, "session.wire: hello needs ${KEY}: name the API key's environment variable: --api-key-env"),
        ({"path": "/${BROKEN}"}, "session.wire: path: BROKEN has characters that cannot be sent, such as a line end"),
        ({"hello": "${A-B}"}, "session.wire: hello: write ${NAME}, with the name of an environment variable"),
    ],
)
def test_what_is_wrong_is_told_before_the_run(wire: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        run_of(tmp_path, wire)
    assert str(caught.value).endswith(told)
    assert "\n" not in str(caught.value)
    assert "w0rd" not in str(caught.value)


def test_a_value_that_the_dialect_refuses_is_not_shown(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(MINE)
    with pytest.raises(ScenarioError) as caught:
        run_of(tmp_path, {"hello": "${VOICE_KEY}"}, str(mine))
    assert str(caught.value).endswith("session.wire: what VOICE_KEY holds is nothing that mine takes")


def test_what_is_said_again_is_hidden_and_a_tape_holds_the_names(tmp_path: Path) -> None:
    heard: list[str] = []

    def echoes(peer: Peer) -> None:
        peer.accept()
        heard.append(peer.receive().data.decode())
        peer.tell(type="error", message=f"no such key: {SECRET}")
        peer.send(Opcode.CLOSE, (1008).to_bytes(2, "big") + b"p%22ss%2Fw0rd%209 or ab12cd34")
        peer.drain()

    tape = tmp_path / "tape.jsonl"
    wire = {"hello": HELLO, "path": "/ws/${VOICE_KEY}", "error_type": "error"}
    with served(echoes) as server:
        session = Session(run_of(tmp_path, wire, host=server.host, tape=str(tape)), 0, 0, None)
        session.open(Grant())

        def ended() -> RemoteError | None:
            return session._error if isinstance(session._error, RemoteError) else None

        error = until(ended)
        record = session.close(SessionOutcome.LOST, error)
    assert heard == ['{"type":"auth","key":"ab12cd34"}']
    assert record.error == "closed by the assistant: code 1008, *** or ***"
    entries = read(tape)
    assert entries[0]["options"] == wire
    assert entries[1]["sent"]["text"] == '{"type":"auth","key":"********"}'
    assert "w0rd" not in tape.read_text()
    assert "ab12cd34" not in tape.read_text()
    assert replayed(entries) == []


def test_a_refusal_before_the_run_does_not_show_the_path(tmp_path: Path) -> None:
    def refuses(peer: Peer) -> None:
        peer.read_request()
        peer.refuse("403 Forbidden")

    with served(refuses) as server, pytest.raises(ScenarioError) as caught:
        preflight(run_of(tmp_path, {"path": "/ws/${VOICE_KEY}"}, host=server.host))
    assert "it has no WebSocket at /ws/***: servers of" in str(caught.value)
