"""Takes one session down, so that what its wire said can be replayed (`metrics/tape.py`): for reports of faults, and for golden files."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metrics.assemble import SessionFacts
from metrics.by_ear import ByEar
from metrics.records import TurnRecord
from metrics.tape import Entry, Taped, message_entry, written
from metrics.tracker import Limits, Tracker
from protocol import Opcode

logger = logging.getLogger(__name__)


class Tape:
    """Of one session; written to `path` at its end. `dialect`, `options`: as the run has them. `secrets`: what must not be on it;
    in its place stand as many asterisks, so that a message that tells its own length is still one."""

    def __init__(self, path: Path, dialect: str, options: dict[str, Any]) -> None:
        self.secrets: tuple[str, ...] = ()
        self.entries: list[Entry] = [{"dialect": dialect, "options": options}]
        self._path = path

    def message(self, what: str, t_ns: int, opcode: Opcode, message: bytes) -> None:
        """A message was `sent`, or `got`."""
        for secret in filter(None, self.secrets):
            message = message.replace(secret.encode(), b"*" * len(secret.encode()))
        self.entries.append(message_entry(what, t_ns, opcode, message))

    def tracker(
        self, facts: SessionFacts, limits: Limits, emit: Callable[[TurnRecord], None], ready_ns: int, ear: ByEar | None, quiet_s: float
    ) -> Tracker:
        """The session is ready to converse: its tracker, which is taken down from now on."""
        entries = self.entries
        entries.append({"t_ns": ready_ns, "ready": facts, "limits": limits, "quiet_s": quiet_s})

        def done(record: TurnRecord) -> None:
            entries.append({"record": record})
            emit(record)

        return Taped(facts, limits, done, ready_ns, ear, tape=entries)

    def write(self, frames: int, frame_bytes: int) -> None:
        """Write it, or say why it cannot be. `frames` of audio were sent."""
        self.entries.append({"sent": {"frames": frames, "bytes": frame_bytes}})
        try:
            data = written(self.entries)
            self._path.write_bytes(gzip.compress(data, mtime=0) if self._path.suffix == ".gz" else data)
        except OSError as error:
            logger.error("--tape: cannot write %s: %s", self._path, error.strerror or error)
