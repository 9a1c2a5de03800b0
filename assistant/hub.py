"""What all sessions of one assistant share."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from assistant.auth import RateLimiter, TokenStore
from assistant.exposition import Exposition
from assistant.profile import Profile
from assistant.settings import RATE
from assistant.sounds import Sounds
from assistant.truth import TruthLog
from audio import Corpus, load_corpus

if TYPE_CHECKING:
    from assistant.session import Session


class Slots:
    """So many at a time; who comes later waits in line. `count` None: no limit. `kept`: a slot belongs to a session until its end, not
    to a response. `waiting`: how many wait now."""

    def __init__(self, count: int | None, *, kept: bool) -> None:
        self.kept = kept
        self.waiting = 0
        self._free = asyncio.Semaphore(count) if count is not None else None

    async def take(self) -> None:
        """Returns once there is one."""
        if self._free is None:
            return
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1

    def give_back(self) -> None:
        """The slot is the next one's."""
        if self._free is not None:
            self._free.release()


class Hub:
    """Profile, seed, corpus and counters; the sessions that are open. `profile` is what is in force now, `whole_profile` what was given.
    `lives`: how many processes served before this one and were killed; what is drawn differs from theirs. `at_rate`: the same corpus at
    another rate than RATE."""

    def __init__(
        self,
        profile: Profile,
        seed: int,
        corpus: Corpus,
        truth: TruthLog,
        *,
        api_key: str | None = None,
        lives: int = 0,
        at_rate: Callable[[int], Corpus] = lambda rate: load_corpus(rate=rate),
    ) -> None:
        self.whole_profile = profile
        self.profile = profile
        self._faults: tuple[int, ...] = ()
        self._drawn_from = f"{seed}" if lives == 0 else f"{seed}.{lives}"
        self.truth = truth
        self.sounds = Sounds(corpus, RATE, profile.chunk_ms, at_rate)
        self.tokens = TokenStore(api_key)
        self.limiter = RateLimiter(profile.tokens.per_second, profile.tokens.burst)
        self.exposition = Exposition()
        self.slots = Slots(profile.capacity.slots, kept=profile.capacity.held_by == "session")
        self.exposition.responses_waiting.set_function(lambda: self.slots.waiting)
        self.sessions: set[Session] = set()
        self.opened = 0
        self.started_s = time.monotonic()
        self.mints = 0
        self._leaked: deque[bytearray] = deque()
        self._ordinals: dict[str, int] = {}
        self._lost: set[str] = set()

    @property
    def uptime_s(self) -> float:
        return time.monotonic() - self.started_s

    def enter(self, session: Session) -> None:
        """A session is open."""
        self.sessions.add(session)
        self.put_into_force(self._faults)

    def leave(self, session: Session) -> None:
        """A session is over."""
        self.sessions.discard(session)
        self._leak(self.profile.leak_kib_per_session)
        self.put_into_force(self._faults)

    def put_into_force(self, faults: tuple[int, ...]) -> None:
        """Makes `profile` that of these faults (places in the profile's list) and of the sessions that are open."""
        self._faults = faults
        if self.whole_profile.faults or self.whole_profile.under_load:
            self.profile = self.whole_profile.at(len(self.sessions), faults)
            self.limiter.limit(self.profile.tokens.per_second, self.profile.tokens.burst)

    @property
    def leaked_bytes(self) -> int:
        """Memory kept for good so far."""
        return sum(map(len, self._leaked))

    @property
    def full(self) -> bool:
        limit = self.profile.sessions.max_concurrent
        return limit is not None and len(self.sessions) >= limit

    def rng(self, session_key: str, purpose: str, turn: int) -> random.Random:
        """The random numbers for one purpose: they depend on seed, session and turn, never on timing."""
        return random.Random(f"{self._drawn_from}/{session_key}/{purpose}/{turn}")

    def session_key(self, client: str | None) -> str:
        """Names a new session for rng(): the client and how many sessions it had before, else the count of the nameless."""
        name = client or ""
        ordinal = self._ordinals.get(name, 0)
        self._ordinals[name] = ordinal + 1
        return f"{name}#{ordinal}"

    def note_loss(self, client: str | None) -> None:
        """A client's connection was lost; if it comes again, that is a reconnection."""
        if client is not None:
            self._lost.add(client)

    def note_open(self, client: str | None) -> None:
        self.opened += 1
        if client in self._lost:
            self._lost.discard(client)
            self.exposition.reconnections.inc()

    def turn_over(self) -> None:
        """A turn is over."""
        self._leak(self.profile.leak_kib_per_turn)

    def _leak(self, kib: int) -> None:
        """Keeps memory for good, as planned by the profile."""
        if kib:
            self._leaked.append(bytearray(b"\xff") * (1024 * kib))
