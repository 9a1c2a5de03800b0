"""The reporter: follows Locust's runs, one after the other, from start to summary."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from locust.event import EventHook

import gevent

from metrics.health import Health
from reporting.collector import Collector, Finished
from reporting.completion import RunFacts
from reporting.console import print_finished, print_progress
from reporting.live import Live

logger = logging.getLogger(__name__)


class Reporter:
    """Takes the records of `hooks` while a run is under way. Each run gets a folder in `parent`; `now_ns` reads the monotonic clock.

    `finished`: the last run; None before the first, and where it could not be completed. `interrupted`: set where a signal ends the run
    before its time.
    """

    def __init__(self, hooks: Sequence[EventHook], parent: Path, now_ns: Callable[[], int]) -> None:
        self.finished: Finished | None = None
        self.interrupted = self._told = False
        self._hooks = hooks
        self._parent = parent
        self._now_ns = now_ns
        self._collector: Collector | None = None
        self._shown: Live | None = None
        self._progress: gevent.Greenlet | None = None

    def check(self) -> None:
        """Raises ValueError where run folders cannot be made: Locust would go on without."""
        try:
            self._parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"--runs {self._parent}: {error.strerror}") from None
        if not os.access(self._parent, os.W_OK):
            raise ValueError(f"--runs {self._parent}: it cannot be written to")

    @property
    def under_way(self) -> bool:
        """Whether a run has started and not ended."""
        return self._collector is not None

    @property
    def shown(self) -> Live | None:
        """The run under way, or the last one; None before the first."""
        return self._shown

    def start(self, facts: RunFacts, talkers: Callable[[], int], health: Callable[[], Health]) -> None:
        """A run starts. `talkers` tells how many are there, `health` the tester's own. Raises OSError where its folder cannot be made."""
        if self.under_way:
            raise RuntimeError("a run is under way")
        self.interrupted = self._told = False
        collector = Collector(self._parent, facts, talkers, health, self._now_ns)
        for hook in self._hooks:
            hook.add_listener(collector.on_record)
        self._collector = self._shown = collector
        self._progress = gevent.spawn(print_progress, collector, talkers)

    def stopping(self, limit_s: float) -> None:
        """The run is to end: say why it goes on for a while."""
        if self.under_way and limit_s and not self._told:
            self._told = True
            print(f"Ending: the talkers finish their turns (at most {limit_s:g} s)", flush=True)

    def stop(self) -> None:
        """The run has ended: complete its folder, or say how to where that fails. Does nothing where none is under way, as when the web UI
        is closed."""
        collector, self._collector = self._collector, None
        if collector is None:
            return
        for hook in self._hooks:
            hook.remove_listener(collector.on_record)
        if self._progress is not None:
            self._progress.kill()
        self.finished = None
        try:
            self.finished = collector.finish(self.interrupted)
        except OSError as error:
            path, why = collector.folder.path, error.strerror or error
            logger.error("%s: the run cannot be completed: %s; make room, then: python -m analysis recover %s", path, why, path)

    def conclude(self, environment: Any) -> None:
        """Locust quits: settle the exit code, and have the last run's summary printed below Locust's own tables."""
        finished = self.finished
        if finished is not None:
            environment.events.quit.add_listener(lambda **_: print_finished(finished))
            environment.process_exit_code = 0 if finished.passed else 1
        elif environment.parsed_options.headless:
            environment.process_exit_code = 1
