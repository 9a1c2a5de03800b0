"""What master and workers say to each other about a run, over Locust's own connection. Each is plain data that msgpack carries.

A worker says HELLO; the master has each of them PREPARE a run, is told what came of it (PREPARED), and says BEGIN, and when a STAGE begins
that no timetable has. Talkers ask for a NUMBER and give it BACK. CHAOS is what somebody does by hand on the master. PING and PONG compare
wall clocks. Who runs another version is REFUSED.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from scenarios import Scenario
from users.run import Options, Run

HELLO, REFUSE = "doubletalk.hello", "doubletalk.refuse"
PREPARE, PREPARED, BEGIN = "doubletalk.prepare", "doubletalk.prepared", "doubletalk.begin"
NUMBER, BACK = "doubletalk.number", "doubletalk.back"
STAGE = "doubletalk.stage"
CHAOS = "doubletalk.chaos"
PING, PONG = "doubletalk.ping", "doubletalk.pong"


def our_version() -> str:
    """The version of Doubletalk that this process runs."""
    return version("doubletalk")


@dataclass(frozen=True, slots=True)
class Order:
    """A run as the master orders it from its workers: the scenario as resolved, so that no worker needs its file. `key` is the run's own;
    `clips`: fingerprint of the corpus, which each machine must have. Keys are not in it: they are read where they are used; but what
    the options' URLs hold after a `?` is, and travels as Locust's own messages do, in the clear."""

    key: str
    options: dict[str, Any]
    scenario: dict[str, Any]
    clips: str

    def to_plain(self) -> dict[str, Any]:
        """Plain data that msgpack carries."""
        return asdict(self)


def order(key: str, run: Run) -> Order:
    """The order of a run that the master has checked."""
    return Order(key, asdict(run.options), run.scenario.model_dump(mode="json"), run.planner.fingerprint)


def ordered(plain: dict[str, Any]) -> tuple[Order, Options, Scenario]:
    """The order in a message, and what it holds. Raises ValueError for what this version does not know."""
    try:
        found = Order(**plain)
        return found, Options(**found.options), Scenario.model_validate(found.scenario)
    except TypeError as error:
        raise ValueError(f"the master's order cannot be read: {error}; run the same version everywhere") from None
