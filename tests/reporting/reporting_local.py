"""A run whose one worker is this process, as `Reporter.start_here` makes it, or one of several that the test plays: all at its word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import pyarrow.parquet as pq
from reporting_records import FACTS

from metrics.health import Health
from metrics.records import Record
from metrics.stages import Stages
from reporting.collector import Collector, Finished
from reporting.facts import RunFacts
from reporting.gatherer import Gatherer, Watched
from reporting.journal import spool
from reporting.shipper import Shipper
from reporting.workers import WorkerFacts


def who(name: str = "local") -> WorkerFacts:
    return WorkerFacts(name=name, host="here", pid=7, native=True, started_ns=5, started_epoch_s=1_763_640_000.5)


def travelled(plain: Any) -> Any:
    """Plain data as it comes out of a message."""
    return msgpack.unpackb(msgpack.packb(plain))


class Player:
    """A worker at the test's word: `talkers` and `state` are what it tells of itself."""

    def __init__(self, name: str = "local", now_ns: Any = lambda: FACTS.started_ns, stages: Stages | None = None) -> None:
        self.facts = who(name)
        self.talkers = 0
        self.state = Health()
        watched = Watched(lambda: self.talkers, lambda: self.state, FACTS.started_ns, stages or Stages())
        self.gatherer = Gatherer(name, watched, now_ns)

    def plain(self, *records: Record, last: bool = False) -> dict[str, Any]:
        """Its next batch, with these records, as a message carries it."""
        for record in records:
            self.gatherer.on_record(record)
        made: dict[str, Any] = travelled(self.gatherer.batch(last).to_plain())
        return made


class World(Player):
    """A run and, where it is `here`, its worker. `t_s`: seconds since the start of the run, which is the shipper's clock, too."""

    def __init__(self, parent: Path, facts: RunFacts = FACTS, here: bool = True) -> None:
        super().__init__(now_ns=lambda: self.now_ns())
        self.t_s, self.over = 0.0, not here
        self.collector = Collector(parent, facts, lambda: self.talkers, self.now_ns, self.report)
        if here:
            self.collector.join(self.facts)
        self.shipper = Shipper(self._hand_over, spool(parent, self.collector.run_id, "local"), self.facts, lambda: self.t_s)

    def now_ns(self) -> int:
        return FACTS.started_ns + round(self.t_s * 1e9)

    def add(self, *records: Record) -> None:
        for record in records:
            self.gatherer.on_record(record)

    def report(self) -> None:
        if not self.over:
            self.state.wall_s = self.t_s
            self.shipper.ship(self.gatherer.batch())

    def second(self, t_s: float) -> None:
        """A second of the run ends: what its ticking does, without the waiting, in which it would begin to tick."""
        self.t_s = t_s
        self.collector._end_second()

    def finish(self) -> Finished:
        """The talkers are gone, and the run is over."""
        self.state.wall_s = self.t_s
        self.over = True
        self.shipper.ship(self.gatherer.batch(last=True))
        return self.collector.finish()

    def _hand_over(self, plain: dict[str, Any]) -> None:
        self.shipper.acknowledge(self.collector.take("local", plain))


@contextmanager
def collecting(parent: Path, facts: RunFacts = FACTS, here: bool = True) -> Iterator[tuple[Collector, World]]:
    """A run under way whose seconds end at the test's word."""
    world = World(parent, facts, here)
    try:
        yield world.collector, world
    finally:
        world.collector._ticking.kill()
        world.collector.folder.leave()


def timeline(done: Finished) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(done.path / "timeline.parquet").to_pylist()
    return rows
