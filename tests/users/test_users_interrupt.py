"""Ctrl-C amid a frame: Locust's greenlet is interrupted, the frame and all that follow are sent."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys
import gevent
from users.clock import now_ns
from users.interrupt import interrupt_between_callbacks
from users.pacer import Pacer

PERIOD_NS = 2_000_000
if sys.argv[1] == "ignored":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
interrupt_between_callbacks()


class Beat:
    urgent = False
    beats = 0

    def due(self, due_ns):
        if self.beats in (5, 10):
            os.kill(os.getpid(), signal.SIGINT)
        self.beats += 1
        return due_ns + PERIOD_NS if self.beats < 30 else None


beat, interrupted = Beat(), []
Pacer().add(beat, now_ns() + PERIOD_NS)
with gevent.Timeout(30):
    while beat.beats < 30:
        try:
            gevent.sleep(0.001)
        except KeyboardInterrupt:
            interrupted.append(beat.beats)
print(beat.beats, len(interrupted), all(5 < at < 30 for at in interrupted))
"""


@pytest.mark.parametrize(("before", "told"), [("handled", "30 2 True"), ("ignored", "30 0 True")])
def test_whoever_waits_is_interrupted_and_nothing_else(before: str, told: str) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, before], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr, done.returncode) == (told, "", 0)
