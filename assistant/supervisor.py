"""Outages: the serving process is forked off, killed with SIGKILL when the profile says so, and forked off anew after its time down.

The port stays taken meanwhile, by a socket that is bound and never listens, so that callers are refused as by a process that is
not there. The supervisor has no thread and no event loop: it waits for signals, one of which is that a child has ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from time import monotonic_ns

from assistant.server import Address, at_terminal, cannot_run, child_environment, exit_code
from assistant.timetable import Outage, next_outage
from assistant.truth import OutageTruth, TruthLog

SECOND_NS = 1_000_000_000
WATCHED = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
GOODBYE_S = 15.0  # how long the serving process may take to end in order
FOREVER_S = 86400.0

Serve = Callable[[int, int | None, Callable[[], None]], int]
"""Serves until SIGTERM, in a process of its own; returns the exit code. Takes how many were killed before, when the first began to
listen (monotonic ns; None: this is the first), and what to call once it listens."""


class Supervisor:
    """Runs the serving process through its outages. `announce` is called once, when it first listens."""

    def __init__(self, outages: tuple[Outage, ...], serve: Serve, truth: TruthLog, address: Address, announce: Callable[[], None]) -> None:
        self._outages = outages
        self._serve = serve
        self._truth = truth
        self._address = address
        self._announce = announce
        self._lives = 0
        self._start_ns: int | None = None  # when the first serving process began to listen
        self._serving: int | None = None  # its pid; None: down
        self._command: subprocess.Popen[bytes] | None = None

    def run(self, command: list[str]) -> int:
        """Serves until a signal, or until the command has ended; returns the exit code."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        try:
            code = self._fork()
            if code is not None:
                return code
            self._announce()
            if command:
                try:
                    self._command = subprocess.Popen(command, env=child_environment(self._address), preexec_fn=_hear_signals)
                except OSError as error:
                    return cannot_run(command[0], error)
            return self._watch()
        finally:
            self._end()
            self._truth.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _watch(self) -> int:
        """Outage after outage; returns the exit code once there is a reason to end."""
        assert self._start_ns is not None
        killed: OutageTruth | None = None
        back_ns = 0
        while True:
            now_ns = monotonic_ns()
            if killed is None:
                coming = next_outage(self._outages, (now_ns - self._start_ns) / SECOND_NS)
                due_ns = self._start_ns + round(coming[0] * SECOND_NS) if coming else None
            else:
                due_ns = back_ns
            code = self._until(due_ns)
            if code is not None:
                if killed is not None:
                    self._truth.write(killed)
                return code
            if killed is None:
                assert coming is not None
                killed = OutageTruth(self._kill())
                back_ns = killed.killed_ns + round(coming[1] * SECOND_NS)
                continue
            code = self._fork(killed)
            self._truth.write(killed)
            killed = None
            if code is not None:
                return code

    def _until(self, due_ns: int | None) -> int | None:
        """Waits for an instant (None: for ever); returns None then, and the exit code where there is a reason to end before."""
        while True:
            left_s = FOREVER_S if due_ns is None else (due_ns - monotonic_ns()) / SECOND_NS
            if left_s <= 0:
                return None
            told = signal.sigtimedwait(WATCHED, left_s)
            if told is None:
                continue
            number = signal.Signals(told.si_signo)
            if number is signal.SIGCHLD:
                if self._command is not None and self._command.poll() is not None:
                    return exit_code(self._command.returncode)
                if self._serving is not None and (code := self._gone()) is not None:
                    print(f"assistant: the serving process ended by itself, exit code {code}", file=sys.stderr)
                    return code or 1
            elif self._command is None:
                return 0
            elif not (number is signal.SIGINT and at_terminal()):  # the terminal has told the command already
                self._command.send_signal(number)

    def _fork(self, killed: OutageTruth | None = None) -> int | None:
        """Starts the serving process and waits until it listens, which goes into `killed`. Returns None, or its exit code where it
        ended before it listened; it has said why."""
        listening, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(listening)
            self._be_serving_process(told)
        os.close(told)
        self._serving = pid
        with open(listening, "rb") as answer:
            listening_ns = int(answer.read() or 0)
        if not listening_ns:
            _, status = os.waitpid(pid, 0)
            self._serving = None
            return exit_code(os.waitstatus_to_exitcode(status)) or 1
        self._lives += 1
        self._start_ns = self._start_ns or listening_ns
        if killed is not None:
            killed.listening_ns = listening_ns
        return None

    def _be_serving_process(self, told: int) -> None:
        """Serves, in the child, which never returns from here, dies with its supervisor, and is out of a terminal's reach: the
        command that runs against it may go on after Ctrl-C."""
        code = 1
        try:
            os.setpgid(0, 0)
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            _hear_signals()

            def listens() -> None:
                os.write(told, str(monotonic_ns()).encode())
                os.close(told)

            code = self._serve(self._lives, self._start_ns, listens)
        except BaseException:  # nothing above would tell
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _kill(self) -> int:
        """Kills the serving process; returns when (monotonic ns)."""
        assert self._serving is not None
        killed_ns = monotonic_ns()
        os.kill(self._serving, signal.SIGKILL)
        os.waitpid(self._serving, 0)
        self._serving = None
        self._truth.mend()
        return killed_ns

    def _gone(self) -> int | None:
        """The exit code of the serving process; None while it runs."""
        assert self._serving is not None
        pid, status = os.waitpid(self._serving, os.WNOHANG)
        if not pid:
            return None
        self._serving = None
        return exit_code(os.waitstatus_to_exitcode(status))

    def _end(self) -> None:
        """Ends the serving process in order; kills it where that takes too long."""
        if self._serving is None:
            return
        os.kill(self._serving, signal.SIGTERM)
        until_ns = monotonic_ns() + round(GOODBYE_S * SECOND_NS)
        while self._gone() is None:
            left_s = (until_ns - monotonic_ns()) / SECOND_NS
            if left_s <= 0:
                with contextlib.suppress(ProcessLookupError):
                    self._kill()
                return
            signal.sigtimedwait([signal.SIGCHLD], left_s)


def _hear_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
