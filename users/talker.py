"""The talker: a Locust user that calls, converses by its plan, interrupts, hangs up, and calls again."""

from __future__ import annotations

from typing import Any

from locust import User, task
from locust.user.task import LOCUST_STATE_STOPPING

from gevent.event import Event as Signal

from metrics.records import SUCCESSES, ErrorKind, SessionOutcome
from protocol import Grant, Reuse
from scenarios import generator
from scenarios.rate import Arrivals
from users import events
from users.clock import SECOND_NS, epoch_s, now_ns
from users.errors import RemoteError
from users.mint import Kept, http_client, request_grant
from users.run import Run
from users.session import Session
from users.turn_taking import TurnTaking

_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 8.0
_STARTING_NS = 2 * SECOND_NS
"""So long after the run's start all talkers are there: a call of open arrivals that was due before begins when its talker comes."""
_LASTED_S = 2.0
"""A session that lasted so long has held, though it brought no answer yet; one that an assistant accepts and drops has not."""

_REFUSED = {ErrorKind.AUTH, ErrorKind.HANDSHAKE, ErrorKind.PROTOCOL, ErrorKind.REMOTE_CLOSE}
"""Errors of a session that did not hold after which a token or URL is not used again: it may be the reason."""
_DENIED = {1008, 3000, 3003, 4401, 4403}
"""Codes by which a server closes whom it does not let in, however late: policy violation (RFC 6455, section 7.4.1), unauthorized and
forbidden (IANA's registry of close codes), and what servers say in place of HTTP's 401 and 403."""


class Talker(User):
    """A virtual caller. Its number in the run decides what it says and when it interrupts."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.run_: Run = environment.doubletalk
        self.number = -1
        self._calls = 0
        self._calls_ns = now_ns()  # when the next call is to begin
        self._turns = 0
        self._patience_s: float | None = None
        self._backoffs = 0
        self._lost_ns: int | None = None  # when its session was lost, until it has one again
        self._down_ns: int | None = None  # since when it has had none, as far as no record has told
        self._sessions = 0
        self._held = False  # its last session: attempts are counted anew
        self._stopped = Signal()
        self._taking: TurnTaking | None = None
        self._kept = Kept()

    def stop(self, force: bool = False) -> bool:
        """Locust's stop: between turns, unless forced."""
        self._stopped.set()
        if self._taking is not None:
            self._taking.think_no_longer()
        return bool(super().stop(force))

    def on_start(self) -> None:
        """Locust's: the talker gets its number."""
        self.number = self.run_.roster.take()
        self._calls_ns = now_ns()
        self._calls = self.run_.calls_next.get(self.number, 0)

    def on_stop(self) -> None:
        """Locust's: the talker's number is free again; one that was killed before it had one has none to give back. Who leaves while
        it is without a session says so."""
        if self._down_ns is not None:
            self._report(self._session(), SessionOutcome.CUT_BY_RUN_END, None)
        if self.number >= 0:
            self.run_.roster.give_back(self.number)

    @property
    def stopping(self) -> bool:
        """Whether the run wants the talker to leave at the end of its turn."""
        return self._stopped.is_set() or self._state == LOCUST_STATE_STOPPING

    @task
    def call(self) -> None:
        """One call: as many turns as planned, over as many sessions as it takes."""
        if self.run_.calls is not None and not self._await_call(self.run_.calls):
            return
        self.run_.starts.began(self._calls_ns)
        plan = self.run_.planner.call(self.number, self._calls)
        left, self._patience_s = plan.turns, plan.patience_s
        attempts, at_once = 0, False
        while left > 0 and not self.stopping and attempts <= self.run_.scenario.limits.reconnects:
            if not at_once and self._stopped.wait(self.run_.gate.wait_s()):
                return
            began_ns, at_once = now_ns(), False
            try:
                grant = self._grant()
            except RemoteError as refused:
                self._down_ns = self._down_ns or began_ns
                attempts += 1
                self._stopped.wait(self._backoff_s(attempts, refused))
                continue
            session = self._session()
            error = self._use(session, grant, left)
            if error is None:
                break
            left -= session.turns_begun
            at_once = error.at_once
            if at_once:
                continue
            attempts = 1 if self._held else attempts + 1
            self._stopped.wait(self._backoff_s(attempts, error))
        self._calls += 1
        if self.run_.calls is not None or self.stopping:
            return
        self._calls_ns = now_ns() + round(plan.pause_s * SECOND_NS)
        self._stopped.wait(plan.pause_s)

    def _await_call(self, calls: Arrivals) -> bool:
        """Wait until the next call of an open load that is this talker's: of n talkers, number i makes calls i, n + i, 2n + i... One whose
        instant has passed is not made, and counted. False where none is left."""
        talkers = self.run_.scenario.load.talkers
        while (begins_s := calls.instant(self.number + self._calls * talkers)) is not None:
            self._calls_ns = self.run_.began_ns + round(begins_s * SECOND_NS)
            self._stopped.wait(max(0.0, (self._calls_ns - now_ns()) / SECOND_NS))
            if self.stopping:
                return False
            self.run_.calls_next[self.number] = self._calls + 1
            if not self.run_.starts.missed_call(max(self._calls_ns, self.run_.began_ns + _STARTING_NS)):
                return True
            self._calls += 1
        self._stopped.wait()
        return False

    def _session(self) -> Session:
        """The session that is to be opened next."""
        self._sessions += 1
        return Session(self.run_, self.number, self._calls, self._lost_ns, down_ns=self._down_ns, session=self._sessions - 1)

    def _use(self, session: Session, grant: Grant, turns: int) -> RemoteError | None:
        """Open the session, converse, and report it; returns what ended it early, None where the talker ended it."""
        self._held = False
        lost_ns = self._lost_ns
        try:
            session.open(grant)
            self.run_.sessions[self.number] = session
            self._lost_ns = self._down_ns = None
            stayed = self._converse(session, turns)
            session.hang_up()
        except RemoteError as error:
            had = self._had(session, error)
            over_ns = self._report(session, SessionOutcome.LOST if had else SessionOutcome.REFUSED, error)
            if (not self._held and error.kind in _REFUSED) or error.close_code in _DENIED:
                self._kept.drop()
            if not (had and self.stopping):  # it will not want another
                self._down_ns = over_ns
                self._lost_ns = over_ns if had else lost_ns
            return error.with_traceback(None)  # whose frames hold the session, which holds the error
        except BaseException:  # the run's end kills the greenlet wherever it waits
            self._report(session, SessionOutcome.CUT_BY_RUN_END, None)
            raise
        ended = SessionOutcome.CUT_BY_RUN_END if self.stopping else SessionOutcome.HUNG_UP
        self._report(session, ended if stayed else SessionOutcome.ABANDONED, None)
        return None

    def _had(self, session: Session, error: RemoteError) -> bool:
        """Whether the talker had this session, which this error ended. On a wire without a word for ready, one that was accepted, and
        closed before it had lasted or brought any audio, was none: so does a server that is full, or lets nobody in."""
        if session.ready_shown or error.kind not in _REFUSED:
            return session.ready
        return session.ready_s(now_ns()) >= _LASTED_S

    def _converse(self, session: Session, turns: int) -> bool:
        """Take so many turns; False: the talker has lost its patience before. Raises RemoteError where the session ends."""
        taking = self._taking = TurnTaking(
            self.run_, self.number, session, turns, self._patience_s, self._turns, lambda: self.stopping, self._fire_turns
        )
        try:
            return taking.converse()
        finally:
            self._turns, self._taking = taking.next_turn, None

    def _grant(self) -> Grant:
        """What the next session gets in by: what the talker keeps, what it is given now, the API key, or nothing. Raises RemoteError."""
        mint = self.run_.mint
        if mint is None:
            return Grant(self.run_.key)
        kept = self._kept.good(now_ns())
        if kept is not None:
            return kept
        http = http_client(mint)
        try:
            grant, record = request_grant(http, mint, "talker", f"talker-{self.number}", self.number, now_ns())
        finally:
            http.close()
        events.token.fire(environment=self.environment, record=record)
        if grant is None:
            raise RemoteError(record.error_kind or ErrorKind.PROTOCOL, record.error or "no token", retry_after_s=record.retry_after_s)
        if mint.recipe.reuse is Reuse.TALKER:
            self._kept.keep(grant, epoch_s(), now_ns())
        return grant

    def _backoff_s(self, attempts: int, error: RemoteError) -> float:
        """Wait before another attempt: doubling, at random between half and whole, and no shorter than the assistant asks for."""
        self._backoffs += 1
        rng = generator(self.run_.options.seed, self.number, "backoff", self._backoffs)
        wait_s = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** min(attempts - 1, 10)) * rng.uniform(0.5, 1.0)
        return float(max(wait_s, error.retry_after_s or 0.0))

    def _report(self, session: Session, outcome: SessionOutcome, error: RemoteError | None) -> int:
        """Close the session and tell of it; returns when it was over."""
        self.run_.sessions.pop(self.number, None)
        self._down_ns = None  # told by this record
        record = session.close(outcome, error)
        self._held |= record.ready_ns is not None and record.closed_ns - record.ready_ns >= _LASTED_S * SECOND_NS
        self._fire_turns(session)
        events.session.fire(environment=self.environment, record=record)
        return record.closed_ns

    def _fire_turns(self, session: Session) -> None:
        if not session.turns:
            return
        finished, session.turns[:] = session.turns[:], []
        self._held |= any(record.outcome in SUCCESSES for record in finished)
        for record in finished:
            events.turn.fire(environment=self.environment, record=record)
