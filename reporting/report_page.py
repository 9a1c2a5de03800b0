"""A run's report: `python -m analysis report` as a process of its own, as nothing here imports what analyses."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import gevent
from gevent import subprocess

logger = logging.getLogger(__name__)

ROOT = Path(__file__).parent.parent
LIMIT_S = 180.0
"""A report that has not been written by then is given up: three times what one of 100,000 turns may take."""


def write_report(folder: Path, limit_s: float = LIMIT_S) -> Path | None:
    """Write `report.html` and `report.md` into a complete run folder, and wait for them without holding other greenlets up. Returns the
    page; None where there is none: the log says why, and how to write it again. Ends the process where the caller is killed."""
    command = [sys.executable, "-m", "analysis", "report", str(folder.absolute())]
    try:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **quiet)
    except OSError as error:
        _tell(folder, error.strerror or str(error))
        return None
    why = f"not done within {limit_s:g} s"
    try:
        with gevent.Timeout(limit_s, False):
            told = process.communicate()[1].decode(errors="replace").strip()
            why = told.splitlines()[-1] if told else f"exit code {process.returncode}"
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    page = folder / "report.html"
    if process.returncode == 0 and page.exists():
        return page
    _tell(folder, why)
    return None


def _tell(folder: Path, why: str) -> None:
    logger.warning("%s: no report.html was written: %s; again: python -m analysis report %s", folder, why, folder)
