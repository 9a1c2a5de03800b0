"""The command: what it prints, how it ends, and the command that runs against it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

import assistant
from assistant import __main__ as command
from assistant.server import Address

ROOT = Path(assistant.__file__).parents[1]
CHILD = """
import json, os, sys, urllib.request
url = os.environ["LOCUST_HOST"]
assert url == os.environ["DOUBLETALK_HOST"]
assert json.load(urllib.request.urlopen(url + "/health"))["healthy"]
sys.exit(int(sys.argv[1]))
"""


def run(*arguments: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "assistant", *arguments]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    line = [sys.executable, "-m", "assistant", "--port", "0", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(line, cwd=ROOT, text=True, **pipes) as process:
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_it_says_when_it_is_ready_and_ends_on_a_signal(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    with started("--profile", "ideal", "--seed", "7", "--truth", str(truth)) as (process, ready):
        assert re.fullmatch(r"assistant listening on http://127\.0\.0\.1:\d+, profile ideal, seed 7\n", ready)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr is not None and process.stderr.read() == ""
    header = json.loads(truth.read_text().splitlines()[0])
    assert (header["kind"], header["seed"], header["profile"]["name"]) == ("header", 7, "ideal")


def test_the_exit_code_of_the_command_becomes_ours() -> None:
    done = run("--port", "0", "--", sys.executable, "-c", CHILD, "3")
    assert done.returncode == 3, done.stderr
    assert "assistant listening on" in done.stdout


def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    issued.private_key_pem.write_to_path(str(key))
    issued.cert_chain_pems[0].write_to_path(str(cert))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with started("--profile", "ideal", "--tls-cert", str(cert), "--tls-key", str(key)) as (_, ready):
        url = re.search(r"https://127\.0\.0\.1:\d+", ready)
        assert url is not None
        with urllib.request.urlopen(f"{url[0]}/rt-token", context=trusting, timeout=10) as reply:
            assert json.load(reply)["value"].startswith("ek_")


@pytest.mark.parametrize(
    ("host", "url", "local"),
    [
        ("127.0.0.1", "http://127.0.0.1:80", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://0.0.0.0:80", "http://127.0.0.1:80"),
        ("::", "http://[::]:80", "http://[::1]:80"),
    ],
)
def test_addresses(host: str, url: str, local: str) -> None:
    assert (Address(host, 80).url, Address(host, 80).local_url) == (url, local)


def test_signals_are_passed_on_to_the_command() -> None:
    child = "import time; print('child', flush=True); time.sleep(60)"
    with started("--", sys.executable, "-c", child) as (process, _):
        assert process.stdout is not None and process.stdout.readline() == "child\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM


def test_a_command_that_does_not_exist() -> None:
    done = run("--port", "0", "--", "/no/such/command")
    assert done.returncode == 127
    assert "cannot run /no/such/command" in done.stderr


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on stderr of a call that ends with exit code 2."""
    assert command.main(list(arguments)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_a_taken_port(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused(capsys, "--port", str(port)) == (f"assistant: cannot listen on 127.0.0.1:{port}: Address already in use")


def test_what_cannot_be_used(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text("asr: {speed: 1}")
    assert "no such profile" in refused(capsys, "--profile", "nosuch")
    assert "asr.speed: unknown key; allowed" in refused(capsys, "--profile", str(broken))
    assert str(tmp_path) in refused(capsys, "--corpus", str(tmp_path))
    assert "cannot write" in refused(capsys, "--port", "0", "--truth", str(tmp_path / "no" / "file"))
    assert "DOUBLETALK_NO_KEY is not set" in refused(capsys, "--api-key-env", "DOUBLETALK_NO_KEY")
    assert "belong together" in refused(capsys, "--tls-cert", "x")
    assert "cannot be used" in refused(capsys, "--port", "0", "--tls-cert", str(broken), "--tls-key", str(broken))
    assert "a command is expected" in refused(capsys, "--")
    assert "cannot listen" in refused(capsys, "--port", "70000")


def test_a_wrong_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--port", "x"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "assistant: argument --port: invalid int value: 'x' (see --help)\n"


def test_no_traceback_when_started_for_real() -> None:
    done = run("--profile", "nosuch")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert os.fspath(ROOT) not in done.stderr
