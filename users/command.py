"""Runs a command of the scenario's: no shell, a time limit, and no secret of ours in what is told of it."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO

import gevent
from gevent import subprocess

from users.hidden import hidden

logger = logging.getLogger(__name__)

LIMIT_S = 60.0
"""A command that has not ended by then is ended."""
_SHOWN = 2000
"""Characters of its output that are logged."""
_READ = 64 * 1024
"""Bytes of it that are read: a secret that begins in what is shown ends in them."""


def run_command(command: Sequence[str], secrets: Mapping[str, str], limit_s: float = LIMIT_S) -> str:
    """Run it, and log what it prints; returns how it ended, in words. Ends it, with what it has started, after `limit_s` or where the
    caller is killed; what it leaves running when it has ended by itself goes on. `secrets`: environment variables that it does not get, and
    what they hold, "" for nothing; neither does it get another that holds the same."""
    held = {value for value in secrets.values() if value}
    environment = {name: value for name, value in os.environ.items() if name not in secrets and value not in held}
    with TemporaryFile() as told:  # no pipe: what the command leaves running would hold it open
        try:
            process = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=told, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        except (OSError, ValueError) as error:
            how = f"cannot be run: {getattr(error, 'strerror', None) or error}"
            logger.error("chaos: %s %s", command[0], how)
            return how
        try:
            with gevent.Timeout(limit_s, False):
                code = process.wait()
                _log(command, told, held)
                return f"exit code {code}" if code >= 0 else f"ended by signal {-code}"
            logger.error("chaos: %s has not ended within %g s: it is ended", command[0], limit_s)
            return f"not over within {limit_s:g} s"
        finally:
            with suppress(ProcessLookupError):
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


def _log(command: Sequence[str], told: IO[bytes], held: set[str]) -> None:
    told.seek(0)
    words = ("KEY", "TOKEN", "SECRET", "PASSWORD")
    likely = [value for name, value in os.environ.items() if len(value) >= 8 and any(word in name.upper() for word in words)]
    shown = hidden(told.read(_READ).decode(errors="replace"), [*held, *likely])
    for line in shown[:_SHOWN].splitlines():
        logger.info("chaos: %s: %s", command[0], line)
