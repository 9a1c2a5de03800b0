"""Runs a command of the scenario's: no shell, a time limit, and no secret of ours in what is told of it."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence
from contextlib import suppress

import gevent
from gevent import subprocess

logger = logging.getLogger(__name__)

LIMIT_S = 60.0
"""A command that has not ended by then is ended."""
_SHOWN = 2000
"""Characters of its output that are logged."""
_HIDDEN = "***"


def run_command(command: Sequence[str], key_variable: str, key: str | None, limit_s: float = LIMIT_S) -> str:
    """Run it, and log what it prints; returns how it ended, in words. Ends it, with what it has started, after `limit_s` or where the
    caller is killed. It does not get the API key: neither the environment variable with this name nor one that holds `key`."""
    environment = {name: value for name, value in os.environ.items() if name != key_variable and (key is None or value != key)}
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        how = f"cannot be run: {getattr(error, 'strerror', None) or error}"
        logger.error("chaos: %s %s", command[0], how)
        return how
    try:
        with gevent.Timeout(limit_s, False):
            told = process.communicate()[0]
            _log(command, told.decode(errors="replace"), key)
            code = process.returncode
            return f"exit code {code}" if code >= 0 else f"ended by signal {-code}"
        logger.error("chaos: %s has not ended within %g s: it is ended", command[0], limit_s)
        return f"not over within {limit_s:g} s"
    finally:
        with suppress(ProcessLookupError):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _log(command: Sequence[str], told: str, key: str | None) -> None:
    shown = told.replace(key, _HIDDEN) if key else told
    for name, value in os.environ.items():
        if len(value) >= 8 and any(word in name.upper() for word in ("KEY", "TOKEN", "SECRET", "PASSWORD")):
            shown = shown.replace(value, _HIDDEN)
    for line in shown[:_SHOWN].splitlines():
        logger.info("chaos: %s: %s", command[0], line)
