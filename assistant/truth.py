"""The truth log: what the assistant did, as JSON Lines, to check talkers' measurements against.

Instants are time.monotonic_ns() of this machine (CLOCK_MONOTONIC, which the talkers on the same machine read too). A line is
written whole when the thing it tells of is final. No secret is ever written.

Kinds: header, response, barge_in, false_alarm, session, token, fault, outage. None in a field: it did not happen, or cannot be known.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

PLAYOUT_DELAY_S = 0.06
SCHEMA = 1
LONGEST_LINE = 1024 * 1024


class Listener:
    """What a person would hear of one response: playback starts one playout delay after the first chunk arrives, and a
    chunk that arrives after the audio before it has been played makes an underrun and is played at once."""

    __slots__ = ("playing_until_ns", "underrun_ns", "underruns")

    def __init__(self) -> None:
        self.playing_until_ns: int | None = None
        self.underruns = 0
        self.underrun_ns = 0

    def hear(self, sent_ns: int, samples: int, rate: int) -> None:
        """Takes a chunk sent at `sent_ns`."""
        silence_ns = 0
        if self.playing_until_ns is None:
            start_ns = sent_ns + round(PLAYOUT_DELAY_S * 1e9)
        else:
            silence_ns = max(0, sent_ns - self.playing_until_ns)
            start_ns = max(sent_ns, self.playing_until_ns)
        if silence_ns:
            self.underruns += 1
            self.underrun_ns += silence_ns
        self.playing_until_ns = start_ns + samples * 1_000_000_000 // rate


@dataclass(slots=True)
class ResponseTruth:
    """One turn and the answer to it. `speech_*_ns`: capture instants of the clip's labelled first and last sample."""

    session_id: str
    client: str | None
    turn: int
    response_id: str | None = None
    item_id: str | None = None
    clip: str | None = None
    speech_onset_ns: int | None = None
    speech_offset_ns: int | None = None
    speech_started_ns: int | None = None
    speech_stopped_ns: int | None = None
    committed_ns: int | None = None
    transcribed_ns: int | None = None
    transcript: str | None = None
    created_ns: int | None = None
    first_token_ns: int | None = None
    first_audio_ns: int | None = None
    last_audio_ns: int | None = None
    done_ns: int | None = None
    status: str | None = None
    reason: str | None = None
    audio_samples: int = 0
    chunks: int = 0
    underruns: int = 0
    underrun_s: float = 0.0
    gaps_injected: int = 0
    interrupted: bool = False
    answer_clip: str | None = None


@dataclass(slots=True)
class BargeInTruth:
    """An utterance that began while a response was being sent or heard."""

    session_id: str
    client: str | None
    response_id: str | None
    clip: str | None
    onset_ns: int | None
    detected_ns: int
    stopped_ns: int | None = None
    reaction: str = "none"
    answer_response_id: str | None = None


@dataclass(slots=True)
class FalseAlarmTruth:
    """A backchannel or noise while a response was being sent or heard.

    `action`: ignored; resumed (paused, and the same response went on); stuck (paused for good); cancelled (paused, and ended
    before it could resume); answered (taken for a turn); not_heard (the VAD never triggered).
    `silence_s`: what a listener heard of the pause (0.0 where the audio sent ahead covered it), None where the audio did not
    go on.
    """

    session_id: str
    client: str | None
    response_id: str | None
    clip: str | None
    onset_ns: int | None
    offset_ns: int | None
    action: str
    paused_ns: int | None = None
    resumed_ns: int | None = None
    silence_s: float | None = None


@dataclass(slots=True)
class SessionTruth:
    session_id: str
    client: str | None
    opened_ns: int
    closed_ns: int | None = None
    close_code: int | None = None
    turns: int = 0


@dataclass(slots=True)
class TokenTruth:
    minted_ns: int
    status: int


@dataclass(slots=True)
class FaultTruth:
    """A fault of the profile's timetable: its place in `faults`, when it was in force, and the parts that it replaced."""

    fault: int
    begun_ns: int
    ended_ns: int
    profile: dict[str, Any]


@dataclass(slots=True)
class OutageTruth:
    """The serving process was killed at `killed_ns`; at `listening_ns` its successor listened (None: none did)."""

    killed_ns: int
    listening_ns: int | None = None


KINDS = {
    ResponseTruth: "response",
    BargeInTruth: "barge_in",
    FalseAlarmTruth: "false_alarm",
    SessionTruth: "session",
    TokenTruth: "token",
    FaultTruth: "fault",
    OutageTruth: "outage",
}
Record = ResponseTruth | BargeInTruth | FalseAlarmTruth | SessionTruth | TokenTruth | FaultTruth | OutageTruth


class TruthLog:
    """Writes records to a file; without a path it writes nothing. Raises OSError where the file cannot be opened."""

    def __init__(self, path: Path | str | None, *, seed: int, profile: dict[str, Any]) -> None:
        self._file = Path(path).open("w+b", buffering=0) if path is not None else None  # noqa: SIM115 (open until close)
        header = {"kind": "header", "schema": SCHEMA, "seed": seed, "profile": profile}
        self._line({**header, "playout_delay_s": PLAYOUT_DELAY_S})

    def write(self, record: Record) -> None:
        if self._file is not None:
            self._line({"kind": KINDS[type(record)], **asdict(record)})

    def _line(self, data: dict[str, Any]) -> None:
        if self._file is not None:
            line = orjson.dumps(data) + b"\n"
            while line:
                line = line[self._file.write(line) :]

    def mend(self) -> None:
        """Drops a last line that is not whole: its writer was killed amid it."""
        if self._file is None:
            return
        end = self._file.seek(0, os.SEEK_END)
        at = max(0, end - LONGEST_LINE)
        self._file.seek(at)
        whole = at + self._file.read(end - at).rfind(b"\n") + 1
        self._file.truncate(whole)
        self._file.seek(whole)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
