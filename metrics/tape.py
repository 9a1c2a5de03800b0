"""What a session sent, heard and did, taken down so that it can be replayed: the same messages through the same dialect, the same records.

A tape is JSON Lines, `.gz` where its name ends so. The first line tells of the session; then, in order, each with its instant `t_ns`:

- `got`: a message that arrived, its `opcode` (1 text, 2 binary) and what it held (`text`, or `base64`).
- `sent`: a message that was sent, as `got`; or `frames`, a number of audio frames of `bytes` each, as what a talker says is known.
- `ready`: the session was ready to converse.
- `spoke`: the talker began an utterance. `heard_itself`, `looked`, `cost`, `over`: calls of the tracker's `silence`, `poll`,
  `first_audio_cost` and `close`.
- `record`: a turn's record, as it came.
"""

from __future__ import annotations

import gzip
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from metrics.assemble import SessionFacts
from metrics.by_ear import ByEar
from metrics.records import Outcome, TurnKind, TurnRecord
from metrics.tracker import Limits, Tracker
from metrics.utterance import Utterance
from protocol import MalformedMessage, Opcode, SessionSettings, find, make

Entry = dict[str, Any]
_LEARNT = ("speech_started_ns", "speech_stopped_ns", "committed_ns", "transcribed_ns", "transcripts", "item_ids")
"""What the tracker writes into an utterance, as it learns it; the talker writes the rest."""


@dataclass(slots=True)
class Taped(Tracker):
    """A tracker that notes on `tape` what it is asked to do; what arrives is noted by who decodes it."""

    tape: list[Entry] = field(default_factory=list)

    def speak(self, utterance: Utterance) -> None:
        """As the tracker's. The talker still writes into the utterance, so it is kept, not copied."""
        self.tape.append({"t_ns": utterance.onset_ns, "spoke": utterance})
        Tracker.speak(self, utterance)

    def silence(self, detected_ns: int, silenced_ns: int) -> tuple[str | None, str | None, int, int] | None:
        """As the tracker's."""
        self.tape.append({"t_ns": silenced_ns, "heard_itself": detected_ns})
        return Tracker.silence(self, detected_ns, silenced_ns)

    def first_audio_cost(self, rendering_s: float, downlink_s: float | None, network_s: float | None = None) -> None:
        """As the tracker's."""
        self.tape.append({"cost": [rendering_s, downlink_s, network_s]})
        Tracker.first_audio_cost(self, rendering_s, downlink_s, network_s)

    def poll(self, t_ns: int) -> None:
        """As the tracker's."""
        self.tape.append({"t_ns": t_ns, "looked": True})
        Tracker.poll(self, t_ns)

    def close(self, t_ns: int, why: Outcome) -> None:
        """As the tracker's."""
        self.tape.append({"t_ns": t_ns, "over": why})
        Tracker.close(self, t_ns, why)


def message_entry(what: str, t_ns: int, opcode: Opcode, message: bytes) -> Entry:
    """A message that was `sent` or `got`."""
    try:
        held = {"text": message.decode()} if opcode is Opcode.TEXT else {"base64": b64encode(message).decode()}
    except UnicodeDecodeError:
        held = {"base64": b64encode(message).decode()}
    return {"t_ns": t_ns, what: held, "opcode": int(opcode)}


def written(entries: Iterable[Entry]) -> bytes:
    """The entries as JSON Lines."""
    return b"".join(orjson.dumps(_plain(entry), option=orjson.OPT_APPEND_NEWLINE) for entry in entries)


def read(path: Path) -> list[Entry]:
    """The entries of a tape. Raises OSError, and ValueError where it is none."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        entries = [orjson.loads(line) for line in file]
    if not entries or "dialect" not in entries[0]:
        raise ValueError(f"{path} is no tape of a session: its first line does not tell the dialect")
    return entries


def records_on(entries: Iterable[Entry]) -> list[Entry]:
    """The turns' records as they were when the tape was made, as plain values."""
    return [entry["record"] for entry in entries if "record" in entry]


def replayed(entries: list[Entry]) -> list[Entry]:
    """The turns' records that the same messages and acts come to now, as plain values.

    Raises ValueError where the dialect is not known, or the tape is not whole.
    """
    head = entries[0]
    dialect = make(find(head["dialect"]), head["options"])
    dialect.configure(SessionSettings())
    records: list[TurnRecord] = []
    tracker: Tracker | None = None
    for entry in entries[1:]:
        if "got" in entry:
            _arrived(dialect, tracker, entry)
        elif "ready" in entry:
            facts, limits = SessionFacts(**entry["ready"]), Limits(**entry["limits"])
            ear = ByEar(facts.rate, facts.encoding, entry["quiet_s"], facts.playout_delay_s) if dialect.by_ear else None
            tracker = Tracker(facts, limits, records.append, entry["t_ns"], ear)
        elif tracker is not None:
            _acted(tracker, entry)
    return [_plain({"record": record})["record"] for record in records]


def _arrived(dialect: Any, tracker: Tracker | None, entry: Entry) -> None:
    held = entry["got"]
    message = held["text"].encode() if "text" in held else b64decode(held["base64"])
    try:
        told = dialect.decode(message) if entry["opcode"] == Opcode.TEXT else dialect.decode_binary(message)
        for event in told if isinstance(told, list) else (told,):
            if tracker is not None:
                tracker.event(entry["t_ns"], event)
    except MalformedMessage:
        return


def _acted(tracker: Tracker, entry: Entry) -> None:
    if "spoke" in entry:
        said = entry["spoke"]
        tracker.speak(Utterance(**{**said, "kind": TurnKind(said["kind"])}))
    elif "heard_itself" in entry:
        tracker.silence(entry["heard_itself"], entry["t_ns"])
    elif "cost" in entry:
        tracker.first_audio_cost(*entry["cost"])
    elif "looked" in entry:
        tracker.poll(entry["t_ns"])
    elif "over" in entry:
        tracker.close(entry["t_ns"], Outcome(entry["over"]))


def _plain(entry: Entry) -> Entry:
    """An entry as it is read again."""
    plain = dict(entry)
    if isinstance(plain.get("spoke"), Utterance):
        plain["spoke"] = {name: value for name, value in asdict(plain["spoke"]).items() if name not in _LEARNT}
    found: Entry = orjson.loads(orjson.dumps(plain))
    return found
