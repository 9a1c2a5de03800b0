"""Bad input as a user meets it: one clear line that says what, where and what to do; exit code 2; no traceback; no run folder.

One of each kind: what is said of all others is in tests/users/test_users_run.py and test_users_options.py."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from harness import LOCUST, ROOT, alone

pytestmark = pytest.mark.spread


def told(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of ours. Locust's own log lines begin with a bracket."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith("[")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("doubletalk: ")
    return lines[0]


def scenario(tmp: Path, text: str) -> str:
    path = tmp / "mine.yml"
    path.write_text(text)
    return str(path)


def served(*arguments: str, key: str = "", extra: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """`locust --headless` with these arguments, against an assistant that is up."""
    assistant = [sys.executable, "-m", "assistant", "--port", "0", "--profile", "ideal", *extra]
    env = {**os.environ, "OPENAI_API_KEY": key}
    command = [*assistant, "--", *LOCUST, "--headless", "-t", "2s", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, env=env, check=False)


def test_unknown_scenario() -> None:
    line = told(alone("--headless", "--scenario", "dmeo"))
    assert "no scenario 'dmeo'" in line
    assert "baseline" in line
    assert "demo" in line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("load: {talkers: 3", "line 1: broken YAML"),
        ("criteria:\n  - e2e_latency p95 < 12 %\n", "takes ms or s"),
    ],
)
def test_broken_scenario(tmp_path: Path, text: str, says: str) -> None:
    line = told(alone("--headless", "--scenario", scenario(tmp_path, text), "--runs", str(tmp_path / "runs")))
    assert says in line
    assert "mine" in line
    assert not list(tmp_path.glob("runs/*"))


def test_options_and_a_scenario_that_do_not_go_together(tmp_path: Path) -> None:
    text = "load:\n  stages:\n    - {name: a, talkers: 2, hold_s: 9}\n"
    line = told(alone("--headless", "--scenario", scenario(tmp_path, text), "--runs", str(tmp_path / "runs"), "--users", "3"))
    assert "--users: mine says itself how its load goes; change that: --set load.KEY=VALUE" in line
    assert not list(tmp_path.glob("runs/*"))


def test_host_not_reachable() -> None:
    line = told(alone("--headless", "--host", "http://127.0.0.1:1"))
    assert "http://127.0.0.1:1 cannot be called" in line
    assert "--host" in line


def test_wrong_key() -> None:
    secret = "sk-this-is-not-the-key"
    done = served("--auth", "key", key=secret)
    line = told(done)
    assert "401" in line
    assert "--api-key-env" in line
    assert secret not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    server.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder


@pytest.mark.parametrize("auth", ["token", "none"])
def test_certificate_not_trusted(certificates: Path, auth: str) -> None:
    tls = ("--tls-cert", str(certificates / "cert.pem"), "--tls-key", str(certificates / "key.pem"))
    line = told(served("--auth", auth, extra=tls))
    assert "certificate" in line
    assert "not trusted" in line
    assert "--tls-ca" in line


@pytest.mark.parametrize("insecure", [False, True])
def test_trusted_certificate_and_no_verification_run(certificates: Path, tmp_path: Path, insecure: bool) -> None:
    tls = ("--tls-cert", str(certificates / "cert.pem"), "--tls-key", str(certificates / "key.pem"))
    text = "load: {talkers: 1}\nconversation: {turns: 1, think_s: 0}\ncriteria: [success > 95 %]\n"
    trust = ("--tls-insecure",) if insecure else ("--tls-ca", str(certificates / "ca.pem"))
    done = served("--scenario", scenario(tmp_path, text), "--runs", str(tmp_path / "runs"), "-t", "3s", *trust, extra=tls)
    told = done.stdout[-3000:] + done.stderr[-2000:]
    assert re.search(r"\| success > 95 % +\| 100\.0 % +\| [1-9]\d* +\| holds", done.stdout), told
    assert done.returncode == ("\nINVALID: " in done.stdout), told  # others may have taken the machine for these three seconds


def test_broken_corpus(tmp_path: Path) -> None:
    (tmp_path / "transcripts.tsv").write_text("file\ttranscript\nbad.wav\tHello there\n")
    (tmp_path / "bad.wav").write_bytes(b"RIFF, but nothing else")
    assert "bad.wav" in told(alone("--headless", "--corpus", str(tmp_path)))


def test_frame_duration_that_does_not_divide() -> None:
    line = told(alone("--headless", "--frame-ms", "7"))
    assert "--frame-ms 7" in line
    assert "multiple of 10 ms" in line


def test_exporter_port_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = told(alone("--headless", "--runs", str(tmp_path / "runs"), "--prometheus-port", str(port)))
    assert f"the Prometheus exporter cannot be served on 127.0.0.1:{port}: Address already in use" in line
    assert "choose another --prometheus-port" in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--master", "--headless", "--master-bind-host", "127.0.0.1", "--master-bind-port"), "the master cannot listen for workers on"),
        (("--web-host", "127.0.0.1", "--web-port"), "the web UI cannot be served on"),
    ],
)
def test_port_taken(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = told(alone("--runs", str(tmp_path / "runs"), *arguments, str(port)))
    assert f"{says} 127.0.0.1:{port}: Address already in use; choose another {arguments[-1]}" in line
    assert not list(tmp_path.glob("runs/*"))


def test_exporter_address_that_is_not_ours() -> None:
    line = told(alone("--prometheus-port", "9464", "--prometheus-host", "192.0.2.1", "--web-port", "0"))
    assert "cannot be served on 192.0.2.1:9464: Cannot assign requested address" in line
