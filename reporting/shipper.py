"""The shipper: hands a worker's batches over, in their order, and keeps each until it is acknowledged."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reporting.batch import Batch
from reporting.journal import Journal
from reporting.workers import WorkerFacts, joined, reported

RESEND_S = 3.0
"""After so long without an acknowledgement what was not acknowledged is sent anew, in order (go-back-N)."""
SPOOL_S = 10.0
"""After so long it is kept on disk besides, so that it outlives this process, too."""

Plain = dict[str, Any]


class Shipper:
    """Of one worker and run. `send` takes a batch's plain data; it may answer by `acknowledge`, at once or later, and may raise OSError
    where it cannot. `spool` is where batches are kept that nobody acknowledges; it is made when it is needed, and removed when it is not
    any more.

    Raises OSError nowhere: where the spool cannot be written to, batches wait in memory.
    """

    def __init__(
        self, send: Callable[[Plain], None], spool: Path, worker: WorkerFacts, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._send = send
        self._spool_path, self._worker = spool, worker
        self._clock_s = clock_s
        self._waiting: deque[Plain] = deque()
        self._heard_s = self._sent_s = clock_s()
        self._behind = False
        self._journal: Journal | None = None
        self._spooled = 0

    @property
    def waiting(self) -> int:
        """Batches that are not acknowledged."""
        return len(self._waiting)

    @property
    def spool(self) -> Path | None:
        """Where batches are kept that nobody acknowledged; None where there is no need."""
        return None if self._journal is None else self._spool_path

    def ship(self, batch: Batch) -> None:
        """Send a batch; all that were not acknowledged before it, too, where they have waited for long, or nothing will follow."""
        now_s = self._clock_s()
        if not self._waiting:
            self._heard_s = self._sent_s = now_s
        plain = batch.to_plain()
        self._waiting.append(plain)
        self._send_all(list(self._waiting) if batch.last else [plain])
        self.retry()

    def retry(self) -> None:
        """Keep on disk what was not acknowledged for a long while. After a shorter one send the first of it anew; once that is acknowledged
        the others follow."""
        now_s = self._clock_s()
        if self._waiting and (now_s - self._heard_s >= SPOOL_S or self._journal is not None):
            self.keep()
        if self._waiting and now_s - max(self._heard_s, self._sent_s) >= RESEND_S:
            self._sent_s, self._behind = now_s, True
            self._send_all([self._waiting[0]])

    def acknowledge(self, seq: int) -> None:
        """All batches up to this one have been taken."""
        before = len(self._waiting)
        while self._waiting and self._waiting[0]["seq"] <= seq:
            self._waiting.popleft()
        if len(self._waiting) == before:
            return
        self._heard_s = self._clock_s()
        if not self._waiting:
            self._forget()
        if self._behind:
            self._behind = False
            self._send_all(list(self._waiting))

    def keep(self) -> None:
        """Have on disk what is not acknowledged."""
        if not self._waiting:
            return
        try:
            if self._journal is None:
                self._spool_path.parent.mkdir(parents=True, exist_ok=True)
                self._journal = Journal(self._spool_path)
                self._journal.add(joined(self._worker))
            for plain in self._waiting:
                if plain["seq"] > self._spooled:
                    self._journal.add(reported(self._worker.name, plain))
                    self._spooled = plain["seq"]
        except OSError:
            if not self._spooled:
                self._forget()

    def leave(self) -> None:
        """Keep no more: what is on disk may be recovered from now on."""
        if self._journal is not None:
            self._journal.close()

    def _forget(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._spool_path.unlink(missing_ok=True)
            self._journal, self._spooled = None, 0

    def _send_all(self, batches: list[Plain]) -> None:
        """As many as can be sent: after one that cannot, the others would come before their turn."""
        try:
            for plain in batches:
                self._send(plain)
        except OSError:
            return
