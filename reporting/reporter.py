"""The reporter: follows Locust's runs, one after the other, from start to summary."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from locust.event import EventHook

import gevent
from gevent.lock import Semaphore

from reporting.collector import Collector, Finished
from reporting.console import print_finished, print_progress
from reporting.facts import RunFacts
from reporting.gatherer import Gatherer, Watched
from reporting.journal import spool
from reporting.live import Live
from reporting.sender import Sender
from reporting.shipper import Shipper
from reporting.target import Target
from reporting.workers import WorkerFacts

logger = logging.getLogger(__name__)


def check_folder(runs: Path) -> None:
    """Raises ValueError where nothing can be kept in this folder."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--runs {runs}: {error.strerror}") from None
    if not os.access(runs, os.W_OK):
        raise ValueError(f"--runs {runs}: it cannot be written to")


class Reporter:
    """Reports the runs of this process or, on a master, of its workers. Each gets a folder in `parent`; `now_ns` reads the monotonic clock.

    `finished`: the last run; None before the first, and where it could not be completed. `interrupted`: set where a signal, or
    somebody in the browser, ends the run before its time. `write` makes the page of a complete run folder and returns it, None where it
    could not; it may block, and nothing waits for it until the process ends.
    """

    def __init__(self, parent: Path, now_ns: Callable[[], int], write: Callable[[Path], Path | None] = lambda _: None) -> None:
        self.finished: Finished | None = None
        self._write = write
        self._writing: gevent.Greenlet | None = None
        self.interrupted = self._told = self._concluded = False
        self._parent = parent
        self._now_ns = now_ns
        self._collector: Collector | None = None
        self._shown: Live | None = None
        self._local: Sender | None = None
        self._stopping = Semaphore(1)
        self._progress: gevent.Greenlet | None = None
        self._target: Target | None = None

    def check(self) -> None:
        """Raises ValueError where run folders cannot be made: Locust would go on without."""
        check_folder(self._parent)

    @property
    def under_way(self) -> bool:
        """Whether a run has started and not ended."""
        return self._collector is not None

    @property
    def collector(self) -> Collector | None:
        """Of the run under way; None where there is none."""
        return self._collector

    @property
    def shown(self) -> Live | None:
        """The run under way, or the last one; None before the first."""
        return self._shown

    def start(
        self,
        facts: RunFacts,
        talkers: Callable[[], int],
        target: Target | None = None,
        give_up: Callable[[], object] = lambda: None,
        due: Callable[[float], int] | None = None,
    ) -> Collector:
        """A run starts; workers report to what is returned. `talkers` tells how many are there; `target` is looked at until it ends;
        `give_up` is called where the run is hopeless; `due` as for a `Collector`. Raises OSError where its folder cannot be made."""
        if self.under_way:
            raise RuntimeError("a run is under way")
        self.interrupted = self._told = False
        look = target.latest if target is not None else lambda: None
        self._collector = self._shown = collector = Collector(self._parent, facts, talkers, self._now_ns, self._report, look, give_up, due)
        self._target = target
        if target is not None:
            target.start(facts.started_ns)
        self._progress = gevent.spawn(print_progress, collector)
        return collector

    def start_here(
        self,
        facts: RunFacts,
        worker: WorkerFacts,
        hooks: Sequence[EventHook],
        watched: Watched,
        target: Target | None = None,
        give_up: Callable[[], object] = lambda: None,
        due: Callable[[float], int] | None = None,
    ) -> Collector:
        """A run starts whose talkers are in this process: the records of `hooks` are its own. What follows is as for `start`."""
        collector = self.start(facts, watched.talkers, target, give_up, due)
        collector.join(worker)
        gatherer = Gatherer(worker.name, watched, self._now_ns)

        def hand_over(plain: dict[str, Any]) -> None:
            shipper.acknowledge(collector.take(worker.name, plain))

        shipper = Shipper(hand_over, spool(self._parent, collector.run_id, worker.name), worker)
        self._local = Sender(hooks, gatherer, shipper)
        return collector

    def stopping(self, limit_s: float) -> None:
        """The run is to end: its load is over; say why it goes on for a while."""
        if self._collector is not None:
            self._collector.end_load()
        if self.under_way and limit_s and not self._told:
            self._told = True
            print(f"Ending: the talkers finish their turns (at most {limit_s:g} s)", flush=True)

    def stop(self) -> None:
        """The run has ended: complete its folder, or say how to where that fails. Does nothing where none is under way, as when the web UI
        is closed."""
        with self._stopping:  # a signal and the last worker's leaving may both end it
            collector = self._collector
            if collector is not None:
                self._complete(collector)

    def _complete(self, collector: Collector) -> None:
        if self._local is not None:
            self._local.end()
            self._local.shipper.keep()
            self._local.shipper.leave()
            self._local = None
        if self._progress is not None:
            self._progress.kill()
        if self._target is not None:
            self._target.stop()
        self._collector = self.finished = None
        try:
            self.finished = collector.finish(self.interrupted)
            self._writing = gevent.spawn(self._write, self.finished.path)
        except OSError as error:
            path, why = collector.folder.path, error.strerror or error
            logger.error("%s: the run cannot be completed: %s; make room, then: python -m analysis recover %s", path, why, path)

    def conclude(self, environment: Any) -> None:
        """Locust quits: settle the exit code, unless that is done, and have the last run's summary printed below Locust's own tables."""
        finished = self.finished
        if self._concluded:  # Locust shuts down twice where a signal ends a master
            return
        self._concluded = True
        if finished is not None:
            page = self._page()
            environment.events.quit.add_listener(lambda **_: print_finished(finished, page))
            environment.process_exit_code = 0 if finished.passed else 1
        elif environment.parsed_options.headless and environment.process_exit_code is None:
            environment.process_exit_code = 1

    def _page(self) -> Path | None:
        """The last run's, once it is written; None where there is none, or somebody does not want to wait for it."""
        if self._writing is None:
            return None
        try:
            self._writing.join()
        except KeyboardInterrupt:
            self._writing.kill()
        made = self._writing.value
        return made if isinstance(made, Path) else None

    def _report(self) -> None:
        if self._local is not None:
            self._local.report()
