"""What became of a session: its record, and whose failure its turns are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from metrics.records import ErrorKind, Outcome, SessionOutcome, SessionRecord, TurnRecord
from users.clock import now_ns
from users.counted import Counted
from users.errors import LocalError, RemoteError
from users.link import Link
from users.network import Emulation
from users.setup import Setup


@dataclass(slots=True)
class Attempt:
    """Who opens a session, when, and after what. `lost_ns`: when the session before it was lost; None: none was. `down_ns`: since when the
    talker has had none, as far as no record has told; None: it had one, or has not begun."""

    talker: int
    persona: str
    call: int
    lost_ns: int | None
    down_ns: int | None
    started_ns: int
    started_epoch_s: float


def emit(network: Emulation, turns: list[TurnRecord], record: TurnRecord) -> None:
    """A turn that failed once its own network had broken the session is no failure of the assistant."""
    why = network.why_broken(now_ns()) if record.error_kind is not None else None
    turns.append(record if why is None else replace(record, error_kind=ErrorKind.NETWORK, error=why))


def broken_by_chaos(turns: Sequence[TurnRecord], error: RemoteError | LocalError) -> list[TurnRecord]:
    """The same turns; those that chaos cut off are no failure of the assistant."""
    lost = Outcome.CONNECTION_LOST
    return [replace(turn, error_kind=ErrorKind.CHAOS, error=str(error)) if turn.outcome is lost else turn for turn in turns]


def session_record(
    attempt: Attempt,
    setup: Setup,
    closed_ns: int,
    outcome: SessionOutcome,
    error: RemoteError | None,
    turns: int,
    link: Link | None,
    send_lateness_max_s: float | None,
    sample_bytes: int,
    frame_bytes: int,
    counted: Counted,
    network: Emulation | None,
) -> SessionRecord:
    """The record of a session that is over. `turns` begun in it; `link` None: it came to none; `sample_bytes` of
    a sample of the assistant's audio, `frame_bytes` of a frame of the talker's."""
    counts = asdict(counted)
    received = counts.pop("audio_samples_received") * sample_bytes
    opening = link.opening if link else None
    first_event_s = (setup.first_event_ns - opening.opened_ns) / 1e9 if opening and setup.first_event_ns else None
    return SessionRecord(
        talker=attempt.talker,
        persona=attempt.persona,
        call=attempt.call,
        session_id=setup.id,
        outcome=outcome,
        error_kind=error.kind if error else None,
        error=str(error) if error else None,
        reconnect=attempt.lost_ns is not None,
        lost_ns=attempt.lost_ns,
        down_s=_down_s(attempt, setup, closed_ns, outcome),
        started_epoch_s=attempt.started_epoch_s,
        started_ns=attempt.started_ns,
        ready_ns=setup.ready_ns,
        closed_ns=closed_ns,
        connect_s=opening.connect_s if opening else None,
        tls_s=opening.tls_s if opening else None,
        handshake_s=opening.handshake_s if opening else None,
        first_event_s=first_event_s,
        close_code=link.close_code if link else None,
        turns=turns,
        messages_sent=link.messages_sent if link else 0,
        messages_received=link.messages_received if link else 0,
        audio_bytes_sent=link.frames_sent * frame_bytes if link else 0,
        audio_bytes_received=received,
        frames_sent=link.frames_sent if link else 0,
        frames_dropped=link.frames_dropped if link else 0,
        send_lateness_max_s=send_lateness_max_s,
        unsent_bytes_max=link.unsent_bytes_max if link else 0,
        silence_duration_ms=setup.silence_ms,
        **counts,
        **(network.facts(closed_ns) if network is not None else {}),
    )


def _down_s(attempt: Attempt, setup: Setup, closed_ns: int, outcome: SessionOutcome) -> float:
    """Time without a session that ends with this one."""
    begin_ns = attempt.started_ns if attempt.down_ns is None and outcome is SessionOutcome.REFUSED else attempt.down_ns
    return 0.0 if begin_ns is None else max(0, (setup.ready_ns or closed_ns) - begin_ns) / 1e9
