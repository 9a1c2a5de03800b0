"""Commands of a scenario: how they end, what they get, and what is told of them."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import gevent
import pytest
from users_peers import until

from users.command import run_command

KEY = "sk-nobody-may-see-this"


@pytest.mark.parametrize(
    ("command", "how"),
    [
        (["true"], "exit code 0"),
        (["sh", "-c", "exit 3"], "exit code 3"),
        (["sh", "-c", "kill -9 $$"], "ended by signal 9"),
        (["/no/such/program"], "cannot be run: No such file or directory"),
        (["no\0program"], "cannot be run: execve: embedded null character in path"),
    ],
)
def test_how_it_ends(command: list[str], how: str) -> None:
    assert run_command(command, {}) == how


def test_no_shell_reads_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert run_command(["echo", "$HOME", "|", "wc"], {}) == "exit code 0"
    assert "chaos: echo: $HOME | wc" in caplog.messages


def test_it_does_not_get_the_key_and_secrets_are_not_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("MY_KEY_IS_HERE", KEY)
    monkeypatch.setenv("NAMED", KEY)
    monkeypatch.setenv("UNUSED", "of-another-run")
    monkeypatch.setenv("DEPLOY_TOKEN", "a-deploy-token")
    monkeypatch.setenv("PLAIN", "for-everybody")
    assert (
        run_command(["sh", "-c", f"env | grep -E 'KEY|NAMED|UNUSED|DEPLOY|PLAIN'; echo {KEY}"], {"NAMED": KEY, "UNUSED": ""})
        == "exit code 0"
    )
    told = "\n".join(caplog.messages)
    assert KEY not in told
    assert "MY_KEY_IS_HERE" not in told
    assert "NAMED" not in told
    assert "UNUSED" not in told
    assert "DEPLOY_TOKEN=***" in told
    assert "PLAIN=for-everybody" in told
    assert "chaos: sh: ***" in caplog.messages


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_one_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = ["sh", "-c", f"sleep 600 & echo $! >> {pids}; echo $$ >> {pids}; wait"]
    assert run_command(command, {}, limit_s=0.5) == "not over within 0.5 s"
    for pid in pids.read_text().split():
        until(lambda pid=pid: gone(int(pid)))


def test_what_it_leaves_running_goes_on_and_is_not_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As a command does that starts a server anew."""
    caplog.set_level(logging.INFO)
    pid = tmp_path / "pid"
    assert run_command(["sh", "-c", f"sleep 600 & echo $! > {pid}; echo started"], {}) == "exit code 0"
    left = int(pid.read_text())
    try:
        assert not gone(left)
        assert "chaos: sh: started" in caplog.messages
    finally:
        os.kill(left, signal.SIGKILL)


def test_it_ends_with_who_waits_for_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    waiting = gevent.spawn(run_command, ["sh", "-c", f"echo $$ > {pid}.part; mv {pid}.part {pid}; exec sleep 600"], {})
    until(pid.exists)
    waiting.kill()
    until(lambda: gone(int(pid.read_text())))


def test_a_long_story_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert run_command(["sh", "-c", "yes | head -c 100000"], {}) == "exit code 0"
    assert sum(map(len, caplog.messages)) < 30 * 1000
