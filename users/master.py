"""The master's side of a run in many processes: which workers there are, whether they are ready for it, and who has which talker number."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from locust.runners import STATE_MISSING, MasterRunner

import gevent

from metrics.stages import WHOLE
from users import messages
from users.clock import SECOND_NS, epoch_s, now_ns
from users.messages import our_version
from users.roster import Desk
from users.run import Run
from users.unblocked import Unblocked

logger = logging.getLogger(__name__)

HELLO_S = 10.0
"""A worker that has connected and not said hello for so long runs something else."""
PREPARE_S = 120.0
"""A worker that has not prepared a run for so long never will."""
_WATCH_S, _PINGS = 1.0, 5


@dataclass(slots=True)
class Member:
    """A worker as the master knows it. `answered`: key of the last run that it has prepared, or refused, `let_in`: of the last that it
    took part in; `refusal`: why, None where it has not. Its wall clock is `offset_s` ahead, give or take `error_s`; None before they were
    compared. `gone`: nothing is heard of it."""

    name: str
    host: str
    pid: int
    version: str
    answered: str | None = None
    refusal: str | None = None
    let_in: str | None = None
    facts: dict[str, Any] | None = None
    offset_s: float | None = None
    error_s: float | None = None
    gone: bool = False


class Master:
    """Of one Locust master. `begun` is called with a worker's facts when it takes part in the run under way; `lost` with its name when it
    is gone; `compared` with name, offset and error of its clock."""

    def __init__(
        self,
        runner: MasterRunner,
        begun: Callable[[dict[str, Any]], None],
        lost: Callable[[str], None],
        compared: Callable[[str, float, float], None],
    ) -> None:
        self._runner = runner
        self._begun, self._lost, self._compared = begun, lost, compared
        self._members: dict[str, Member] = {}
        self._order: messages.Order | None = None
        self._run_id: str | None = None
        self._started_ns = 0
        self._closing = False
        self._stage = WHOLE
        self._desk = Desk(lambda: 0)
        self._unblocked = Unblocked(runner, lambda client: self._run_id is not None and client not in runner.clients)
        for kind, handle in {
            messages.HELLO: self._on_hello,
            messages.PREPARED: self._on_prepared,
            messages.NUMBER: self._on_number,
            messages.BACK: self._on_back,
            messages.PONG: self._on_pong,
        }.items():
            runner.register_message(kind, handle)
        self._watching = gevent.spawn(self._watch)

    def name(self, client: str, key: str) -> str | None:
        """The name of the worker with this Locust id; None where it takes no part in the run with this key, or that is over."""
        member = self._members.get(client)
        takes_part = member and self._run_id and self._order and self._order.key == key == member.answered
        return member.name if member and takes_part else None

    def talkers(self) -> int:
        """How many talkers are in the run."""
        return self._desk.present()

    def prepare(self, run: Run) -> None:
        """Have all workers prepare a run. Blocks; raises ValueError with one line where there is none, or one of them cannot: which,
        why."""
        self._order = messages.order(uuid4().hex, run)
        self._run_id = None
        for client in self._connected():
            if client in self._members:
                self._tell(client, messages.PREPARE, self._order.to_plain())
        asked_ns = now_ns()
        while waiting := [c for c in self._connected() if not self._answer(c)]:
            strangers = [client for client in waiting if client not in self._members]
            if strangers and now_ns() - asked_ns > HELLO_S * SECOND_NS:
                raise ValueError(f"worker {strangers[0]} does not answer: does it run Doubletalk's locustfile, of version {our_version()}?")
            if now_ns() - asked_ns > PREPARE_S * SECOND_NS:
                raise ValueError(f"{self._who(waiting[0])} has not made itself ready within {PREPARE_S:g} s: look at its log")
            gevent.sleep(0.02)
        if not self._connected():
            raise ValueError("no worker is ready: start one with locust --worker --master-host, or wait until the last run's have finished")

    def begin(self, run: Run, run_id: str) -> None:
        """The run begins, before Locust spawns its first talker: those that prepared it take part. Who joins later follows."""
        self._run_id, self._started_ns, self._closing, self._stage = run_id, now_ns(), False, WHOLE
        self._desk = Desk(lambda: self._runner.target_user_count - run.others)
        for client in self._connected():
            self._let_in(client)

    def stage(self, name: str) -> None:
        """A stage of the run begins that its scenario does not name; who joins amid it is told, too."""
        self._stage = name
        for client in self._connected():
            member = self._members.get(client)
            if member is not None and self._order is not None and member.let_in == self._order.key:
                self._tell(client, messages.STAGE, {"key": self._order.key, "stage": name})

    def stopping(self) -> None:
        """The run is to end: who joins from now on waits for the next."""
        self._closing = self._unblocked.closing = True

    def ended(self) -> None:
        """The run is over."""
        self._run_id = self._order = None
        self._closing = self._unblocked.closing = False
        for client, member in self._members.items():
            if member.refusal is None:
                self._unblocked.ready(client)

    def deserted(self) -> bool:
        """Whether no worker is left."""
        return not self._connected()

    def _answer(self, client: str) -> bool:
        """Whether a worker has answered to the order. Raises ValueError where it refuses."""
        member = self._members.get(client)
        if member is None or self._order is None:
            return False
        if member.version != our_version() or (member.answered == self._order.key and member.refusal):
            raise ValueError(f"{self._who(client)}: {member.refusal}")
        return member.answered == self._order.key

    def _let_in(self, client: str) -> None:
        member = self._members.get(client)
        if member is None or member.facts is None or self._order is None or self._run_id is None or member.answered != self._order.key:
            return
        if self._closing or member.let_in == self._order.key:  # it has left since
            return
        member.let_in = self._order.key
        told = {"key": self._order.key, "run_id": self._run_id, "name": member.name, "elapsed_s": (now_ns() - self._started_ns) / SECOND_NS}
        self._begun({**member.facts, "name": member.name})
        member.error_s = None  # clocks drift: each run compares them anew
        self._tell(client, messages.PING, {"sent_s": epoch_s()})
        self._tell(client, messages.BEGIN, told)
        if self._stage != WHOLE:
            self._tell(client, messages.STAGE, {"key": self._order.key, "stage": self._stage})

    def _on_hello(self, environment: Any, msg: Any, **_: Any) -> None:
        name = f"worker-{self._runner.get_worker_index(msg.node_id)}"
        said = Member(name, str(msg.data["host"]), int(msg.data["pid"]), str(msg.data["version"]))
        member = self._members.setdefault(msg.node_id, said)
        if member.version != our_version():
            member.refusal = f"it runs Doubletalk {member.version}, the master {our_version()}: install the same version everywhere"
            logger.error("%s: %s", self._who(msg.node_id), member.refusal)
            self._unblocked.forget(msg.node_id)
            self._tell(msg.node_id, messages.REFUSE, {"why": member.refusal})
        elif self._order is not None and member.answered != self._order.key:
            self._tell(msg.node_id, messages.PREPARE, self._order.to_plain())
        elif self._run_id is None:
            self._unblocked.ready(msg.node_id)

    def _on_prepared(self, environment: Any, msg: Any, **_: Any) -> None:
        member = self._members.get(msg.node_id)
        if member is None or self._order is None or msg.data["key"] != self._order.key:
            return
        member.answered, member.refusal, member.facts = self._order.key, msg.data["error"], msg.data["facts"]
        if member.refusal and self._run_id is not None:
            logger.error("%s cannot take part: %s", self._who(msg.node_id), member.refusal)
            self._unblocked.forget(msg.node_id)
            self._tell(msg.node_id, messages.REFUSE, {"why": member.refusal})
        elif self._run_id is not None and not self._closing:
            self._let_in(msg.node_id)
            self._unblocked.ready(msg.node_id)

    def _on_number(self, environment: Any, msg: Any, **_: Any) -> None:
        client, asked = msg.node_id, msg.data
        if self._order is None or asked["key"] != self._order.key:
            return
        self._desk.ask(client, lambda number: self._tell(client, messages.NUMBER, {**asked, "number": number}))

    def _on_back(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._order is not None and msg.data["key"] == self._order.key:
            self._desk.give_back(msg.node_id, msg.data["number"])

    def _on_pong(self, environment: Any, msg: Any, **_: Any) -> None:
        """The worker's clock was read between the two readings of ours: it is compared with their middle."""
        member, now_s, sent_s = self._members.get(msg.node_id), epoch_s(), msg.data["sent_s"]
        if member is None:
            return
        error_s, offset_s = (now_s - sent_s) / 2, msg.data["clock_s"] - (now_s + sent_s) / 2
        if error_s >= 0 and (member.error_s is None or error_s < member.error_s):
            member.offset_s, member.error_s = offset_s, error_s
            self._compared(member.name, offset_s, error_s)

    def _watch(self) -> None:
        beats = 0
        while True:
            connected = set(self._connected())
            for client, member in list(self._members.items()):
                was_gone, member.gone = member.gone, client not in connected
                if member.gone and not was_gone:
                    self._desk.forget(client)
                    self._lost(member.name)
                elif was_gone and not member.gone and not self._desk.reclaim(client):
                    logger.error("%s is back, but others have its talkers' numbers by now: it is to leave", self._who(client))
                    self._tell(client, "quit", {})
                elif not member.gone and beats % _PINGS == 0:
                    self._tell(client, messages.PING, {"sent_s": epoch_s()})
            beats += 1
            gevent.sleep(_WATCH_S)

    def _connected(self) -> list[str]:
        return [client.id for client in self._runner.clients.all if client.state != STATE_MISSING]

    def _tell(self, client: str, kind: str, data: dict[str, Any]) -> None:
        self._runner.send_message(kind, data, client)

    def _who(self, client: str) -> str:
        member = self._members.get(client)
        return f"{member.name} (process {member.pid} on {member.host})" if member else f"worker {client}"
