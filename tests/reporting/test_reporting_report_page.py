"""reporting/report_page.py: a run's report as a process of its own, real ones."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

import gevent
import psutil
import pytest

from reporting.report_page import write_report


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> Path:
    """A run folder, and in the place of Python a program that does this with it (`$4`)."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def test_others_go_on_while_a_report_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = stand_in(tmp_path, monkeypatch, 'test "$1 $2 $3" = "-m analysis report" && sleep 0.5 && echo page > "$4/report.html"')
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while True:
            gevent.sleep(0.02)
            ticks += 1

    ticking = gevent.spawn(tick)
    assert write_report(folder) == folder / "report.html"
    ticking.kill()
    assert ticks > 5


@pytest.mark.parametrize(
    ("does", "why"), [("echo one >&2; echo doubletalk: broken >&2; exit 2", "doubletalk: broken"), ("exit 3", "exit code 3")]
)
def test_why_there_is_none_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, does: str, why: str
) -> None:
    folder = stand_in(tmp_path, monkeypatch, does)
    with caplog.at_level(logging.WARNING):
        assert write_report(folder) is None
    assert caplog.messages == [f"{folder}: no report.html was written: {why}; again: python -m analysis report {folder}"]


def test_a_report_that_takes_too_long_is_given_up_and_its_process_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = stand_in(tmp_path, monkeypatch, 'echo $$ > "$4/pid"; exec sleep 100')
    assert write_report(folder, limit_s=1.0) is None
    assert "not done within 1 s" in caplog.text
    pid = int((folder / "pid").read_text())
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_program_that_cannot_be_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    assert write_report(tmp_path) is None
    assert "No such file or directory" in caplog.text
