"""Where the talkers of a run are: in this process (`wiring/here.py`), or on workers (`wiring/cluster.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from reporting.collector import Collector
from reporting.facts import RunFacts
from reporting.target import Target
from users.chaos import Chaos
from users.run import Run


class Talkers(Protocol):
    """`at_once`: they can be made ready while Locust is still starting: no worker is waited for."""

    at_once: bool

    def prepare(self, run: Run) -> None:
        """Have them ready for a run. Blocks; raises ValueError with one line where they cannot be."""
        ...

    def begin(self, run: Run, facts: RunFacts, target: Target | None, give_up: Callable[[], object]) -> tuple[Collector, Chaos]:
        """The run begins, before the first talker is there: what they report goes to the collector. `target` and `give_up` as for
        `reporting.reporter.Reporter.start`."""
        ...

    def settle(self) -> None:
        """Everything that lasts as long as the run is there."""
        ...

    def present(self, run: Run) -> int:
        """How many are in the run."""
        ...

    def stage(self, name: str) -> None:
        """A stage begins that the scenario does not name."""
        ...

    def stopping(self) -> None:
        """They are to leave."""
        ...

    def stop(self) -> None:
        """They have left."""
        ...

    def ended(self) -> None:
        """The run folder is complete."""
        ...
