"""The record in the middle: everything that is reported is a function of these three.

Instants (`*_ns`) are monotonic nanoseconds on the talker's machine, durations (`*_s`) float seconds. None means that the thing did not
happen or could not be measured; the outcome, the class of the barge-in or the catalogue's `absent` text says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TurnKind(StrEnum):
    """What an utterance of the talker was meant as."""

    UTTERANCE = "utterance"
    """Spoken into the assistant's silence; an answer is due."""
    BARGE_IN = "barge_in"
    """Started while the assistant was audible, to interrupt it; an answer of its own is due."""
    FALSE_ALARM = "false_alarm"
    """A backchannel, cough or noise while the assistant was audible; it must go on, and no answer is due."""


class Outcome(StrEnum):
    """What came of an utterance."""

    COMPLETED = "completed"
    """Its answer was received and played to the end."""
    INTERRUPTED = "interrupted"
    """Its answer was being heard when the talker barged in: the talker's own doing, so a success."""
    NO_RESPONSE = "no_response"
    """No audible answer came within the time limit, or the response closed without audio."""
    TIMEOUT = "timeout"
    """An answer began, then nothing more came within the time limit and it was never closed."""
    CUT_SHORT = "cut_short"
    """The assistant broke its answer off though nobody interrupted it."""
    ASSISTANT_ERROR = "assistant_error"
    """The assistant closed the response as failed."""
    CONNECTION_LOST = "connection_lost"
    """The session ended under way."""
    CUT_BY_RUN_END = "cut_by_run_end"
    """The run ended under way: neither a success nor a failure."""
    CONTINUED = "continued"
    """False alarm: the assistant talked on, to the end of its response."""
    RESUMED = "resumed"
    """False alarm: it stopped, came back within the window, and played to the end."""
    NOT_RESUMED = "not_resumed"
    """False alarm: it stopped and did not come back in time."""
    ANSWERED = "answered"
    """False alarm: it was taken for a turn and got an answer of its own."""


SUCCESSES = frozenset({Outcome.COMPLETED, Outcome.INTERRUPTED})
UNDECIDED = frozenset({Outcome.CUT_BY_RUN_END})


class BargeInClass(StrEnum):
    """How the assistant met a barge-in; shares of each are reported, never mixed."""

    SERVER = "cancelled_by_server"
    CLIENT = "cancelled_by_client"
    GENERATED = "already_generated"
    """All audio had been sent before the assistant could know: only the talker's own silencing applies."""
    NO_REACTION = "no_reaction"


class ErrorKind(StrEnum):
    """Whose door a failure is laid at; one word per kind in records, columns and screens."""

    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    AUTH = "auth"
    PROTOCOL = "protocol"
    REMOTE_CLOSE = "remote_close"
    ASSISTANT_ERROR = "assistant_error"


class SessionOutcome(StrEnum):
    """How a session ended."""

    HUNG_UP = "hung_up"
    """By the talker, after its last turn."""
    REFUSED = "refused"
    """It never became ready."""
    LOST = "connection_lost"
    CUT_BY_RUN_END = "cut_by_run_end"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRecord:
    """One utterance of a talker and what came of it. See `metrics/catalog.py` for what is derived from these facts."""

    talker: int
    """Number of the talker in the run, from 0."""
    call: int
    """Number of the talker's call, from 0; a reconnection goes on with the same call."""
    turn: int
    """Number of the turn in the talker's plan, from 0; a false alarm has that of the turn whose answer it fell into."""
    kind: TurnKind
    outcome: Outcome
    error_kind: ErrorKind | None
    error: str | None
    """The assistant's error code or what was seen; never a secret."""
    session_id: str | None
    clip: str
    voice: str
    spoken: str
    """Transcript of the clip; empty for noise."""
    transcript: str | None
    """What the assistant says it heard."""
    clock: str
    """Where arrival times come from: `kernel` or `user`."""

    speech_onset_ns: int
    speech_offset_ns: int
    offset_sent_ns: int | None
    speech_started_ns: int | None
    speech_stopped_ns: int | None
    committed_ns: int | None
    transcribed_ns: int | None
    response_created_ns: int | None
    first_token_ns: int | None
    first_audio_ns: int | None
    first_audible_ns: int | None
    last_audio_ns: int | None
    response_done_ns: int | None
    playout_end_ns: int | None

    mic_capture_s: float | None
    audio_processing_s: float | None
    uplink_network_s: float | None
    downlink_network_s: float | None
    audio_rendering_s: float | None
    speaker_output_s: float

    response_id: str | None
    response_status: str | None
    response_reason: str | None
    responses_replaced: int
    """Responses to this utterance that the assistant cancelled by itself and began anew."""
    audio_s: float
    """Audio received for the response."""
    chunks: int
    jitter_s: float | None
    """Standard deviation of the inter-arrival times of the response's audio messages; None below three messages."""
    rfc3550_jitter_s: float | None
    """Interarrival jitter against audio time, RFC 3550 section 6.4.1; None below two messages."""
    underruns: int
    underrun_s: float
    longest_gap_s: float
    input_tokens: int | None
    output_tokens: int | None

    planned_after_s: float | None
    """Barge-in or false alarm: planned instant, in seconds of the assistant's speech."""
    host_response_id: str | None
    """Barge-in or false alarm: the response it fell into."""
    detected_ns: int | None
    """Barge-in: the talker's own VAD decided that it speaks."""
    silenced_ns: int | None
    """Barge-in: the virtual speaker had been silenced and flushed."""
    flush_s: float | None
    cancel_sent_ns: int | None
    barge_in_class: BargeInClass | None
    stop_event_ns: int | None
    stop_byte_ns: int | None
    """Barge-in: last audio byte of the host response that came after the onset; None where none came, or where it never stopped."""
    stop_ear_ns: int | None
    """Barge-in: the speaker would have fallen silent had the talker not silenced it; None where the assistant never stopped."""
    talked_over_s: float | None
    false_stop_ns: int | None
    """False alarm: the assistant became inaudible for longer than 0.5 s."""
    resumed_ns: int | None
    """False alarm: it was audible again."""
    windows_met: bool
    """False alarm: its windows passed before the turn was cut off, so its outcome counts."""
    span_s: float
    """Session time that the turn covers: from the end of the one before, or the session's start, to its own end; 0 for a false alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One WebSocket session of a talker."""

    talker: int
    call: int
    session_id: str | None
    outcome: SessionOutcome
    error_kind: ErrorKind | None
    error: str | None
    reconnect: bool
    """It took the place of a session that was lost in the same call."""
    lost_ns: int | None
    """Reconnection: when the session before it was lost."""
    started_epoch_s: float
    """Wall clock at the start: the one wall stamp, to line runs up with other logs."""
    started_ns: int
    """TCP connect began."""
    ready_ns: int | None
    closed_ns: int
    connect_s: float | None
    tls_s: float | None
    """None without TLS."""
    handshake_s: float | None
    first_event_s: float | None
    """Handshake complete to the session's first event."""
    close_code: int | None
    turns: int
    messages_sent: int
    messages_received: int
    audio_bytes_sent: int
    audio_bytes_received: int
    frames_sent: int
    frames_dropped: int
    """Frames that could not be handed to the kernel before the session ended or the write queue overflowed."""
    unknown_events: int
    malformed_messages: int
    benign_errors: int
    """Errors of a race that every client meets, such as cancelling a response that has just ended."""
    assistant_errors: int
    rate_limits_seen: int
    silence_duration_ms: int | None
    """End-of-turn silence window that the assistant echoed; None if it told none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """One request for an ephemeral token."""

    user: str
    """`talker` or `token_minter`."""
    talker: int | None
    intended_ns: int
    """When the timetable wanted it sent."""
    sent_ns: int
    done_ns: int
    status: int | None
    """HTTP status; None where no response came."""
    error_kind: ErrorKind | None
    error: str | None
    retry_after_s: float | None


Record = TurnRecord | SessionRecord | TokenRecord
